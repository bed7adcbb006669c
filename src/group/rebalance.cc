#include "group/rebalance.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace magpie::group {
namespace {

void complete_join(Turn& turn, Group& group);

void begin_joining(Turn& turn, Group& group) {
  if (group.has_all_joined()) {
    complete_join(turn, group);
  } else {
    turn.arm(group, TimerKind::kJoin, "", group.rebalance_timeout());
  }
}

// The first members of a group arrive one after the other; each pause that brings another one
// extends the wait, up to the rebalance timeout.
void begin_initial_delay(Turn& turn, Group& group) {
  const Duration delay = turn.state.config.initial_rebalance_delay;
  const Duration remaining = std::max(group.rebalance_timeout() - delay, Duration{});
  group.initial_delay = Group::InitialDelay{delay, remaining, false};
  turn.arm(group, TimerKind::kJoin, "", delay);
}

bool extend_initial_delay(Turn& turn, Group& group) {
  if (!group.initial_delay) return false;
  Group::InitialDelay& wait = *group.initial_delay;
  if (!wait.member_added || wait.remaining == Duration{}) return false;
  const Duration next = std::min(turn.state.config.initial_rebalance_delay, wait.remaining);
  wait.remaining = std::max(wait.remaining - wait.delay, Duration{});
  wait.delay = next;
  wait.member_added = false;
  turn.arm(group, TimerKind::kJoin, "", next);
  return true;
}

void drop_dynamic_members_that_did_not_join(Turn& turn, Group& group) {
  std::vector<std::string> late;
  for (const auto& [id, member] : group.members()) {
    if (!member.awaiting_join && !member.is_static()) late.push_back(id);
  }
  for (const std::string& id : late) {
    ++turn.state.statistics.members_expired;
    turn.log(port::Severity::kInfo, "group.member_late",
             "group '" + group.id() + "': member '" + id +
                 "' did not rejoin within the rebalance timeout and is removed");
    drop_member(turn, group, id, GroupError::kUnknownMemberId);
  }
}

// Nobody waits for this record. If it is lost, the last stored generation comes back after a
// restart and its members fall silent once more.
void store_empty_group(Turn& turn, Group& group) {
  turn.log(port::Severity::kInfo, "group.empty",
           "group '" + group.id() + "' has no members in generation " +
               std::to_string(group.generation()));
  const bool anything_stored =
      turn.state.durable.find(group.id()) != nullptr || !group.appends.empty();
  if (!anything_stored) return;
  append(turn, group, {{group.id(), GroupStored{group.snapshot({})}}}, NobodyWaits{});
}

void announce_generation(Turn& turn, Group& group) {
  for (auto& [id, member] : group.members()) {
    member.is_new = false;
    member.owes_sync = true;
    if (member.awaiting_join) {
      turn.reply(*member.awaiting_join, joined_reply(group, member));
      member.awaiting_join.reset();
    }
    restart_session(turn, group, member);
  }
  turn.arm(group, TimerKind::kSync, "", group.rebalance_timeout());
}

void complete_join(Turn& turn, Group& group) {
  CHECK(group.is(GroupState::kPreparingRebalance));
  turn.cancel(group, TimerKind::kJoin);
  group.initial_delay.reset();
  drop_dynamic_members_that_did_not_join(turn, group);
  if (!group.elect_joined_leader() && !group.members().empty()) {
    // Only static members are left and none came back: wait until their sessions end.
    turn.arm(group, TimerKind::kJoin, "", group.rebalance_timeout());
    return;
  }
  group.begin_next_generation(turn.now.wall);
  if (group.is(GroupState::kEmpty)) {
    store_empty_group(turn, group);
  } else {
    announce_generation(turn, group);
  }
}

}  // namespace

void restart_session(Turn& turn, const Group& group, const Member& member) {
  turn.arm(group, TimerKind::kMember, member.member_id, member.session_timeout());
}

void rebalance(Turn& turn, Group& group, const std::string& reason) {
  if (group.is(GroupState::kPreparingRebalance)) {
    complete_join_if_all_joined(turn, group);
  } else {
    prepare_rebalance(turn, group, reason);
  }
}

void prepare_rebalance(Turn& turn, Group& group, const std::string& reason) {
  if (group.is(GroupState::kCompletingRebalance)) {
    for (auto& [id, member] : group.members()) {
      member.assignment = Buffer();
      if (!member.awaiting_sync) continue;
      reply_sync_error(turn, *member.awaiting_sync, GroupError::kRebalanceInProgress);
      member.awaiting_sync.reset();
      restart_session(turn, group, member);
    }
  }
  group.assignment_append.reset();
  for (auto& [id, member] : group.members()) member.owes_sync = false;
  turn.cancel(group, TimerKind::kSync);
  group.transition_to(GroupState::kPreparingRebalance, turn.now.wall);
  turn.log(port::Severity::kInfo, "group.rebalance",
           "group '" + group.id() + "' begins a rebalance after generation " +
               std::to_string(group.generation()) + ": " + reason);
  if (group.is_initial_rebalance()) {
    begin_initial_delay(turn, group);
  } else {
    begin_joining(turn, group);
  }
}

void complete_join_if_all_joined(Turn& turn, Group& group) {
  if (!group.is(GroupState::kPreparingRebalance) || group.is_initial_rebalance()) return;
  if (group.has_all_joined()) complete_join(turn, group);
}

void park_join(Turn& turn, Member& member, ReplyToken token) {
  if (member.awaiting_join) {
    reply_join_error(turn, *member.awaiting_join, member.member_id,
                     GroupError::kRebalanceInProgress);
  }
  member.awaiting_join = token;
}

void drop_member(Turn& turn, Group& group, const std::string& member_id, GroupError error) {
  Member* member = group.find(member_id);
  CHECK(member != nullptr);
  if (member->awaiting_join) reply_join_error(turn, *member->awaiting_join, "", error);
  if (member->awaiting_sync) reply_sync_error(turn, *member->awaiting_sync, error);
  member->awaiting_join.reset();
  member->awaiting_sync.reset();
  turn.cancel(group, TimerKind::kMember, member_id);
  group.remove(member_id);
}

void reply_join_error(Turn& turn, ReplyToken token, std::string member_id, GroupError error) {
  JoinGroupReply reply;
  reply.error = error;
  reply.member_id = std::move(member_id);
  turn.reply(token, std::move(reply));
}

void reply_sync_error(Turn& turn, ReplyToken token, GroupError error) {
  SyncGroupReply reply;
  reply.error = error;
  turn.reply(token, std::move(reply));
}

JoinGroupReply joined_reply(const Group& group, const Member& member) {
  CHECK(group.leader() && group.protocol_name());
  JoinGroupReply reply;
  reply.generation = group.generation();
  reply.protocol_type = group.protocol_type();
  reply.protocol_name = group.protocol_name();
  reply.leader = *group.leader();
  reply.member_id = member.member_id;
  if (!group.is_leader(member.member_id)) return reply;
  for (const auto& [id, other] : group.members()) {
    reply.members.push_back({id, other.instance_id, other.metadata_for(*group.protocol_name())});
  }
  return reply;
}

void on_member_silent(Turn& turn, Group& group, const std::string& member_id) {
  if (group.is_pending(member_id)) {
    group.remove_pending(member_id);
    complete_join_if_all_joined(turn, group);
    return;
  }
  const Member* member = group.find(member_id);
  CHECK(member != nullptr);
  if (member->may_be_silent()) return;  // its session restarts with the answer
  ++turn.state.statistics.members_expired;
  turn.log(port::Severity::kInfo, "group.member_expired",
           "group '" + group.id() + "': nothing was heard of member '" + member_id + "' for " +
               std::to_string(member->session_timeout_ms) + " ms; it is removed");
  drop_member(turn, group, member_id, GroupError::kUnknownMemberId);
  rebalance(turn, group, "member '" + member_id + "' fell silent");
}

void on_join_timeout(Turn& turn, Group& group) {
  CHECK(group.is(GroupState::kPreparingRebalance));
  if (!extend_initial_delay(turn, group)) complete_join(turn, group);
}

void on_sync_timeout(Turn& turn, Group& group) {
  CHECK(group.is(GroupState::kCompletingRebalance) || group.is(GroupState::kStable));
  std::vector<std::string> late;
  for (const auto& [id, member] : group.members()) {
    if (member.owes_sync) late.push_back(id);
  }
  CHECK(!late.empty());
  for (const std::string& id : late) {
    ++turn.state.statistics.members_expired;
    drop_member(turn, group, id, GroupError::kUnknownMemberId);
  }
  prepare_rebalance(
      turn, group,
      "members that never asked for their assignment are removed: " + std::to_string(late.size()));
}

}  // namespace magpie::group
