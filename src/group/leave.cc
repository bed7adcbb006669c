#include "group/leave.h"

#include <algorithm>
#include <string>
#include <utility>

#include "group/rebalance.h"

namespace magpie::group {
namespace {

GroupError leave_one(Turn& turn, Group& group, const LeavingMember& leaving) {
  if (leaving.member_id.empty()) {
    // An administrator removes a static member that may be long gone (KIP-345).
    const std::string* member_id =
        leaving.instance_id ? group.static_member(*leaving.instance_id) : nullptr;
    if (member_id == nullptr) return GroupError::kUnknownMemberId;
    drop_member(turn, group, std::string(*member_id), GroupError::kUnknownMemberId);
    return GroupError::kNone;
  }
  if (group.is_pending(leaving.member_id)) {
    group.remove_pending(leaving.member_id);
    turn.cancel(group, TimerKind::kMember, leaving.member_id);
    return GroupError::kNone;
  }
  const GroupError error = group.check_member(leaving.member_id, leaving.instance_id);
  if (error == GroupError::kNone) {
    drop_member(turn, group, leaving.member_id, GroupError::kUnknownMemberId);
  }
  return error;
}

void leave_all(Turn& turn, Group& group, const LeaveGroup& request, LeaveGroupReply& reply) {
  const size_t members_before = group.members().size();
  for (size_t i = 0; i < request.members.size(); ++i) {
    reply.members[i].error = leave_one(turn, group, request.members[i]);
  }
  const size_t gone = members_before - group.members().size();
  if (gone > 0) {
    rebalance(turn, group, "members that left: " + std::to_string(gone));
  } else {
    complete_join_if_all_joined(turn, group);  // an id that was given out may have been the last
  }
}

}  // namespace

void leave(Turn& turn, const LeaveGroup& request) {
  LeaveGroupReply reply;
  for (const LeavingMember& leaving : request.members) {
    reply.members.push_back({leaving.member_id, leaving.instance_id, GroupError::kUnknownMemberId});
  }
  Group* group = turn.find(request.group_id);
  if (request.group_id.empty() || (group != nullptr && group->is(GroupState::kDead))) {
    reply.error = request.group_id.empty() ? GroupError::kInvalidGroupId
                                           : GroupError::kCoordinatorNotAvailable;
    reply.members.clear();
  } else if (group != nullptr) {
    leave_all(turn, *group, request, reply);
  }
  turn.reply(request.token, std::move(reply));
  forget_if_unused(turn, request.group_id);
}

}  // namespace magpie::group
