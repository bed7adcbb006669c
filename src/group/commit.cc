#include "group/commit.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/planted_bug.h"
#include "group/rebalance.h"
#include "group/refusal.h"

namespace magpie::group {
namespace {

// Who may commit: members of the current generation, and anybody while the group has no members
// (consumers outside group management, administrators).
GroupError check_committer(const Group& group, const OffsetCommit& request) {
  if (group.is(GroupState::kDead)) return GroupError::kCoordinatorNotAvailable;
  const bool names_nobody =
      request.generation < 0 && request.member_id.empty() && !request.instance_id;
  if (group.is(GroupState::kEmpty) && request.generation < 0) return GroupError::kNone;
  if (names_nobody) return GroupError::kUnknownMemberId;
  const GroupError error = group.check_member(request.member_id, request.instance_id);
  if (error != GroupError::kNone) return error;
  const bool fenced = request.generation != group.generation();
  if (fenced && !planted(PlantedBug::kGenerationNotFenced)) return GroupError::kIllegalGeneration;
  // It has not got its assignment yet; what it would commit belongs to the former one.
  if (group.is(GroupState::kCompletingRebalance)) return GroupError::kRebalanceInProgress;
  return GroupError::kNone;
}

// `added` counts the positions that this request would be the first to store.
GroupError check_position(const CoordinatorState& state, const Group& group,
                          const PositionCommit& commit, size_t& added) {
  const GroupLimits& limits = state.config.limits;
  if (commit.at.topic.size() > limits::kTopicNameBytes) {
    return GroupError::kUnknownTopicOrPartition;
  }
  if (commit.metadata.value_or("").size() > limits.position_metadata_bytes) {
    return GroupError::kOffsetMetadataTooLarge;
  }
  if (state.durable.find_position(group.id(), commit.at) != nullptr) return GroupError::kNone;
  if (state.durable.position_count() + added >= limits.positions) {
    return GroupError::kPolicyViolation;
  }
  ++added;
  return GroupError::kNone;
}

// Clients have sent INT64_MAX for "keep forever".
std::optional<WallTime> expiry(const Now& now, int64_t retention_time_ms) {
  if (retention_time_ms < 0) return std::nullopt;
  const bool overflows = retention_time_ms > INT64_MAX - std::max<int64_t>(now.wall.millis, 0);
  return WallTime{overflows ? INT64_MAX : now.wall.millis + retention_time_ms};
}

// Decides each position on its own: the good ones become changes.
std::vector<Change> decide(const Turn& turn, const Group& group, const OffsetCommit& request,
                           OffsetCommitReply& reply) {
  std::vector<Change> changes;
  size_t added = 0;
  for (const PositionCommit& commit : request.positions) {
    const GroupError error = check_position(turn.state, group, commit, added);
    reply.positions.push_back({commit.at, error});
    if (error != GroupError::kNone) continue;
    Position position{commit.offset, commit.leader_epoch, commit.metadata.value_or(""),
                      commit_time(turn, commit.at.topic),
                      expiry(turn.now, request.retention_time_ms)};
    changes.push_back({group.id(), PositionStored{commit.at, std::move(position)}});
  }
  return changes;
}

// A group for positions alone is created by its first commit.
Group* find_or_create(Turn& turn, const OffsetCommit& request, GroupError& error) {
  if (Group* group = turn.find(request.group_id)) return group;
  if (request.group_id.size() > kRecordStringBytes) {
    error = GroupError::kInvalidGroupId;
  } else if (request.generation >= 0) {
    error = GroupError::kIllegalGeneration;
  } else if (turn.state.groups.size() >= turn.state.config.limits.groups) {
    error = GroupError::kGroupMaxSizeReached;
  } else {
    const auto created =
        turn.state.groups.emplace(request.group_id, Group(request.group_id, turn.now.wall));
    return &created.first->second;
  }
  return nullptr;
}

// A member that commits is alive.
void note_sign_of_life(Turn& turn, const Group& group, const OffsetCommit& request) {
  if (!group.is(GroupState::kStable) && !group.is(GroupState::kPreparingRebalance)) return;
  if (const Member* member = group.find(request.member_id)) restart_session(turn, group, *member);
}

}  // namespace

void commit(Turn& turn, const OffsetCommit& request) {
  GroupError error = GroupError::kNone;
  Group* group = find_or_create(turn, request, error);
  if (group != nullptr) error = check_committer(*group, request);
  if (error == GroupError::kNone && !has_room_for_append(turn)) {
    error = GroupError::kCoordinatorNotAvailable;
  }
  if (error != GroupError::kNone) {
    turn.out.replies.push_back(refusal(request, error));
    forget_if_unused(turn, request.group_id);
    return;
  }
  note_sign_of_life(turn, *group, request);
  OffsetCommitReply reply;
  std::vector<Change> changes = decide(turn, *group, request, reply);
  if (changes.empty()) {
    turn.reply(request.token, std::move(reply));
    forget_if_unused(turn, request.group_id);
  } else if (planted(PlantedBug::kCommitBeforeDurable)) {
    turn.reply(request.token, std::move(reply));
    append(turn, *group, std::move(changes), NobodyWaits{});
  } else {
    append(turn, *group, std::move(changes), HeldCommit{request.token, std::move(reply)});
  }
}

void finish_commit(Turn& turn, HeldCommit held, std::optional<AppendFailure> failure) {
  for (PositionResult& result : held.reply.positions) {
    if (result.error != GroupError::kNone) continue;
    if (failure) result.error = position_error(*failure);
    if (!failure) ++turn.state.statistics.positions_committed;
  }
  turn.reply(held.token, std::move(held.reply));
}

}  // namespace magpie::group
