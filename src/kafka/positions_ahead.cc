#include "kafka/positions_ahead.h"

#include <fmt/format.h>

#include <string>

#include "base/planted_bug.h"
#include "kafka/epoch_ends.h"
#include "kafka/group_requests.h"

namespace magpie::kafka {
namespace {

std::optional<ClampedPosition> clamp_to(const partition::Partition& leader, Offset offset,
                                        LeaderEpoch epoch) {
  if (epoch.value >= 0 && epoch < leader.leader_epoch()) {
    const auto end = end_of_epoch(leader, epoch);
    if (end.end < offset && planted(PlantedBug::kClampedTooFar)) {
      return ClampedPosition{leader.log_start(), end.epoch};
    }
    if (end.end < offset) return ClampedPosition{end.end, end.epoch};
    return std::nullopt;
  }
  const bool is_in_gap = leader.log_end() < offset && offset <= leader.next_offset();
  if (is_in_gap) return ClampedPosition{leader.log_end(), kNoLeaderEpoch};
  return std::nullopt;
}

// Goes through the positions of all groups and says how many are ahead, naming the first.
template <typename Wanted>
void report(Broker& broker, Wanted is_wanted) {
  uint64_t found = 0;
  std::string first;
  for (const auto& [id, group] : broker.groups.coordinator().durable().groups()) {
    for (const auto& [at, position] : group.positions) {
      if (!is_wanted(at)) continue;
      const auto clamped = clamp_position(broker, at, position.offset, position.leader_epoch);
      if (!clamped) continue;
      if (found++ > 0) continue;
      first = fmt::format("group '{}' had committed {} in {}-{} and resumes at {}", id,
                          position.offset.value, at.topic, at.partition, clamped->offset.value);
    }
  }
  if (found == 0) return;
  broker.statistics.positions_ahead += found;
  broker.effects.add(
      port::LogLine{port::Severity::kWarning, "positions_ahead",
                    fmt::format("{} committed positions lie beyond the records that are left: {}",
                                found, first)});
}

}  // namespace

std::optional<ClampedPosition> clamp_position(const Broker& broker, const group::TopicPartition& at,
                                              Offset offset, LeaderEpoch epoch) {
  const HostedPartition* hosted = broker.partitions.find(at.topic, PartitionIndex{at.partition});
  const bool leads = hosted != nullptr && hosted->partition->is_readable() &&
                     hosted->partition->role() == partition::Role::kLeader;
  return leads ? clamp_to(*hosted->partition, offset, epoch) : std::nullopt;
}

void report_positions_ahead(Broker& broker) {
  report(broker, [](const group::TopicPartition&) { return true; });
}

void report_positions_ahead(Broker& broker, const HostedPartition& hosted) {
  report(broker, [&](const group::TopicPartition& at) {
    return at.topic == hosted.topic && at.partition == hosted.index.value;
  });
}

}  // namespace magpie::kafka
