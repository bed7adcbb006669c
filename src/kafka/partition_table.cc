#include "kafka/partition_table.h"

#include <utility>

#include "base/check.h"

namespace magpie::kafka {

HostedPartition& PartitionTable::add(HostedPartition partition) {
  const Route route = partition.route;
  CHECK(route >= kFirstRoute && route < next_route_ && partition.partition != nullptr);
  const bool new_index = by_topic_[partition.topic].emplace(partition.index, route).second;
  CHECK(new_index);
  HostedPartition& added = by_route_.emplace(route, std::move(partition)).first->second;
  index_.emplace(route, &added);
  return added;
}

HostedPartition& PartitionTable::replace(Route old, HostedPartition fresh) {
  const auto before = by_route_.find(old);
  CHECK(before != by_route_.end());
  CHECK(before->second.topic == fresh.topic && before->second.index == fresh.index);
  deadlines_.erase({before->second.deadline, old});
  by_topic_.find(fresh.topic)->second.erase(fresh.index);
  index_.erase(old);
  by_route_.erase(before);
  return add(std::move(fresh));
}

void PartitionTable::remove_topic(std::string_view topic, port::Effects& effects) {
  const auto found = by_topic_.find(topic);
  if (found == by_topic_.end()) return;
  for (const auto& [index, route] : found->second) {
    const auto hosted = by_route_.find(route);
    call(hosted->second, effects, [](auto& partition, auto& out) { partition.abandon(out); });
    deadlines_.erase({hosted->second.deadline, route});
    index_.erase(route);
    by_route_.erase(hosted);
  }
  by_topic_.erase(found);
}

HostedPartition* PartitionTable::find(std::string_view topic, PartitionIndex index) {
  const auto partitions = by_topic_.find(topic);
  if (partitions == by_topic_.end()) return nullptr;
  const auto route = partitions->second.find(index);
  if (route == partitions->second.end()) return nullptr;
  HostedPartition* hosted = find(route->second);
  return hosted->published ? hosted : nullptr;
}

int64_t PartitionTable::bytes_of_topic(std::string_view topic) {
  int64_t bytes = 0;
  for (const HostedPartition* hosted : of_topic(topic)) {
    if (!hosted->partition->is_readable()) continue;
    bytes += static_cast<int64_t>(hosted->partition->size_bytes());
  }
  return bytes;
}

std::vector<HostedPartition*> PartitionTable::of_topic(std::string_view topic) {
  std::vector<HostedPartition*> found;
  const auto partitions = by_topic_.find(topic);
  if (partitions == by_topic_.end()) return found;
  for (const auto& [index, route] : partitions->second) found.push_back(find(route));
  return found;
}

HostedPartition* PartitionTable::find(Route route) {
  const auto found = index_.find(route);
  return found == index_.end() ? nullptr : found->second;
}

std::optional<PartitionEvent> PartitionTable::next_event() {
  if (events_.empty()) return std::nullopt;
  PartitionEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void PartitionTable::tick(const Now& now, port::Effects& effects) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now.instant) {
    HostedPartition* due = find(deadlines_.begin()->second);
    CHECK(due != nullptr);
    const Instant before = due->deadline;
    call(*due, effects, [&](auto& partition, auto& out) { partition.tick(now, out); });
    // A tick that leaves its deadline in the past would spin the loop for ever.
    CHECK(due->deadline > now.instant || due->deadline != before);
  }
}

Instant PartitionTable::next_deadline() const {
  return deadlines_.empty() ? Instant::never() : deadlines_.begin()->first;
}

void PartitionTable::finish_call(HostedPartition& hosted) {
  for (partition::Event& event : scratch_) {
    events_.push_back({hosted.route, std::move(event)});
  }
  scratch_.clear();
  const Instant deadline = hosted.partition->next_deadline();
  if (deadline == hosted.deadline) return;
  if (hosted.deadline != Instant::never()) deadlines_.erase({hosted.deadline, hosted.route});
  if (deadline != Instant::never()) deadlines_.emplace(deadline, hosted.route);
  hosted.deadline = deadline;
}

}  // namespace magpie::kafka
