#include "group/durable_groups.h"

namespace magpie::group {

void DurableGroups::apply(const Change& change) {
  DurableGroup& group = groups_[change.group_id];
  if (const auto* stored = std::get_if<PositionStored>(&change.what)) {
    const bool is_new = group.positions.insert_or_assign(stored->at, stored->position).second;
    if (is_new) ++position_count_;
  } else if (const auto* removed = std::get_if<PositionRemoved>(&change.what)) {
    position_count_ -= group.positions.erase(removed->at);
  } else if (const auto* metadata = std::get_if<GroupStored>(&change.what)) {
    group.metadata = metadata->metadata;
  } else {
    group.metadata.reset();
  }
  if (!group.metadata && group.positions.empty()) groups_.erase(change.group_id);
}

const DurableGroup* DurableGroups::find(std::string_view group_id) const {
  const auto found = groups_.find(group_id);
  return found == groups_.end() ? nullptr : &found->second;
}

const Position* DurableGroups::find_position(std::string_view group_id,
                                             const TopicPartition& at) const {
  const DurableGroup* group = find(group_id);
  if (group == nullptr) return nullptr;
  const auto found = group->positions.find(at);
  return found == group->positions.end() ? nullptr : &found->second;
}

}  // namespace magpie::group
