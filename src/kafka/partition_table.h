// The partitions this node hosts, found by topic and index or by routing number.
//
// The table also collects what partitions say. A handler never reacts in the middle of a call to a
// partition: events queue up here and the node hands them out after the handler returned, so one
// reaction cannot run inside another.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "base/uuid.h"
#include "partition/partition.h"
#include "port/effect.h"

namespace magpie::kafka {

// Which partition: the `owner` of its disk effects' completions.
using Route = uint32_t;

struct HostedPartition {
  Route route = 0;
  std::string topic;
  Uuid topic_id;
  PartitionIndex index;
  std::unique_ptr<partition::Partition> partition;
  std::vector<uint64_t> waiting_fetches;  // operations to wake when the high watermark moves
  Instant deadline = Instant::never();    // as filed in the table
  bool published = false;                 // clients may know of it: it was opened, well or not
  bool cut_off = false;      // a follower that no longer hears from its leader (role_changes.h)
  std::string failure;       // why it is offline or read-only; empty when it is well
  bool begins_anew = false;  // what was there is put away; it is to be opened empty
  bool unusable = false;     // it was not opened: its bytes are damaged, or gone
};

struct PartitionEvent {
  Route route = 0;
  partition::Event event;
};

class PartitionTable {
 public:
  // Adds a partition; its engine must report completions under the route given here.
  // REQUIRES: the route is from next_route() and the topic does not have that index yet.
  HostedPartition& add(HostedPartition partition);
  Route next_route() { return next_route_++; }

  // Puts `fresh` in the place of the partition with `old` route, which has the same topic and index
  // but could not be opened. Disk effects of the old one that come back later find no owner.
  HostedPartition& replace(Route old, HostedPartition fresh);

  // Every partition of the topic, published or not, by index.
  std::vector<HostedPartition*> of_topic(std::string_view topic);
  // Of its records here, as far as they can be read.
  int64_t bytes_of_topic(std::string_view topic);

  // Refuses what the topic's partitions still owe (the events are queued) and forgets them. Disk
  // effects of theirs that come back later find no owner.
  void remove_topic(std::string_view topic, port::Effects& effects);

  // Null if not hosted here or not published yet.
  HostedPartition* find(std::string_view topic, PartitionIndex index);
  HostedPartition* find(Route route);

  // Calls `action(partition, output)` and queues what the partition says.
  template <typename Action>
  auto call(HostedPartition& hosted, port::Effects& effects, Action&& action) {
    partition::Output out{effects, scratch_};
    struct Finish {
      PartitionTable& table;
      HostedPartition& hosted;
      ~Finish() { table.finish_call(hosted); }
    } finish{*this, hosted};
    return action(*hosted.partition, out);
  }

  bool has_events() const { return !events_.empty(); }
  // The oldest queued event, or nothing.
  std::optional<PartitionEvent> next_event();

  // Ticks every partition whose deadline has come.
  void tick(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  // All partitions, ordered by route.
  const std::map<Route, HostedPartition>& all() const { return by_route_; }
  std::map<Route, HostedPartition>& all() { return by_route_; }
  size_t size() const { return by_route_.size(); }

 private:
  void finish_call(HostedPartition& hosted);

  static constexpr Route kFirstRoute = 16;  // lower ones belong to the node itself
  Route next_route_ = kFirstRoute;
  std::map<Route, HostedPartition> by_route_;  // in an order, for those who look at all
  // The same, for those who look for one: with ten thousand, a tree is a dozen misses of the cache.
  std::unordered_map<Route, HostedPartition*> index_;  // lookup only
  std::map<std::string, std::map<PartitionIndex, Route>, std::less<>> by_topic_;
  std::set<std::pair<Instant, Route>> deadlines_;
  std::vector<partition::Event> scratch_;
  std::deque<PartitionEvent> events_;
};

}  // namespace magpie::kafka
