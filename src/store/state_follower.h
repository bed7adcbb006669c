// Keeps up with the keys under a prefix: reads them all once, then hears every change.
//
// Reading is one range request per page, all pages at the revision of the first, so that what is
// loaded is the state of one moment. A watch from the next revision follows. A watch that ends is
// opened again where it stopped; if the store has forgotten what came since, everything is read
// anew. A watch that is silent may also be dead, or be served by a member that is cut off; so every
// few seconds a linearizable read asks how far the store is, and a watch that stays behind is
// opened anew.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/client_part.h"
#include "store/line_splitter.h"

namespace magpie::store {

struct FollowerConfig {
  std::string prefix;
  // Only keys with this prefix, which itself begins with `prefix`, are reported, without it.
  std::string state_prefix;
  int64_t page_keys = 1000;
  // A larger state is not loaded; the client says so as if the store could not be reached.
  size_t state_bytes_max = size_t{256} * 1024 * 1024;
  // Of one message of a watch; after a longer one everything is read anew.
  size_t line_bytes_max = size_t{32} * 1024 * 1024;
  Duration probe_interval = Duration::seconds(3);
  // How long a watch may be behind what a read has shown.
  Duration watch_grace = Duration::seconds(2);
};

class StateFollower {
 public:
  explicit StateFollower(FollowerConfig config);

  // Begins to load. Before, pump() does nothing.
  void start() { phase_ = Phase::kLoading; }
  bool started() const { return phase_ != Phase::kIdle; }

  // Sends what can be sent now.
  void pump(const ClientContext& context);
  // False if the call is not this part's.
  bool on_part(const ClientContext& context, const port::HttpCallPart& part);
  bool on_reply(const ClientContext& context, port::HttpCallId call, const Reply& reply);
  // What was left of the stream of this call, if it is the watch.
  std::string_view stream_rest(port::HttpCallId call) const;
  Instant next_deadline() const;

 private:
  enum class Phase { kIdle, kLoading, kWatching };

  void load_next_page(const ClientContext& context);
  void on_page(const ClientContext& context, const Reply& reply);
  void finish_load(const ClientContext& context);
  void reload(bool after_compaction);

  void pump_watch(const ClientContext& context);
  void drop_stale_watch(const ClientContext& context);
  void close_watch(const ClientContext& context);
  void on_line(const ClientContext& context, const std::string& line);
  void on_events(const ClientContext& context, std::vector<WatchEvent>& events);
  void on_probe(const ClientContext& context, const Reply& reply);
  std::optional<std::string> state_key(const std::string& key) const;

  FollowerConfig config_;
  Phase phase_ = Phase::kIdle;

  // Loading.
  std::optional<port::HttpCallId> page_call_;
  Revision load_revision_ = 0;  // 0: the first page was not read
  std::string next_key_;
  std::vector<KeyValue> loaded_;
  size_t loaded_bytes_ = 0;
  bool after_compaction_ = false;

  // Watching.
  Revision position_ = 0;  // everything up to here was reported
  std::optional<port::HttpCallId> watch_call_;
  size_t watch_endpoint_ = 0;
  Instant reopen_at_;
  LineSplitter lines_;

  // Is the watch alive?
  std::optional<port::HttpCallId> probe_call_;
  Instant probe_at_;
  Revision wanted_ = 0;        // a revision that a read has shown; 0: none is missing
  Instant wanted_by_;          // when the watch must have come this far
  Revision reopened_for_ = 0;  // highest for which that was already done
};

}  // namespace magpie::store
