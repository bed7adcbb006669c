#include "group/removal.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace magpie::group {
namespace {

// Everything stored about the group and everything on its way to be: a commit that is still under
// way lies before these removals in the log.
std::vector<Change> removal_of(const CoordinatorState& state, const Group& group) {
  std::set<TopicPartition> positions;
  const DurableGroup* stored = state.durable.find(group.id());
  if (stored != nullptr) {
    for (const auto& [at, position] : stored->positions) positions.insert(at);
  }
  for (const auto& [at, count] : group.changing) positions.insert(at);
  std::vector<Change> changes;
  for (const TopicPartition& at : positions) changes.push_back({group.id(), PositionRemoved{at}});
  if (stored != nullptr || !group.appends.empty()) changes.push_back({group.id(), GroupRemoved{}});
  return changes;
}

GroupError check_deletion(const Group* group) {
  if (group == nullptr) return GroupError::kGroupIdNotFound;
  switch (group->state()) {
    case GroupState::kEmpty:
      return GroupError::kNone;
    case GroupState::kDead:
      return GroupError::kCoordinatorNotAvailable;
    default:
      return GroupError::kNonEmptyGroup;
  }
}

void erase_group(Turn& turn, const std::string& group_id) {
  turn.state.timers.cancel_group(group_id);
  turn.state.groups.erase(group_id);
}

// Something else about the group is still under way.
void start_over(Turn& turn, Group& group) {
  turn.state.timers.cancel_group(group.id());
  Group fresh(group.id(), turn.now.wall);
  fresh.appends = std::move(group.appends);
  fresh.changing = std::move(group.changing);
  group = std::move(fresh);
}

}  // namespace

void begin_removal(Turn& turn, Group& group, std::vector<Change> changes, HeldRemoval held) {
  group.transition_to(GroupState::kDead, turn.now.wall);
  append(turn, group, std::move(changes), held);
}

void delete_groups(Turn& turn, const DeleteGroups& request) {
  const uint64_t number = turn.state.next_deletion++;
  PendingDeletion deletion{request.token, {}, 0};
  for (const std::string& group_id : request.group_ids) {
    Group* group = turn.find(group_id);
    GroupError error = check_deletion(group);
    if (error == GroupError::kNone && !has_room_for_append(turn)) {
      error = GroupError::kCoordinatorNotAvailable;
    }
    const size_t place = deletion.reply.groups.size();
    deletion.reply.groups.push_back({group_id, error});
    if (error != GroupError::kNone) continue;
    std::vector<Change> changes = removal_of(turn.state, *group);
    if (changes.empty()) {
      erase_group(turn, group_id);  // it only ever gave out member ids
    } else {
      begin_removal(turn, *group, std::move(changes), HeldRemoval{number, place});
      ++deletion.outstanding;
    }
  }
  if (deletion.outstanding == 0) {
    turn.reply(deletion.token, std::move(deletion.reply));
  } else {
    turn.state.deletions.emplace(number, std::move(deletion));
  }
}

void finish_removal(Turn& turn, Group& group, const HeldRemoval& held,
                    std::optional<AppendFailure> failure) {
  CHECK(group.is(GroupState::kDead));
  if (failure) {
    group.transition_to(GroupState::kEmpty, turn.now.wall);
  } else if (group.appends.empty()) {
    erase_group(turn, std::string(group.id()));
  } else {
    start_over(turn, group);
  }
  if (!held.deletion) return;
  const auto found = turn.state.deletions.find(*held.deletion);
  CHECK(found != turn.state.deletions.end());
  PendingDeletion& deletion = found->second;
  if (failure) deletion.reply.groups[held.place].error = member_error(*failure);
  if (--deletion.outstanding > 0) return;
  turn.reply(deletion.token, std::move(deletion.reply));
  turn.state.deletions.erase(found);
}

void forget_if_unused(Turn& turn, const std::string& group_id) {
  const Group* group = turn.find(group_id);
  if (group == nullptr || !group->is(GroupState::kEmpty)) return;
  if (!group->pending_members().empty() || !group->appends.empty()) return;
  if (turn.state.durable.find(group_id) != nullptr) return;
  erase_group(turn, group_id);
}

}  // namespace magpie::group
