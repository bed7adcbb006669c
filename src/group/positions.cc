#include "group/positions.h"

#include <string>
#include <utility>
#include <vector>

namespace magpie::group {
namespace {

// --- delete ------------------------------------------------------------------------------------

GroupError check_deletion(const Group* group) {
  if (group == nullptr) return GroupError::kGroupIdNotFound;
  switch (group->state()) {
    case GroupState::kEmpty:
      return GroupError::kNone;
    case GroupState::kDead:
      return GroupError::kCoordinatorNotAvailable;
    // What members of other types consume is not known, so nothing can be spared for them.
    default:
      return group->is_consumer_group() ? GroupError::kNone : GroupError::kNonEmptyGroup;
  }
}

bool is_known(const CoordinatorState& state, const Group& group, const TopicPartition& at) {
  return group.changing.count(at) != 0 || state.durable.find_position(group.id(), at) != nullptr;
}

// --- fetch -------------------------------------------------------------------------------------

FetchedPosition fetch_one(const Group* group, const Position* position, const TopicPartition& at,
                          bool require_stable) {
  FetchedPosition fetched;
  fetched.at = at;
  if (require_stable && group != nullptr && group->changing.count(at) != 0) {
    fetched.error = GroupError::kUnstableOffsetCommit;
  } else if (position != nullptr) {
    fetched.offset = position->offset;
    fetched.leader_epoch = position->leader_epoch;
    fetched.metadata = position->metadata;
  }
  return fetched;
}

}  // namespace

void delete_positions(Turn& turn, const OffsetDelete& request) {
  Group* group = turn.find(request.group_id);
  OffsetDeleteReply reply;
  reply.error = check_deletion(group);
  if (reply.error == GroupError::kNone && !has_room_for_append(turn)) {
    reply.error = GroupError::kCoordinatorNotAvailable;
  }
  if (reply.error != GroupError::kNone) {
    turn.reply(request.token, std::move(reply));
    return;
  }
  std::vector<Change> changes;
  for (const TopicPartition& at : request.positions) {
    const bool subscribed = group->is_subscribed_to(at.topic);
    reply.positions.push_back(
        {at, subscribed ? GroupError::kGroupSubscribedToTopic : GroupError::kNone});
    if (!subscribed && is_known(turn.state, *group, at)) {
      changes.push_back({group->id(), PositionRemoved{at}});
    }
  }
  if (changes.empty()) {
    turn.reply(request.token, std::move(reply));
  } else {
    append(turn, *group, std::move(changes), HeldOffsetDelete{request.token, std::move(reply)});
  }
}

void finish_offset_delete(Turn& turn, HeldOffsetDelete held, std::optional<AppendFailure> failure) {
  if (failure) {
    held.reply.error = member_error(*failure);
    held.reply.positions.clear();
  }
  turn.reply(held.token, std::move(held.reply));
}

OffsetFetchAnswer fetch(const CoordinatorState& state, const OffsetFetch& request) {
  OffsetFetchAnswer answer;
  if (!state.serving) {
    answer.error = GroupError::kNotCoordinator;
    return answer;
  }
  const auto live = state.groups.find(request.group_id);
  const Group* group = live == state.groups.end() ? nullptr : &live->second;
  if (request.positions) {
    for (const TopicPartition& at : *request.positions) {
      const Position* position = state.durable.find_position(request.group_id, at);
      if (position != nullptr && is_moving(state, request.group_id, at, *position)) {
        position = nullptr;
      }
      answer.positions.push_back(fetch_one(group, position, at, request.require_stable));
    }
  } else if (const DurableGroup* stored = state.durable.find(request.group_id)) {
    for (const auto& [at, position] : stored->positions) {
      if (is_moving(state, request.group_id, at, position)) continue;
      answer.positions.push_back(fetch_one(group, &position, at, request.require_stable));
    }
  }
  return answer;
}

}  // namespace magpie::group
