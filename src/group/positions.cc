#include "group/positions.h"

#include <set>
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

// With `changes`, in one append.
void remove_positions(Turn& turn, Group& group, const std::string& topic,
                      std::vector<Change> changes) {
  std::set<TopicPartition> gone;
  if (const DurableGroup* stored = turn.state.durable.find(group.id())) {
    for (const auto& [at, position] : stored->positions) {
      if (at.topic == topic) gone.insert(at);
    }
  }
  for (const auto& [at, count] : group.changing) {
    if (at.topic == topic) gone.insert(at);
  }
  for (const TopicPartition& at : gone) changes.push_back({group.id(), PositionRemoved{at}});
  if (!changes.empty()) append(turn, group, std::move(changes), NobodyWaits{});
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

void forget_topic(Turn& turn, const TopicDeleted& event) {
  for (auto& [id, group] : turn.state.groups) remove_positions(turn, group, event.topic, {});
}

// What is still under way was committed too late to be kept.
void rename_topic(Turn& turn, const TopicRenamed& event) {
  for (auto& [id, group] : turn.state.groups) {
    std::vector<Change> changes;
    const DurableGroup* stored = turn.state.durable.find(id);
    if (stored != nullptr && !group.is(GroupState::kDead)) {
      for (const auto& [at, position] : stored->positions) {
        if (at.topic != event.topic) continue;
        changes.push_back({id, PositionStored{{event.to, at.partition}, position}});
      }
    }
    remove_positions(turn, group, event.topic, std::move(changes));
  }
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
      answer.positions.push_back(fetch_one(group, state.durable.find_position(request.group_id, at),
                                           at, request.require_stable));
    }
  } else if (const DurableGroup* stored = state.durable.find(request.group_id)) {
    for (const auto& [at, position] : stored->positions) {
      answer.positions.push_back(fetch_one(group, &position, at, request.require_stable));
    }
  }
  return answer;
}

}  // namespace magpie::group
