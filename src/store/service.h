// Serves a KeyValueStore over HTTP as etcd's gateway would: what `magpie store` and the simulated
// control store are made of.
//
// The problem: no client may see what a crash could take back: not the writer its own answer, nor a
// reader or a watcher what another wrote. The idea: requests change the state in memory at once,
// one after the other; changes are handed out in batches to be made durable, and every answer and
// every watch event waits for the batch that holds the last change it could have seen.
//
// Guarantees: answers are linearizable and durable; a watch brings every durable change of its
// range exactly once, in order, with all changes of a revision in one message; after a restart the
// state is that of the last durable batch.
//
// What it does not do: it writes no file (take_batch() and persisted() are the seam), knows no
// users, and serves no watch with more than one range.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "port/effect.h"
#include "port/event.h"
#include "store/codec.h"
#include "store/image.h"
#include "store/key_value_store.h"

namespace magpie::store {

struct ServiceConfig {
  // Watches at once; one more is refused with RESOURCE_EXHAUSTED.
  size_t watches_max = 1000;
  // Answers that wait for a batch; further requests are refused with RESOURCE_EXHAUSTED.
  size_t waiting_max = 10'000;
  // How long a watch that asked for progress notifications is silent at most.
  Duration progress_interval = Duration::seconds(5);
  // Revisions kept for watches and reads; older ones are compacted now and then.
  Revision history_revisions = 10'000;
  std::string version;  // for StatusResponse
};

// Changes to be made durable: all of them or none, and after those of all earlier batches.
struct Batch {
  uint64_t number = 0;
  ImageChanges changes;
};

class StoreService {
 public:
  StoreService(ServiceConfig config, const Image& image, Random random, Instant now);

  void step(const Now& now, const port::HttpRequestReceived& request, port::Effects& effects);
  void step(const Now& now, const port::HttpExchangeClosed& closed);
  // Ends leases and sends progress notifications.
  void tick(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  // What was changed since the last call; nothing if nothing was. To be asked after every step or
  // after several.
  std::optional<Batch> take_batch();
  // The batches up to this one are durable. REQUIRES: take_batch() gave it out.
  void persisted(const Now& now, uint64_t number, port::Effects& effects);

  // Ends all watches, as a store that shuts down does.
  void stop(port::Effects& effects);

  const KeyValueStore& store() const { return store_; }
  size_t watches() const { return watches_.size(); }

 private:
  struct Waiting {
    uint64_t batch = 0;
    port::HttpRespond answer;
  };
  struct Watch {
    WatchCreateRequest request;
    Revision next = 0;  // the first revision that was not sent
    Instant last_sent;
  };
  struct Carry;  // one request to the store

  void answer(port::HttpRespond respond, port::Effects& effects);
  void create_watch(const Now& now, port::HttpExchangeId exchange,
                    const WatchCreateRequest& request, port::Effects& effects);
  void send_events(const Now& now, port::HttpExchangeId exchange, Watch& watch,
                   port::Effects& effects);
  void collect();
  void compact_history();
  ResponseHeader durable_header() const;

  ServiceConfig config_;
  KeyValueStore store_;
  std::deque<Waiting> waiting_;  // in the order of their batches
  std::map<port::HttpExchangeId, Watch> watches_;

  ImageChanges collected_;
  uint64_t next_batch_ = 1;         // will hold `collected_`
  uint64_t durable_batch_ = 0;      // all batches up to this one
  std::deque<Revision> in_flight_;  // revision of each batch after it, up to the last taken
  Revision durable_revision_;
};

}  // namespace magpie::store
