#include "control/decide_operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/adoption.h"
#include "control/counters.h"
#include "control/followers.h"
#include "control/keys.h"
#include "control/operation_values.h"
#include "control/replication.h"
#include "control/transaction_builder.h"

namespace magpie::control {
namespace {

tl::unexpected<Refusal> violation(std::string message) {
  return refuse(RefusalCode::kPolicyViolation, std::move(message));
}

tl::unexpected<Refusal> unknown_operation(OperationId operation) {
  return refuse(
      RefusalCode::kInvalidRequest,
      fmt::format("there is no operation {}; list them with: magpie operation list", operation));
}

void add_event(Operation& operation, std::string what, std::string group, WallTime now) {
  if (operation.timeline.size() >= kOperationEventsMax) return;
  operation.timeline.push_back({now, std::move(what), std::move(group)});
}

void enter(Operation& operation, OperationGroup& group, OperationStep step, WallTime now) {
  group.step = step;
  group.since = now;
  group.waiting_for.clear();
  add_event(operation, to_string(step), group.group, now);
}

// The record as it will be, and the group that a claim speaks of.
struct Draft {
  Operation operation;
  size_t group = 0;

  OperationGroup& at() { return operation.groups[group]; }
};

tl::expected<Draft, Refusal> claimed(const State& state, const StepClaim& claim) {
  const auto found = state.operations().find(claim.operation);
  if (found == state.operations().end()) return unknown_operation(claim.operation);
  const Operation& held = found->second;
  if (held.executor != claim.executor || held.attempt != claim.attempt) {
    return violation(fmt::format("operation {} is carried out by node {} in attempt {} now",
                                 claim.operation, held.executor.node.value, held.attempt));
  }
  if (held.awaiting_approval) {
    return violation(fmt::format("operation {} has not been approved", claim.operation));
  }
  for (size_t i = 0; i < held.groups.size(); ++i) {
    if (held.groups[i].group != claim.group) continue;
    if (held.groups[i].step != claim.step) break;
    return Draft{held, i};
  }
  return violation(fmt::format("operation {} is no longer {} in failover group '{}'",
                               claim.operation, to_string(claim.step), claim.group));
}

Decided<Operation> committed(const State& state, Operation operation, Transaction transaction) {
  change_key(state, operation_key(operation.id), encode_operation(operation), transaction);
  return Decision<Operation>{std::move(transaction), std::move(operation)};
}

HeldTotals totals_of(const std::vector<HeldPartition>& partitions) {
  HeldTotals totals;
  for (const HeldPartition& held : partitions) {
    ++totals.partitions;
    totals.log_start += held.log_start.value;
    totals.log_end += held.log_end.value;
    totals.high_watermark += held.high_watermark.value;
  }
  return totals;
}

// The term that a promotion ends, as the transaction that ends it reads it.
void keep_old_term(const Leadership& held, OperationGroup& group) {
  group.old_epoch = held.epoch;
  group.old_leader = held.leader;
  group.fenced = held.promotable;
}

void keep_new_term(const Leadership& led, OperationGroup& group) {
  group.target = led.leader.node;
  group.new_epoch = led.epoch;
  group.new_leader = led.leader;
}

// Moves the group's leadership to a target that holds everything.
std::optional<Refusal> promote(const State& state, Operation& operation, OperationGroup& group,
                               NodeId target, WallTime now, Transaction& transaction,
                               bool handed_over = false) {
  const Leadership& held = state.leadership(group.group);
  auto promoted = decide_promote_without_loss(state, group.group, target, now, handed_over);
  if (!promoted) return promoted.error();
  keep_old_term(held, group);
  keep_new_term(promoted->answer, group);
  Loss loss;
  loss.kind = LossKind::kZero;
  loss.records_min = 0;
  loss.records_max = 0;
  loss.basis = fmt::format(
      "node {} was one of those without whom nothing was acknowledged in epoch {}, as read in the "
      "transaction that began epoch {}",
      target.value, held.epoch.value, promoted->answer.epoch.value);
  group.loss = std::move(loss);
  enter(operation, group, OperationStep::kVerifying, now);
  transaction = std::move(promoted->transaction);
  return std::nullopt;
}

// Ends a group that has not moved; a leader that drains takes writes again.
std::optional<Refusal> give_up(const State& state, Operation& operation, OperationGroup& group,
                               OperationStep step, const std::string& why, WallTime now,
                               Transaction& transaction) {
  auto released = decide_abandon_draining(state, group.group, std::to_string(operation.id));
  if (!released) return released.error();
  for (const Compare& compare : released->transaction.compares) {
    transaction.compares.push_back(compare);
  }
  for (Change& change : released->transaction.changes) {
    transaction.changes.push_back(std::move(change));
  }
  group.error = why;
  enter(operation, group, step, now);
  return std::nullopt;
}

// Groups that another operation moves, and that this one takes from it.
std::optional<Refusal> supersede(const State& state, const Operation& by, WallTime now,
                                 Transaction& transaction) {
  for (const auto& [id, held] : state.operations()) {
    Operation other = held;
    bool changed = false;
    for (OperationGroup& group : other.groups) {
      if (!can_be_abandoned(group.step) || find_group(by, group.group) == nullptr) continue;
      changed = true;
      const std::string why = fmt::format("operation {} took its place", by.id);
      if (auto no =
              give_up(state, other, group, OperationStep::kAbandoned, why, now, transaction)) {
        return no;
      }
    }
    if (!changed) continue;
    change_key(state, operation_key(id), encode_operation(other), transaction);
  }
  return std::nullopt;
}

void forget_old(const State& state, Transaction& transaction) {
  size_t over = 0;
  for (const auto& [id, operation] : state.operations()) over += is_over(operation) ? 1 : 0;
  for (const auto& [id, operation] : state.operations()) {
    if (over < kOperationsKept) return;
    // The highest number stays, so that none is given out twice.
    if (!is_over(operation) || id == state.operations().rbegin()->first) continue;
    const std::string key = operation_key(id);
    const auto& changes = transaction.changes;
    const bool changed = std::any_of(changes.begin(), changes.end(),
                                     [&](const Change& each) { return each.key == key; });
    if (changed) continue;
    change_key(state, key, std::nullopt, transaction);
    const std::string prefix = certificates_prefix(id);
    for (auto at = state.entries().lower_bound(prefix);
         at != state.entries().end() && at->first.starts_with(prefix); ++at) {
      transaction.changes.push_back({at->first, std::nullopt});
    }
    --over;
  }
}

Operation new_operation(const State& state, const OperationRequest& request,
                        const OperationPlan& plan, const Member& executor, WallTime now) {
  const Operations& known = state.operations();
  Operation operation;
  operation.id = known.empty() ? 1 : known.rbegin()->first + 1;
  operation.kind = request.kind;
  operation.from = request.from;
  operation.to = request.to;
  operation.allow_loss = request.allow_loss;
  operation.overrides = request.overrides;
  std::sort(operation.overrides.begin(), operation.overrides.end());
  operation.requested_by = request.requested_by;
  operation.awaiting_approval = request.await_approval;
  operation.executor = executor;
  for (const PlannedGroup& planned : plan.groups) {
    OperationGroup group;
    group.group = planned.group;
    group.target = planned.target;
    keep_old_term(state.leadership(planned.group), group);
    operation.groups.push_back(std::move(group));
    enter(operation, operation.groups.back(), OperationStep::kPlanned, now);
  }
  return operation;
}

// Why a leader does not give its group to `target`.
std::optional<Refusal> hand_over_problem(const State& state, const HandOver& request) {
  const Term& term = request.term;
  const Leadership& held = state.leadership(term.group);
  const auto refusal = [&](std::string why) {
    return Refusal{RefusalCode::kPolicyViolation, std::move(why)};
  };
  if (held.epoch != term.epoch || held.leader != term.leader) {
    return refusal(fmt::format("node {} no longer leads it in epoch {}", term.leader.node.value,
                               term.epoch.value));
  }
  if (!held.open) return refusal("its epoch is not open yet");
  for (const auto& [id, operation] : state.operations()) {
    const OperationGroup* moved = find_group(operation, term.group);
    if (moved != nullptr && !is_over(moved->step)) {
      return refusal(fmt::format("operation {} moves it", id));
    }
  }
  if (held.draining) {
    return refusal(fmt::format("operation {} drains it", held.draining->operation));
  }
  const Node* node = state.find_node(request.target);
  if (node == nullptr || !contains(held.sync, {node->id, node->incarnation})) {
    return refusal(fmt::format("node {} is not in its sync set", request.target.value));
  }
  if (!is_alive(state, request.target)) {
    return refusal(fmt::format("node {} holds no lease", request.target.value));
  }
  const FailoverGroup* group = state.find_group(term.group);
  if (group == nullptr) return refusal("the group is gone");
  const int32_t wanted = wanted_copies(*group, state.regions());
  const int32_t min = group->min == kAllCopies ? wanted : group->min;
  const Node* leader = state.find_node(term.leader.node);
  int32_t left = 0;
  for (const NodeId other : possible_leaders(state, term.group)) {
    const bool leaves = leader != nullptr && state.find_node(other)->region == leader->region;
    if (other != request.target && !leaves && is_alive(state, other)) ++left;
  }
  if (!request.leaves) ++left;
  if (left >= min) return std::nullopt;
  return refusal(
      fmt::format("led by node {} and without this one it would have {} copies, and its "
                  "min is {}",
                  request.target.value, left, min));
}

// The record of what the leader has handed over to the same node already, to which a group can be
// added.
const Operation* hand_over_record(const State& state, const Operation& wanted, WallTime since) {
  for (auto at = state.operations().rbegin(); at != state.operations().rend(); ++at) {
    const Operation& operation = at->second;
    const bool same = operation.kind == wanted.kind && operation.executor == wanted.executor &&
                      operation.requested_by == wanted.requested_by;
    const bool began = !operation.timeline.empty() && operation.timeline.front().at >= since;
    if (same && began && operation.groups.size() < kOperationGroupsMax) return &operation;
  }
  return nullptr;
}

// The first step, if it can be taken with the operation's beginning.
std::optional<Refusal> begin_at_once(const State& state, const OperationPlan& plan, WallTime now,
                                     Operation& operation, Transaction& transaction) {
  OperationGroup& first = operation.groups.front();
  if (operation.awaiting_approval || !plan.groups.front().lossless) return std::nullopt;
  if (operation.kind == OperationKind::kFailover) {
    return promote(state, operation, first, first.target, now, transaction);
  }
  return std::nullopt;
}

}  // namespace

Decided<Operation> decide_begin_operation(const State& state, const OperationRequest& request,
                                          const Member& executor, WallTime now) {
  const OperationPlan plan = plan_operation(state, request, now);
  if (const Objection* objection = standing_objection(plan, request)) {
    const std::string how =
        objection->rule.empty() ? "" : fmt::format(". Override with: {}", objection->rule);
    return violation(objection->message + how);
  }
  Operation operation = new_operation(state, request, plan, executor, now);
  Transaction transaction;
  if (auto no = begin_at_once(state, plan, now, operation, transaction)) {
    return tl::unexpected<Refusal>(std::move(*no));
  }
  // A leadership that is moved at once has no draining left to take back.
  const bool moved = operation.groups.front().step == OperationStep::kVerifying;
  Transaction others;
  if (auto no = supersede(state, operation, now, others)) {
    return tl::unexpected<Refusal>(std::move(*no));
  }
  for (Change& change : others.changes) {
    if (moved && change.key == leadership_key(operation.groups.front().group)) continue;
    transaction.changes.push_back(std::move(change));
  }
  for (const Compare& compare : others.compares) {
    compare_key(state, compare.key, transaction);
  }
  forget_old(state, transaction);
  // The new number is free only if no other operation has begun meanwhile, and what else the plan
  // looked at is looked at again by every step.
  return committed(state, std::move(operation), std::move(transaction));
}

Decided<Operation> decide_drain_step(const State& state, const StepClaim& claim, WallTime now) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  OperationGroup& group = draft->at();
  auto draining = decide_begin_draining(state, group.group, std::to_string(claim.operation),
                                        group.target, /*may_catch_up=*/true);
  if (!draining) return tl::unexpected<Refusal>(std::move(draining.error()));
  if (claim.step == OperationStep::kDraining) {
    // The leader's next term has forgotten it.
    if (draining->transaction.empty()) return Decision<Operation>{{}, draft->operation};
  } else {
    enter(draft->operation, group, OperationStep::kDraining, now);
  }
  return committed(state, std::move(draft->operation), std::move(draining->transaction));
}

Decided<Operation> decide_promote_step(const State& state, const StepClaim& claim, NodeId target,
                                       WallTime now) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  OperationGroup& group = draft->at();
  if (draft->operation.kind == OperationKind::kSwitchover) {
    const auto& draining = state.leadership(group.group).draining;
    const bool ready = draining && draining->drained && draining->target == target &&
                       draining->operation == std::to_string(claim.operation);
    if (!ready) {
      return violation(
          fmt::format("node {} has not said that it holds everything of failover "
                      "group '{}'",
                      target.value, group.group));
    }
  }
  Transaction transaction;
  if (auto no = promote(state, draft->operation, group, target, now, transaction)) {
    return tl::unexpected<Refusal>(std::move(*no));
  }
  return committed(state, std::move(draft->operation), std::move(transaction));
}

Decided<Operation> decide_fence_step(const State& state, const StepClaim& claim, WallTime now) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  if (!draft->operation.allow_loss) {
    return violation(fmt::format("operation {} may not lose records", claim.operation));
  }
  OperationGroup& group = draft->at();
  const Leadership& held = state.leadership(group.group);
  // Epochs come from the counter, so the one that will begin is not below this.
  const int64_t next = std::max<int64_t>(state.next_epoch(), held.epoch.value + 1);
  if (next > INT32_MAX) return tl::unexpected<Refusal>(no_epochs_left());
  group.fence_epoch = LeaderEpoch{static_cast<int32_t>(next)};
  enter(draft->operation, group, OperationStep::kFencing, now);
  Transaction transaction;
  compare_key(state, leadership_key(group.group), transaction);
  return committed(state, std::move(draft->operation), std::move(transaction));
}

Decided<Operation> decide_promote_with_loss_step(const State& state, const StepClaim& claim,
                                                 NodeId target, const LossEstimate& estimate,
                                                 WallTime now) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  OperationGroup& group = draft->at();
  const Leadership& held = state.leadership(group.group);
  PromoteWithLoss request;
  request.group = group.group;
  request.target = target;
  request.acceptances = estimate.acceptances;
  request.give_up_promotable = overrides_rule(draft->operation, kRuleNotInSync);
  auto promoted = decide_promote_with_loss(state, request, now);
  if (!promoted) return tl::unexpected<Refusal>(std::move(promoted.error()));
  keep_old_term(held, group);
  keep_new_term(promoted->answer, group);
  Loss loss;
  loss.records_min = estimate.records_min;
  loss.records_max = estimate.records_max;
  loss.basis = estimate.basis;
  // Members of the old sync set held more than max_lag demands, and are given up.
  const bool nobody_given_up = without(held.promotable, held.leader).empty();
  // Whoever led before an adoption (adoption.h) is not known.
  const bool known_leader = !is_nobody(held.leader);
  const bool bounds = lag_limit_is_kept(state, group.group) && estimate.lag_limit == held.lag_limit;
  if (bounds && nobody_given_up && known_leader) {
    loss.kind = LossKind::kBounded;
    loss.time_max = loss_time_max(*held.lag_limit);
  }
  group.loss = std::move(loss);
  enter(draft->operation, group, OperationStep::kVerifying, now);
  return committed(state, std::move(draft->operation), std::move(promoted->transaction));
}

Decided<Operation> decide_note_waiting(const State& state, const StepClaim& claim,
                                       const std::string& waiting_for) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  if (draft->at().waiting_for == waiting_for) return Decision<Operation>{{}, draft->operation};
  draft->at().waiting_for = waiting_for;
  return committed(state, std::move(draft->operation), {});
}

Decided<Operation> decide_finish_step(const State& state, const StepClaim& claim,
                                      const Verification& found, WallTime now) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  OperationGroup& group = draft->at();
  if (group.new_epoch == kNoLeaderEpoch) {
    return violation(fmt::format("failover group '{}' has not moved", group.group));
  }
  const std::vector<HeldPartition> held = found.held.value_or(std::vector<HeldPartition>());
  if (found.held) group.held = totals_of(held);
  group.error = found.contradiction + found.unverified;
  if (!found.contradiction.empty()) {
    group.loss->kind = LossKind::kUnknown;
    group.loss->records_max.reset();
    group.loss->time_max.reset();
    group.loss->basis = found.contradiction;
  }
  for (const NodeId node : found.silent) {
    group.loss->basis += fmt::format("; node {} was not there to contradict", node.value);
  }
  enter(draft->operation, group, OperationStep::kDone, now);
  Transaction transaction;
  change_key(state, certificate_key(claim.operation, claim.group),
             encode_certificate(draft->operation, group, held, now), transaction);
  return committed(state, std::move(draft->operation), std::move(transaction));
}

Decided<Operation> decide_fail_step(const State& state, const StepClaim& claim,
                                    const std::string& error, WallTime now) {
  auto draft = claimed(state, claim);
  if (!draft) return tl::unexpected<Refusal>(draft.error());
  if (!can_be_abandoned(claim.step)) {
    return violation(
        fmt::format("failover group '{}' has moved; a way back is a new operation", claim.group));
  }
  Transaction transaction;
  if (auto no = give_up(state, draft->operation, draft->at(), OperationStep::kFailed, error, now,
                        transaction)) {
    return tl::unexpected<Refusal>(std::move(*no));
  }
  return committed(state, std::move(draft->operation), std::move(transaction));
}

Decided<Operation> decide_take_over_operation(const State& state, OperationId id, const Member& by,
                                              WallTime now) {
  const auto found = state.operations().find(id);
  if (found == state.operations().end()) return unknown_operation(id);
  Operation operation = found->second;
  if (is_over(operation)) return violation(fmt::format("operation {} is over", id));
  const Member executor = operation.executor;
  if (executor != by && state.alive(executor.node) == executor.incarnation) {
    return violation(fmt::format("node {} carries operation {} out and holds its lease",
                                 executor.node.value, id));
  }
  if (state.alive(by.node) != by.incarnation) {
    return violation(fmt::format("node {} holds no lease", by.node.value));
  }
  operation.executor = by;
  ++operation.attempt;
  add_event(operation, fmt::format("taken-over by node {}", by.node.value), "", now);
  Transaction transaction;
  compare_key(state, alive_key(executor.node), transaction);
  compare_key(state, alive_key(by.node), transaction);
  return committed(state, std::move(operation), std::move(transaction));
}

Decided<Operation> decide_abandon_operation(const State& state, OperationId id,
                                            const std::string& by, WallTime now) {
  const auto found = state.operations().find(id);
  if (found == state.operations().end()) return unknown_operation(id);
  Operation operation = found->second;
  Transaction transaction;
  bool changed = false;
  for (OperationGroup& group : operation.groups) {
    if (!can_be_abandoned(group.step)) continue;
    changed = true;
    const std::string why = fmt::format("abandoned by {}", by);
    if (auto no =
            give_up(state, operation, group, OperationStep::kAbandoned, why, now, transaction)) {
      return tl::unexpected<Refusal>(std::move(*no));
    }
  }
  if (!changed) {
    return violation(
        fmt::format("operation {} has moved all its groups or is over; a way back is "
                    "a new switchover",
                    id));
  }
  return committed(state, std::move(operation), std::move(transaction));
}

LeaderEpoch abandoned_fence(const State& state, std::string_view group) {
  LeaderEpoch highest = kNoLeaderEpoch;
  for (const auto& [id, operation] : state.operations()) {
    const OperationGroup* moved = find_group(operation, group);
    if (moved == nullptr || !is_over(moved->step)) continue;
    if (moved->new_epoch == kNoLeaderEpoch) highest = std::max(highest, moved->fence_epoch);
  }
  return highest;
}

Decided<Operation> decide_approve_operation(const State& state, OperationId id,
                                            const std::string& by, WallTime now) {
  const auto found = state.operations().find(id);
  if (found == state.operations().end()) return unknown_operation(id);
  Operation operation = found->second;
  if (!operation.awaiting_approval || is_over(operation)) {
    return violation(fmt::format("operation {} does not wait for an approval", id));
  }
  operation.awaiting_approval = false;
  add_event(operation, fmt::format("approved by {}", by), "", now);
  return committed(state, std::move(operation), {});
}

Decided<Operation> decide_hand_over(const State& state, const HandOver& request, WallTime now) {
  if (auto no = hand_over_problem(state, request)) return tl::unexpected<Refusal>(std::move(*no));
  const Node& target = *state.find_node(request.target);
  const Node* leader = state.find_node(request.term.leader.node);
  const Operations& known = state.operations();
  Operation operation;
  operation.id = known.empty() ? 1 : known.rbegin()->first + 1;
  operation.kind = OperationKind::kSwitchover;
  if (leader != nullptr) operation.from = leader->region;
  operation.to = target.region;
  operation.requested_by = fmt::format("node {}, {}", request.term.leader.node.value, request.why);
  operation.executor = {target.id, target.incarnation};
  const Operation* begun = hand_over_record(state, operation, request.since);
  if (begun != nullptr) operation = *begun;
  OperationGroup group;
  group.group = request.term.group;
  group.target = request.target;
  operation.groups.push_back(std::move(group));
  enter(operation, operation.groups.back(), OperationStep::kPlanned, now);
  Transaction transaction;
  if (auto no = promote(state, operation, operation.groups.back(), request.target, now, transaction,
                        /*handed_over=*/true)) {
    return tl::unexpected<Refusal>(std::move(*no));
  }
  // It may be stopping, too.
  compare_key(state, alive_key(request.target), transaction);
  if (begun == nullptr) forget_old(state, transaction);
  return committed(state, std::move(operation), std::move(transaction));
}

}  // namespace magpie::control
