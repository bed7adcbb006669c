#include "partition/commitment.h"

#include <algorithm>

#include "base/planted_bug.h"

namespace magpie::partition {

void Commitment::begin() {
  open_ = false;
  required_.clear();
  successor_.reset();
  last_copy_.reset();
  unreadable_.clear();
  starts_.clear();
  if (!planted(PlantedBug::kPositionsOutliveEpoch)) positions_.clear();
}

void Commitment::require(const std::vector<NodeId>& members) {
  open_ = true;
  required_ = {members.begin(), members.end()};
}

void Commitment::reconciled(NodeId member, Offset durable) {
  positions_[member] = durable;
}

void Commitment::durable(NodeId member, Offset durable) {
  const auto known = positions_.find(member);
  if (known == positions_.end()) return;
  known->second = std::max(known->second, durable);
}

void Commitment::forget(NodeId member) {
  positions_.erase(member);
  starts_.erase(member);
}

void Commitment::starts_at(NodeId member, Offset start) {
  if (positions_.contains(member)) starts_[member] = start;
}

void Commitment::set_unreadable(NodeId member, bool unreadable) {
  if (unreadable) {
    unreadable_.insert(member);
  } else {
    unreadable_.erase(member);
  }
}

Offset Commitment::start_of(NodeId member) const {
  const auto known = starts_.find(member);
  return known == starts_.end() ? Offset{} : known->second;
}

Offset Commitment::start(Offset leader_start) const {
  if (!open_) return Offset{};
  Offset start = leader_start;
  for (const NodeId member : required_) start = std::min(start, start_of(member));
  if (successor_) start = std::min(start, start_of(*successor_));
  return start;
}

Offset Commitment::position(NodeId member) const {
  const auto known = positions_.find(member);
  return known == positions_.end() ? Offset{-1} : known->second;
}

Offset Commitment::end(Offset leader_durable) const {
  if (!open_) return Offset{-1};
  Offset end = leader_durable;
  if (planted(PlantedBug::kAckWithoutMembers)) return end;
  for (const NodeId member : required_) end = std::min(end, position(member));
  return end;
}

Offset Commitment::lowest(Offset leader_durable) const {
  Offset lowest = leader_durable;
  for (const auto& [member, position] : positions_) lowest = std::min(lowest, position);
  return lowest;
}

}  // namespace magpie::partition
