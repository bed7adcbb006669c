#include "group/sync.h"

#include <map>
#include <string>
#include <utility>

#include "base/check.h"
#include "group/rebalance.h"

namespace magpie::group {
namespace {

bool contradicts(const std::optional<std::string>& requested,
                 const std::optional<std::string>& current) {
  return requested && current && *requested != *current;
}

GroupError check_request(const Group* group, const SyncGroup& request) {
  if (request.group_id.empty()) return GroupError::kInvalidGroupId;
  if (group == nullptr || group->is(GroupState::kEmpty)) return GroupError::kUnknownMemberId;
  if (group->is(GroupState::kDead)) return GroupError::kCoordinatorNotAvailable;
  const GroupError error = group->check_member(request.member_id, request.instance_id);
  if (error != GroupError::kNone) return error;
  if (request.generation != group->generation()) return GroupError::kIllegalGeneration;
  if (contradicts(request.protocol_type, group->protocol_type()) ||
      contradicts(request.protocol_name, group->protocol_name())) {
    return GroupError::kInconsistentGroupProtocol;
  }
  if (group->is(GroupState::kPreparingRebalance)) return GroupError::kRebalanceInProgress;
  return GroupError::kNone;
}

SyncGroupReply assignment_reply(const Group& group, const Member& member) {
  return {GroupError::kNone, group.protocol_type(), group.protocol_name(), member.assignment};
}

void note_sync(Turn& turn, Group& group, Member& member) {
  member.owes_sync = false;
  if (!group.owes_any_sync()) turn.cancel(group, TimerKind::kSync);
}

// Members that the leader forgot get an empty assignment; those it invented get nothing.
std::map<std::string, Buffer> complete_assignments(const Group& group, const SyncGroup& request) {
  std::map<std::string, Buffer> complete;
  for (const auto& [id, member] : group.members()) complete[id] = Buffer();
  for (const MemberAssignment& given : request.assignments) {
    const auto found = complete.find(given.member_id);
    // Copied: the request's block is freed when the request is answered.
    if (found != complete.end()) found->second = Buffer::copy_of(given.assignment.bytes());
  }
  return complete;
}

void store_assignments(Turn& turn, Group& group, const SyncGroup& request) {
  std::map<std::string, Buffer> assignments = complete_assignments(group, request);
  GroupMetadata metadata = group.snapshot(assignments);
  group.assignment_append = append(turn, group, {{group.id(), GroupStored{std::move(metadata)}}},
                                   HeldAssignments{std::move(assignments)});
}

// Parks the request until the leader's assignments are stored.
void await_assignment(Turn& turn, Group& group, Member& member, const SyncGroup& request) {
  const bool brings_assignments =
      group.is_leader(member.member_id) && !group.assignment_append.has_value();
  if (brings_assignments && !has_room_for_append(turn)) {
    reply_sync_error(turn, request.token, GroupError::kCoordinatorNotAvailable);
    return;
  }
  if (member.awaiting_sync) {
    reply_sync_error(turn, *member.awaiting_sync, GroupError::kRebalanceInProgress);
  }
  member.awaiting_sync = request.token;
  note_sync(turn, group, member);
  if (brings_assignments) store_assignments(turn, group, request);
}

void answer_waiting(Turn& turn, Group& group) {
  for (auto& [id, member] : group.members()) {
    if (!member.awaiting_sync) continue;
    turn.reply(*member.awaiting_sync, assignment_reply(group, member));
    member.awaiting_sync.reset();
    restart_session(turn, group, member);
  }
}

void refuse_waiting(Turn& turn, Group& group, GroupError error) {
  for (auto& [id, member] : group.members()) {
    if (!member.awaiting_sync) continue;
    reply_sync_error(turn, *member.awaiting_sync, error);
    member.awaiting_sync.reset();
    restart_session(turn, group, member);
  }
}

GroupError check_heartbeat(const Group* group, const Heartbeat& request) {
  if (request.group_id.empty()) return GroupError::kInvalidGroupId;
  if (group == nullptr) return GroupError::kUnknownMemberId;
  if (group->is(GroupState::kDead)) return GroupError::kCoordinatorNotAvailable;
  const GroupError error = group->check_member(request.member_id, request.instance_id);
  if (error != GroupError::kNone) return error;
  if (request.generation != group->generation()) return GroupError::kIllegalGeneration;
  return GroupError::kNone;
}

}  // namespace

void sync(Turn& turn, const SyncGroup& request) {
  Group* group = turn.find(request.group_id);
  const GroupError error = check_request(group, request);
  if (error != GroupError::kNone) {
    reply_sync_error(turn, request.token, error);
    return;
  }
  Member& member = *group->find(request.member_id);
  if (group->is(GroupState::kStable)) {
    note_sync(turn, *group, member);
    turn.reply(request.token, assignment_reply(*group, member));
    return;
  }
  await_assignment(turn, *group, member, request);
}

void heartbeat(Turn& turn, const Heartbeat& request) {
  Group* group = turn.find(request.group_id);
  HeartbeatReply reply{check_heartbeat(group, request)};
  if (reply.error == GroupError::kNone) {
    restart_session(turn, *group, *group->find(request.member_id));
    if (group->is(GroupState::kPreparingRebalance)) reply.error = GroupError::kRebalanceInProgress;
  }
  turn.reply(request.token, reply);
}

void finish_assignments(Turn& turn, Group& group, AppendId id, HeldAssignments held,
                        std::optional<AppendFailure> failure) {
  // A rebalance that began meanwhile has answered the waiting members already.
  if (group.assignment_append != id) return;
  CHECK(group.is(GroupState::kCompletingRebalance));
  group.assignment_append.reset();
  if (failure) {
    refuse_waiting(turn, group, member_error(*failure));
    prepare_rebalance(turn, group, "the assignments could not be stored");
    return;
  }
  for (auto& [id_of_member, member] : group.members()) {
    member.assignment = std::move(held.assignments.at(id_of_member));
  }
  group.transition_to(GroupState::kStable, turn.now.wall);
  ++turn.state.statistics.rebalances;
  turn.log(port::Severity::kInfo, "group.stable",
           "group '" + group.id() + "' is stable in generation " +
               std::to_string(group.generation()) +
               ", members: " + std::to_string(group.members().size()));
  answer_waiting(turn, group);
}

}  // namespace magpie::group
