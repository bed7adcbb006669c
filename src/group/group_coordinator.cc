#include "group/group_coordinator.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "group/commit.h"
#include "group/expiry.h"
#include "group/join.h"
#include "group/leave.h"
#include "group/positions.h"
#include "group/rebalance.h"
#include "group/refusal.h"
#include "group/removal.h"
#include "group/sync.h"
#include "group/turn.h"

namespace magpie::group {
namespace {

struct Serve {
  Turn& turn;

  void operator()(const JoinGroup& request) const { join(turn, request); }
  void operator()(const SyncGroup& request) const { sync(turn, request); }
  void operator()(const Heartbeat& request) const { heartbeat(turn, request); }
  void operator()(const LeaveGroup& request) const { leave(turn, request); }
  void operator()(const OffsetCommit& request) const { commit(turn, request); }
  void operator()(const OffsetDelete& request) const { delete_positions(turn, request); }
  void operator()(const DeleteGroups& request) const { delete_groups(turn, request); }
  void operator()(const TopicDeleted& event) const {
    move_topic(turn, {event.topic, std::nullopt, event.until, {}});
  }
  void operator()(const TopicRenamed& event) const {
    TopicMove move{event.topic, event.to, event.until, {}};
    move.yields = event.yields;
    move_topic(turn, std::move(move));
  }
  void operator()(const AppendCommitted& event) const {
    finish_append(turn, event.id, std::nullopt);
  }
  void operator()(const AppendFailed& event) const { finish_append(turn, event.id, event.failure); }
};

// While nothing is loaded.
struct Refuse {
  CoordinatorState& state;
  Output& out;

  template <typename Request>
  void operator()(const Request& request) const {
    out.replies.push_back(refusal(request, GroupError::kNotCoordinator));
  }
  void operator()(const TopicDeleted& event) const { state.topics_early.push_back(event); }
  void operator()(const TopicRenamed& event) const { state.topics_early.push_back(event); }
  void operator()(const AppendCommitted&) const {}
  void operator()(const AppendFailed&) const {}
};

// What waits for an append when the coordinator stops.
struct GiveUp {
  Turn& turn;

  void operator()(NobodyWaits&) const {}
  void operator()(HeldCommit& held) const {
    finish_commit(turn, std::move(held), AppendFailure::kNotLeader);
  }
  void operator()(HeldOffsetDelete& held) const {
    finish_offset_delete(turn, std::move(held), AppendFailure::kNotLeader);
  }
  void operator()(HeldAssignments&) const {}  // the members' own requests are parked
  void operator()(HeldReplacement& held) const {
    reply_join_error(turn, held.request.token, "", GroupError::kNotCoordinator);
  }
  void operator()(HeldRemoval&) const {}  // answered with its deletion
};

void give_up_group(Turn& turn, const Group& group) {
  for (const auto& [id, member] : group.members()) {
    if (member.awaiting_join) {
      reply_join_error(turn, *member.awaiting_join, id, GroupError::kNotCoordinator);
    }
    if (member.awaiting_sync) {
      reply_sync_error(turn, *member.awaiting_sync, GroupError::kNotCoordinator);
    }
  }
  for (const JoinGroup& waiting : group.waiting_joins) {
    reply_join_error(turn, waiting.token, waiting.member_id, GroupError::kNotCoordinator);
  }
}

void give_up_deletion(Turn& turn, PendingDeletion& deletion) {
  for (DeletedGroup& group : deletion.reply.groups) {
    if (group.error == GroupError::kNone) group.error = GroupError::kNotCoordinator;
  }
  turn.reply(deletion.token, std::move(deletion.reply));
}

void fire(Turn& turn, const TimerKey& timer) {
  Group* group = turn.find(timer.group_id);
  CHECK(group != nullptr);
  switch (timer.kind) {
    case TimerKind::kMember:
      on_member_silent(turn, *group, timer.member_id);
      break;
    case TimerKind::kJoin:
      on_join_timeout(turn, *group);
      break;
    case TimerKind::kSync:
      on_sync_timeout(turn, *group);
      break;
  }
  forget_if_unused(turn, timer.group_id);
}

void begin_group(Turn& turn, const std::string& group_id, const DurableGroup& stored) {
  Group group =
      stored.metadata ? Group(group_id, *stored.metadata) : Group(group_id, turn.now.wall);
  Group& placed = turn.state.groups.emplace(group_id, std::move(group)).first->second;
  for (const auto& [id, member] : placed.members()) restart_session(turn, placed, member);
  const size_t limit = turn.state.config.limits.members_per_group;
  if (placed.members().size() > limit) {
    prepare_rebalance(turn, placed, "it has more members than the limit allows now");
  }
}

}  // namespace

GroupCoordinator::GroupCoordinator(GroupConfig config, uint64_t seed)
    : state_(new CoordinatorState{config, Random(seed)}) {}

GroupCoordinator::~GroupCoordinator() = default;

Status GroupCoordinator::load(const Record& record) {
  CHECK(!state_->serving);
  const Result<Change> change = decode(record);
  if (!change) return fail(change.error());
  state_->durable.apply(*change);
  return {};
}

void GroupCoordinator::finish_loading(const Now& now, Output& out) {
  CHECK(!state_->serving && state_->groups.empty());
  state_->serving = true;
  Turn turn{*state_, now, out};
  for (const auto& [id, stored] : state_->durable.groups()) begin_group(turn, id, stored);
  for (const auto& early : std::exchange(state_->topics_early, {})) {
    std::visit([&](const auto& event) { Serve{turn}(event); }, early);
  }
  state_->sweep_at = now.instant + state_->config.retention_check_interval;
}

void GroupCoordinator::stop(Output& out) {
  const Now no_time{};
  Turn turn{*state_, no_time, out};
  for (auto& [id, pending] : state_->appends) std::visit(GiveUp{turn}, pending.then);
  for (const auto& [id, group] : state_->groups) give_up_group(turn, group);
  for (auto& [number, deletion] : state_->deletions) give_up_deletion(turn, deletion);
  state_->serving = false;
  state_->durable = {};
  state_->groups.clear();
  state_->timers = {};
  state_->appends.clear();
  state_->deletions.clear();
  state_->topics_early.clear();
  state_->moves.clear();
  state_->moves_at = Instant::never();
  state_->sweep_at = Instant::never();
  state_->sweep_from.clear();
}

bool GroupCoordinator::is_serving() const {
  return state_->serving;
}

void GroupCoordinator::step(const Now& now, const Event& event, Output& out) {
  if (!state_->serving) {
    std::visit(Refuse{*state_, out}, event);
    return;
  }
  Turn turn{*state_, now, out};
  std::visit(Serve{turn}, event);
}

void GroupCoordinator::tick(const Now& now, Output& out) {
  if (!state_->serving) return;
  Turn turn{*state_, now, out};
  while (const auto timer = state_->timers.take_due(now.instant)) fire(turn, *timer);
  if (state_->moves_at <= now.instant) retry_moves(turn);
  if (state_->sweep_at <= now.instant) sweep(turn);
}

Instant GroupCoordinator::next_deadline() const {
  return std::min({state_->timers.next(), state_->moves_at, state_->sweep_at});
}

OffsetFetchAnswer GroupCoordinator::fetch_positions(const OffsetFetch& request) const {
  return fetch(*state_, request);
}

const DurableGroups& GroupCoordinator::durable() const {
  return state_->durable;
}

std::set<std::string> GroupCoordinator::topics_with_positions() const {
  std::set<std::string> topics;
  for (const auto& [id, group] : state_->durable.groups()) {
    for (const auto& [at, position] : group.positions) topics.insert(at.topic);
  }
  return topics;
}

const GroupStatistics& GroupCoordinator::statistics() const {
  return state_->statistics;
}

}  // namespace magpie::group
