// A simulated control store with several endpoints, a network that loses, delays and repeats what
// it carries, and the clients of a test; all on one clock. For tests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "store/service.h"
#include "store/store_client.h"

namespace magpie::store {

// Chances in a thousand.
struct WorldFaults {
  uint64_t lose_request = 0;
  uint64_t lose_answer = 0;
  uint64_t duplicate = 0;
  uint64_t cut_watch = 0;
  uint64_t long_delay = 0;  // of a request or its copy: seconds, longer than its timeout
  bool mute = false;        // no answer arrives, and no more of any watch
  Duration delay_max = Duration::milliseconds(20);
};

using Snapshot = std::map<std::string, KeyValue>;

class StoreWorld {
 public:
  static constexpr size_t kEndpoints = 3;

  explicit StoreWorld(uint64_t seed, ServiceConfig config = {});

  WorldFaults faults;
  Random random;
  Instant now;

  // --- the store --------------------------------------------------------------------------------
  StoreService& service() { return *service_; }
  // Stops at once; what was not durable is lost. It starts again from `image()`.
  void restart_store();
  // The same with another image: a restored backup, another store.
  void restart_store_from(Image image);
  const Image& image() const { return image_; }
  void set_endpoint(size_t index, bool up) { up_[index] = up; }
  // Carries a request out at once, as another client's.
  void change(const Request& request);

  // Every revision that became durable, under its number.
  const Snapshot& snapshot(Revision revision) { return snapshots_[revision]; }
  // Revisions at which a key was put with this value.
  const std::vector<Revision>& applied(const std::string& value) { return applied_[value]; }

  // --- clients ----------------------------------------------------------------------------------
  using Listener = std::function<void(const ClientEvent&)>;
  // Returns its number.
  size_t add_client(ClientConfig config, Listener listener);
  StoreClient& client(size_t index) { return *clients_[index].client; }
  // The process ends; what it has sent stays on its way.
  void kill_client(size_t index);
  // Runs `action` with the client's output.
  void with_client(size_t index, const std::function<void(StoreClient&, ClientOutput&)>& action);
  ClientConfig client_config(const std::string& writer) const;
  uint64_t requests() const { return requests_; }

  void run_for(Duration duration);
  // True once `done()`; false if it takes longer than `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit = Duration::seconds(60));

 private:
  struct Client {
    std::unique_ptr<StoreClient> client;
    Listener listener;
    port::Effects effects;
    std::vector<ClientEvent> events;
    // Calls that have not ended, with their exchange.
    std::map<port::HttpCallId, port::HttpExchangeId> calls;
  };
  struct Exchange {
    size_t client = 0;
    port::HttpCallId call;
    size_t endpoint = 0;
    bool answer_lost = false;
    bool began = false;   // the header of its answer was delivered
    Instant last_answer;  // parts of an answer keep their order
  };

  void later(Duration delay, std::function<void()> action) {
    queue_.emplace(now + delay, std::move(action));
  }
  Duration delay() { return Duration{random_delay()}; }
  int64_t random_delay() { return random.between(0, faults.delay_max.nanos); }
  bool happens(uint64_t per_mille) { return per_mille > 0 && random.chance(per_mille, 1000); }

  void settle();
  void carry_out_client(size_t index);
  void carry_out_store();
  void call(size_t index, const port::HttpCall& call);
  void request(const port::HttpCall& call, port::HttpExchangeId id, Exchange exchange,
               Duration after);
  void deliver(port::HttpExchangeId id, const std::function<void(Client&, Exchange&)>& action);
  void end_call(size_t index, port::HttpCallId call, port::HttpCallDone done);
  void stream_part(const port::HttpStreamPart& part);
  void persist();
  void record(const ImageChanges& changes);
  void apply_events(size_t index);

  ServiceConfig config_;
  Image image_;
  std::unique_ptr<StoreService> service_;
  uint64_t life_ = 0;  // of the store
  port::Effects store_effects_;
  std::vector<bool> up_ = std::vector<bool>(kEndpoints, true);
  std::map<Revision, Snapshot> snapshots_;
  std::map<std::string, std::vector<Revision>> applied_;

  std::vector<Client> clients_;
  std::map<port::HttpExchangeId, Exchange> exchanges_;
  uint64_t next_exchange_ = 1;
  uint64_t requests_ = 0;
  std::multimap<Instant, std::function<void()>> queue_;
};

}  // namespace magpie::store
