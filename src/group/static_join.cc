#include "group/static_join.h"

#include <deque>
#include <string>
#include <utility>

#include "base/check.h"
#include "group/join.h"
#include "group/member_id.h"
#include "group/rebalance.h"

namespace magpie::group {
namespace {

// The former self is fenced: whoever still uses the old member id learns that it was replaced.
void fence(Turn& turn, Group& group, Member& member) {
  if (member.awaiting_join) {
    reply_join_error(turn, *member.awaiting_join, member.member_id, GroupError::kFencedInstanceId);
  }
  if (member.awaiting_sync) {
    reply_sync_error(turn, *member.awaiting_sync, GroupError::kFencedInstanceId);
  }
  member.awaiting_join.reset();
  member.awaiting_sync.reset();
  turn.cancel(group, TimerKind::kMember, member.member_id);
}

Member& replace(Turn& turn, Group& group, const std::string& old_member_id,
                const std::string& member_id, const JoinGroup& request) {
  fence(turn, group, *group.find(old_member_id));
  Member& member = group.replace_static(old_member_id, member_id);
  member.update(request);
  member.is_new = false;
  restart_session(turn, group, member);
  return member;
}

// Tries the replacement on a copy: the group itself moves only when the new id is stored.
void replace_in_stable_group(Turn& turn, Group& group, const std::string& old_member_id,
                             const std::string& member_id, const JoinGroup& request) {
  Group next = group;
  Member& member = *next.find(old_member_id);
  member.awaiting_join.reset();
  member.awaiting_sync.reset();
  next.replace_static(old_member_id, member_id).update(request);
  if (next.select_protocol() != group.protocol_name()) {
    Member& replaced = replace(turn, group, old_member_id, member_id, request);
    park_join(turn, replaced, request.token);
    prepare_rebalance(turn, group, "static member '" + member_id + "' changes the chosen protocol");
    return;
  }
  if (!has_room_for_append(turn)) {
    reply_join_error(turn, request.token, "", GroupError::kCoordinatorNotAvailable);
    return;
  }
  group.replacement_append =
      append(turn, group, {{group.id(), GroupStored{next.snapshot(next.assignments())}}},
             HeldReplacement{request, old_member_id, member_id});
}

// Before version 9 there is no way to tell a leader that it need not assign again; naming its
// former id as leader makes it a follower in its own eyes.
void reply_replaced(Turn& turn, const Group& group, const Member& member,
                    const HeldReplacement& held, bool was_leader) {
  JoinGroupReply reply = joined_reply(group, member);
  if (held.request.supports_skip_assignment) {
    reply.skip_assignment = was_leader;
  } else {
    reply.members.clear();
    if (was_leader) reply.leader = held.old_member_id;
  }
  turn.reply(held.request.token, std::move(reply));
}

// One replacement is stored at a time, because each stores the whole group.
void wait_for_replacement(Turn& turn, Group& group, const JoinGroup& request) {
  if (group.waiting_joins.size() >= turn.state.config.limits.members_per_group) {
    reply_join_error(turn, request.token, "", GroupError::kCoordinatorNotAvailable);
  } else {
    group.waiting_joins.push_back(request);
  }
}

// Of several joins for one instance the latest counts.
void fence_waiting(Turn& turn, Group& group, const std::string& instance_id) {
  std::deque<JoinGroup> others;
  for (JoinGroup& waiting : group.waiting_joins) {
    if (waiting.instance_id == instance_id) {
      reply_join_error(turn, waiting.token, "", GroupError::kFencedInstanceId);
    } else {
      others.push_back(std::move(waiting));
    }
  }
  group.waiting_joins = std::move(others);
}

}  // namespace

void join_static(Turn& turn, Group& group, const JoinGroup& request) {
  const std::string* current = group.static_member(*request.instance_id);
  if (current == nullptr) {
    add_member(turn, group, request, new_member_id(turn.state.random, group, request));
    return;
  }
  fence_waiting(turn, group, *request.instance_id);
  if (group.is(GroupState::kStable) && group.replacement_append) {
    wait_for_replacement(turn, group, request);
    return;
  }
  const std::string old_member_id = *current;
  const std::string member_id = new_member_id(turn.state.random, group, request);
  if (group.is(GroupState::kStable)) {
    replace_in_stable_group(turn, group, old_member_id, member_id, request);
    return;
  }
  // The leader may already be assigning to the old id, so a rebalance under way begins again.
  Member& member = replace(turn, group, old_member_id, member_id, request);
  park_join(turn, member, request.token);
  rebalance(turn, group, "static member '" + member_id + "' came back");
}

void finish_replacement(Turn& turn, Group& group, HeldReplacement held,
                        std::optional<AppendFailure> failure) {
  group.replacement_append.reset();
  std::deque<JoinGroup> waiting = std::exchange(group.waiting_joins, {});
  const std::string* current = group.static_member(*held.request.instance_id);
  const bool superseded = current != nullptr && *current != held.old_member_id;
  // A later stable generation would have been stored after this append, and decided after it.
  const bool unchanged = current != nullptr && !superseded && group.is(GroupState::kStable);
  if (failure) {
    reply_join_error(turn, held.request.token, "", member_error(*failure));
  } else if (superseded) {
    reply_join_error(turn, held.request.token, "", GroupError::kFencedInstanceId);
  } else if (unchanged) {
    const bool was_leader = group.is_leader(held.old_member_id);
    Member& member = replace(turn, group, held.old_member_id, held.new_member_id, held.request);
    reply_replaced(turn, group, member, held, was_leader);
  } else {
    // The group has moved on meanwhile, and a later generation will be stored over this one.
    waiting.push_front(std::move(held.request));
  }
  for (const JoinGroup& request : waiting) join(turn, request);
}

}  // namespace magpie::group
