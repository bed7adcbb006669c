#include "control/replication.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted_bug.h"
#include "control/exposure.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/transaction_builder.h"

namespace magpie::control {
namespace {

tl::unexpected<Refusal> violation(std::string message) {
  return refuse(RefusalCode::kPolicyViolation, std::move(message));
}

bool is_over(const State& state, const Term& term) {
  const Leadership& held = state.leadership(term.group);
  return held.epoch != term.epoch || held.leader != term.leader;
}

tl::unexpected<Refusal> term_is_over(const Term& term) {
  return violation(fmt::format("node {} no longer leads failover group '{}' in epoch {}",
                               term.leader.node.value, term.group, term.epoch.value));
}

tl::unexpected<Refusal> not_open(const Term& term) {
  return violation(
      fmt::format("epoch {} of failover group '{}' is not open yet", term.epoch.value, term.group));
}

Decided<Leadership> decided(const State& state, std::string_view group, Leadership next) {
  Decision<Leadership> decision;
  change_key(state, leadership_key(group), encode_leadership(next), decision.transaction);
  decision.answer = std::move(next);
  return decision;
}

int32_t copies_wanted(const State& state, std::string_view group) {
  const FailoverGroup* policy = state.find_group(group);
  return policy == nullptr ? 0 : wanted_copies(*policy, state.regions());
}

// The policy was read: whoever alters it meanwhile makes the transaction fail.
Decided<Leadership> decided_by_policy(const State& state, const Term& term, Leadership next,
                                      WallTime now) {
  update_replication_state(state, term.group, now, next);
  auto decision = decided(state, term.group, std::move(next));
  compare_key(state, group_key(term.group), decision->transaction);
  record_exposure(state, term.group, copies_wanted(state, term.group), decision->answer, now,
                  decision->transaction);
  return decision;
}

// A member must be who the node is now: not a directory that is gone.
std::optional<Refusal> stranger(const State& state, const Term& term, const Member& member) {
  const Node* node = state.find_node(member.node);
  const auto refusal = [&](std::string_view what) {
    return Refusal{RefusalCode::kPolicyViolation,
                   fmt::format("node {} cannot be a member of failover group '{}': {}",
                               member.node.value, term.group, what)};
  };
  if (member == term.leader) return refusal("it is the leader");
  if (node == nullptr) return refusal("it is not registered");
  if (node->incarnation != member.incarnation) return refusal("its data directory is another one");
  const FailoverGroup* group = state.find_group(term.group);
  if (group == nullptr) return refusal("the group is gone");
  const auto regions = regions_of(*group, state.regions());
  if (std::find(regions.begin(), regions.end(), node->region) == regions.end()) {
    return refusal(fmt::format("its region '{}' is not one of the group's", node->region));
  }
  return std::nullopt;
}

std::optional<Refusal> too_few(const State& state, const Term& term, const Members& sync,
                               bool failed_over) {
  const FailoverGroup* group = state.find_group(term.group);
  if (group == nullptr) return std::nullopt;
  auto problem = blocked_by_policy(*group, static_cast<int32_t>(sync.size()), failed_over);
  if (!problem) return std::nullopt;
  return Refusal{RefusalCode::kPolicyViolation, std::move(*problem)};
}

void set_sync(Members sync, Leadership& leadership) {
  const Members before = std::exchange(leadership.promotable, with(sync, leadership.leader));
  if (planted(PlantedBug::kShrunkStaysPromotable)) {
    for (const Member& member : before) {
      leadership.promotable = with(std::move(leadership.promotable), member);
    }
  }
  leadership.sync = std::move(sync);
}

}  // namespace

std::optional<std::string> blocked_by_policy(const FailoverGroup& group, int32_t copies,
                                             bool failed_over) {
  if (copies >= group.min || planted(PlantedBug::kBlockIgnored)) return std::nullopt;
  const TooFewCopies rule =
      failed_over ? group.after_failover.value_or(group.below_min) : group.below_min;
  if (rule == TooFewCopies::kDegrade) return std::nullopt;
  return fmt::format(
      "failover group '{}' has {} copies besides the leader's and takes no writes "
      "with fewer than {}. Bring a region back, or alter the group: below_min "
      "degrade, or a lower min",
      group.name, copies, group.min);
}

ReplicationState replication_state(const State& state, std::string_view group,
                                   const Leadership& leadership) {
  const auto copies = static_cast<int32_t>(leadership.sync.size());
  if (copies >= copies_wanted(state, group)) return ReplicationState::kSync;
  return leadership.joining ? ReplicationState::kCatchingUp : ReplicationState::kDegraded;
}

bool is_state_noted(const State& state, std::string_view group) {
  const Leadership& held = state.leadership(group);
  return replication_state(state, group, held) == held.state && is_exposure_recorded(state, group);
}

void update_replication_state(const State& state, std::string_view group, WallTime now,
                              Leadership& leadership) {
  const FailoverGroup* policy = state.find_group(group);
  const auto copies = static_cast<int32_t>(leadership.sync.size());
  const ReplicationState next = replication_state(state, group, leadership);
  if (leadership.state != next) leadership.state_since = now;
  leadership.state = next;
  if (next == ReplicationState::kSync) {
    leadership.exposed_since.reset();
  } else if (!leadership.exposed_since) {
    leadership.exposed_since = now;
  }
  if (policy != nullptr && copies >= policy->min && copies > 0) leadership.failed_over = false;
}

Decided<Leadership> decide_open_epoch(const State& state, const Term& term, const Members& sync,
                                      WallTime now) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (next.open) {
    return violation(fmt::format("epoch {} of failover group '{}' is open already",
                                 term.epoch.value, term.group));
  }
  if (auto refusal = too_few(state, term, sync, next.failed_over)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  Members sorted;
  for (const Member& member : sync) {
    if (auto refusal = stranger(state, term, member)) {
      return tl::unexpected<Refusal>(std::move(*refusal));
    }
    sorted = with(std::move(sorted), member);
  }
  next.open = true;
  next.open_before.reset();
  set_sync(std::move(sorted), next);
  auto decision = decided_by_policy(state, term, std::move(next), now);
  for (const Member& member : sync) {
    compare_key(state, node_key(member.node), decision->transaction);
  }
  return decision;
}

Decided<Leadership> decide_shrink_sync(const State& state, const Term& term, const Member& member,
                                       WallTime now) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.open) return not_open(term);
  if (next.joining == member) {
    next.joining.reset();
    return decided_by_policy(state, term, std::move(next), now);
  }
  if (!contains(next.sync, member)) return Decision<Leadership>{{}, std::move(next)};
  Members sync = without(next.sync, member);
  if (auto refusal = too_few(state, term, sync, next.failed_over)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  set_sync(std::move(sync), next);
  return decided_by_policy(state, term, std::move(next), now);
}

Decided<Leadership> decide_begin_joining(const State& state, const Term& term, const Member& member,
                                         WallTime now) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.open) return not_open(term);
  if (contains(next.sync, member) || next.joining == member) {
    return Decision<Leadership>{{}, std::move(next)};
  }
  if (auto refusal = stranger(state, term, member)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  if (next.joining) {
    return violation(fmt::format("node {} is joining failover group '{}' already; one at a time",
                                 next.joining->node.value, term.group));
  }
  next.joining = member;
  if (planted(PlantedBug::kJoiningCountsAtOnce)) {
    next.joining.reset();
    set_sync(with(next.sync, member), next);
  }
  auto decision = decided_by_policy(state, term, std::move(next), now);
  compare_key(state, node_key(member.node), decision->transaction);
  return decision;
}

Decided<Leadership> decide_finish_joining(const State& state, const Term& term, WallTime now) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.joining) {
    return violation(fmt::format("nobody is joining failover group '{}'", term.group));
  }
  const Member member = *std::exchange(next.joining, std::nullopt);
  set_sync(with(next.sync, member), next);
  return decided_by_policy(state, term, std::move(next), now);
}

Decided<Leadership> decide_exchange_sync(const State& state, const Term& term,
                                         const Member& leaving, WallTime now) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.joining || !contains(next.sync, leaving)) {
    return violation(
        fmt::format("in failover group '{}' nobody is joining, or node {} is not in "
                    "the sync set: there is nothing to exchange",
                    term.group, leaving.node.value));
  }
  const Member member = *std::exchange(next.joining, std::nullopt);
  set_sync(with(without(next.sync, leaving), member), next);
  return decided_by_policy(state, term, std::move(next), now);
}

Decided<Leadership> decide_note_state(const State& state, const Term& term, WallTime now) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.open) return not_open(term);
  if (is_state_noted(state, term.group)) return Decision<Leadership>{{}, std::move(next)};
  return decided_by_policy(state, term, std::move(next), now);
}

Decided<Leadership> decide_promise_lag(const State& state, const Term& term,
                                       const std::optional<LagLimit>& limit) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.open) return not_open(term);
  if (next.lag_limit == limit) return Decision<Leadership>{{}, std::move(next)};
  next.lag_limit = limit;
  auto decision = decided(state, term.group, std::move(next));
  compare_key(state, group_key(term.group), decision->transaction);
  return decision;
}

Decided<Ceilings> decide_raise_ceilings(const State& state, const Term& term, const Topic& topic,
                                        const std::vector<CeilingRaise>& raises) {
  if (is_over(state, term)) return term_is_over(term);
  Decision<Ceilings> decision;
  decision.answer = state.ceilings(term.group, topic.id);
  bool changed = false;
  for (const CeilingRaise& raise : raises) {
    if (!topic.has_partition(raise.partition)) {
      return refuse(
          RefusalCode::kUnknownTopicOrPartition,
          fmt::format("topic '{}' has no partition {}", topic.name, raise.partition.value));
    }
    const auto index = static_cast<size_t>(raise.partition.value);
    std::vector<Offset>& offsets = decision.answer.offsets;
    if (offsets.size() <= index) offsets.resize(index + 1);
    changed = changed || raise.ceiling > offsets[index];
    offsets[index] = std::max(offsets[index], raise.ceiling);
  }
  if (!changed) return decision;
  compare_key(state, topic_key(topic.name), decision.transaction);
  compare_key(state, leadership_key(term.group), decision.transaction);
  change_key(state, ceilings_key(term.group, topic.id), encode_ceilings(decision.answer),
             decision.transaction);
  return decision;
}

std::vector<Offset> reserved_offsets(const State& state, std::string_view group,
                                     const Topic& topic) {
  std::vector<Offset> highest = state.ceilings(group, topic.id).offsets;
  const auto& entries = state.entries();
  auto at = entries.lower_bound(kCeilingsPrefix);
  while (at != entries.end() && at->first.starts_with(kCeilingsPrefix)) {
    // From one group to the next, also those that are deleted; not topic by topic.
    const std::string of_group = at->first.substr(0, at->first.rfind('/'));
    const std::string_view before = std::string_view(of_group).substr(kCeilingsPrefix.size());
    at = entries.lower_bound(of_group + static_cast<char>('/' + 1));
    const std::vector<Offset>& offsets = state.ceilings(before, topic.id).offsets;
    for (size_t i = 0; i < offsets.size(); ++i) {
      const PartitionIndex partition{static_cast<int32_t>(i)};
      if (!topic.has_partition(partition) || state.group_of(topic, partition) != group) continue;
      highest.resize(std::max(highest.size(), i + 1));
      highest[i] = std::max(highest[i], offsets[i]);
    }
  }
  return highest;
}

Decided<Ceilings> decide_record_floors(const State& state, const Term& term, const Topic& topic) {
  if (is_over(state, term)) return term_is_over(term);
  Decision<Ceilings> decision;
  decision.answer = state.ceilings(term.group, topic.id);
  const std::vector<Offset> offsets = reserved_offsets(state, term.group, topic);
  std::vector<Offset>& floors = decision.answer.floors;
  if (floors.size() < offsets.size()) floors.resize(offsets.size());
  bool changed = false;
  for (size_t i = 0; i < offsets.size(); ++i) {
    changed = changed || offsets[i] > floors[i];
    floors[i] = std::max(floors[i], offsets[i]);
  }
  if (!changed) return decision;
  compare_key(state, leadership_key(term.group), decision.transaction);
  change_key(state, ceilings_key(term.group, topic.id), encode_ceilings(decision.answer),
             decision.transaction);
  return decision;
}

Decided<Leadership> decide_begin_draining(const State& state, std::string_view group,
                                          const std::string& operation, NodeId target,
                                          bool may_catch_up) {
  Leadership next = state.leadership(group);
  const bool in_sync = std::any_of(next.sync.begin(), next.sync.end(),
                                   [&](const Member& member) { return member.node == target; });
  const bool known = state.find_node(target) != nullptr && target != next.leader.node;
  if (!next.open || !known || !(in_sync || may_catch_up)) {
    return violation(
        fmt::format("node {} does not hold everything of failover group '{}' now; "
                    "wait until it is in sync, or choose another target",
                    target.value, group));
  }
  if (next.draining) {
    if (next.draining->operation == operation) return Decision<Leadership>{{}, std::move(next)};
    return violation(
        fmt::format("operation {} is moving failover group '{}' already; let it end, "
                    "or abandon it",
                    next.draining->operation, group));
  }
  next.draining = Draining{operation, target, false};
  return decided(state, group, std::move(next));
}

Decided<Leadership> decide_finish_draining(const State& state, const Term& term,
                                           std::string_view operation) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.draining || next.draining->operation != operation) {
    return violation(
        fmt::format("operation {} is not moving failover group '{}'", operation, term.group));
  }
  const NodeId target = next.draining->target;
  const bool in_sync = std::any_of(next.sync.begin(), next.sync.end(),
                                   [&](const Member& member) { return member.node == target; });
  if (!in_sync) {
    return violation(
        fmt::format("node {} has left the sync set of failover group '{}'; abandon "
                    "the switchover",
                    target.value, term.group));
  }
  next.draining->drained = true;
  return decided(state, term.group, std::move(next));
}

Decided<Leadership> decide_finish_draining_to(const State& state, const Term& term,
                                              std::string_view operation, const Member& target) {
  if (is_over(state, term)) return term_is_over(term);
  Leadership next = state.leadership(term.group);
  if (!next.draining || next.draining->operation != operation ||
      next.draining->target != target.node) {
    return violation(fmt::format("operation {} is not moving failover group '{}' to node {}",
                                 operation, term.group, target.node.value));
  }
  if (!next.open) return not_open(term);
  if (auto refusal = stranger(state, term, target)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  if (next.joining == target) next.joining.reset();
  set_sync(with(next.sync, target), next);
  next.draining->drained = true;
  auto decision = decided(state, term.group, std::move(next));
  compare_key(state, node_key(target.node), decision->transaction);
  return decision;
}

Decided<Leadership> decide_abandon_draining(const State& state, std::string_view group,
                                            std::string_view operation) {
  Leadership next = state.leadership(group);
  if (!next.draining || next.draining->operation != operation) {
    return Decision<Leadership>{{}, std::move(next)};
  }
  next.draining.reset();
  return decided(state, group, std::move(next));
}

}  // namespace magpie::control
