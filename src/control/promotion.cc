#include "control/promotion.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/planted_bug.h"
#include "control/counters.h"
#include "control/decide_regions.h"
#include "control/exposure.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/transaction_builder.h"

namespace magpie::control {
namespace {

tl::unexpected<Refusal> violation(std::string message) {
  return refuse(RefusalCode::kPolicyViolation, std::move(message));
}

// The term after `held`: not open, and with the same nodes promotable.
Decided<Leadership> next_term(const State& state, std::string_view group, const Leadership& held,
                              const Member& leader, WallTime now) {
  Decision<Leadership> decision;
  const auto epoch = take_epoch(state, decision.transaction);
  if (!epoch) return tl::unexpected<Refusal>(no_epochs_left());
  Leadership next = held;
  next.epoch = *epoch;
  if (planted(PlantedBug::kEpochNotCounted)) next.epoch = LeaderEpoch{held.epoch.value + 1};
  next.leader = leader;
  if (held.open) next.open_before = held.leader;
  next.open = false;
  next.sync.clear();
  next.joining.reset();
  next.draining.reset();
  next.lag_limit.reset();
  next.state = ReplicationState::kDegraded;
  if (held.state != next.state) next.state_since = now;
  if (!next.exposed_since) next.exposed_since = now;
  change_key(state, leadership_key(group), encode_leadership(next), decision.transaction);
  compare_key(state, node_key(leader.node), decision.transaction);
  end_exposure(state, group, now, decision.transaction);
  decision.answer = std::move(next);
  return decision;
}

// Nobody changes anything of the term when it is decided again after a change to its fields.
void replace_term(std::string_view group, Decision<Leadership>& decision) {
  for (Change& change : decision.transaction.changes) {
    if (change.key == leadership_key(group)) change.value = encode_leadership(decision.answer);
  }
}

tl::unexpected<Refusal> never_led(std::string_view group) {
  return violation(
      fmt::format("failover group '{}' was never led; there is nothing to take over", group));
}

// Why a node cannot lead the group, whatever it holds.
std::optional<Refusal> cannot_lead(const State& state, std::string_view group, NodeId target) {
  const Node* node = state.find_node(target);
  const FailoverGroup* policy = state.find_group(group);
  const auto refusal = [&](std::string_view why) {
    return Refusal{
        RefusalCode::kPolicyViolation,
        fmt::format("node {} cannot lead failover group '{}': {}", target.value, group, why)};
  };
  if (policy == nullptr) return refusal("there is no such group");
  if (node == nullptr) return refusal("it is not registered");
  const auto regions = regions_of(*policy, state.regions());
  if (std::find(regions.begin(), regions.end(), node->region) == regions.end()) {
    return refusal(fmt::format("its region '{}' is not one of the group's", node->region));
  }
  if (state.leadership(group).leader == Member{node->id, node->incarnation}) {
    return refusal("it leads already");
  }
  return std::nullopt;
}

std::optional<Refusal> quorum_problem(const State& state, const PromoteWithLoss& request) {
  const Leadership& held = state.leadership(request.group);
  const Quorum quorum = acceptance_quorum(state, request.group);
  std::set<std::string_view> accepted;
  for (const Acceptance& acceptance : request.acceptances) {
    const auto& sites = quorum.sites;
    const bool counts = std::find(sites.begin(), sites.end(), acceptance.region) != sites.end();
    // One for a later epoch than this one cannot be: epochs come from the counter.
    if (counts && acceptance.epoch > held.epoch && acceptance.epoch.value <= state.next_epoch()) {
      accepted.insert(acceptance.region);
    }
  }
  if (accepted.size() >= quorum.needed || planted(PlantedBug::kFenceIgnored)) return std::nullopt;
  return Refusal{
      RefusalCode::kPolicyViolation,
      fmt::format("only {} of {} sites have accepted that failover group '{}' gets a new "
                  "leader; {} must. The others: look whether they are reachable",
                  accepted.size(), quorum.sites.size(), request.group, quorum.needed)};
}

// Who may still acknowledge in a term that this one ends.
Members leaders_to_fence(const Leadership& held) {
  Members leaders = {held.leader};
  return held.open_before ? with(std::move(leaders), *held.open_before) : leaders;
}

std::optional<Refusal> loss_problem(const State& state, const PromoteWithLoss& request) {
  const Leadership& held = state.leadership(request.group);
  const auto refusal = [](std::string message) {
    return Refusal{RefusalCode::kPolicyViolation, std::move(message)};
  };
  for (const Member& leader : leaders_to_fence(held)) {
    if (state.alive(leader.node) != leader.incarnation) continue;
    if (planted(PlantedBug::kFenceIgnored)) continue;
    return refusal(
        fmt::format("node {} led, still holds its lease and may acknowledge. Wait until it has run "
                    "out, or switch over",
                    leader.node.value));
  }
  const Node* target = state.find_node(request.target);
  if (contains(held.promotable, Member{target->id, target->incarnation})) {
    return refusal(
        fmt::format("node {} holds everything that was acknowledged: promote it without "
                    "loss",
                    request.target.value));
  }
  const Members others = without(held.promotable, held.leader);
  if (!others.empty() && !request.give_up_promotable) {
    return refusal(
        fmt::format("node {} holds everything that was acknowledged in failover group "
                    "'{}'. Promote it instead, or override if it is lost for good",
                    others.front().node.value, request.group));
  }
  return quorum_problem(state, request);
}

}  // namespace

Decided<Leadership> decide_take_leadership(const State& state, std::string_view group,
                                           const Member& leader, WallTime now, bool any_region) {
  if (state.leadership(group).exists()) {
    return violation(fmt::format("failover group '{}' was led before", group));
  }
  if (auto refusal = cannot_lead(state, group, leader.node)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  const Node& node = *state.find_node(leader.node);
  const std::string home = regions_of(*state.find_group(group), state.regions()).front();
  if (node.incarnation != leader.incarnation) {
    return violation(
        fmt::format("node {} is registered with another data directory", leader.node.value));
  }
  if (!any_region && node.region != home) {
    return violation(fmt::format("the home of failover group '{}' is region '{}', not '{}'", group,
                                 home, node.region));
  }
  Leadership first;
  first.promotable = {leader};
  auto decision = next_term(state, group, first, leader, now);
  if (decision) compare_key(state, group_key(group), decision->transaction);
  return decision;
}

Decided<Leadership> decide_renew_epoch(const State& state, std::string_view group,
                                       const Member& leader, WallTime now) {
  const Leadership& held = state.leadership(group);
  if (!held.exists()) return never_led(group);
  if (held.leader != leader) {
    return violation(
        fmt::format("node {} does not lead failover group '{}' with this data "
                    "directory",
                    leader.node.value, group));
  }
  Leadership before = held;
  if (held.open) before.opened_with = OpenedWith::kLossless;
  return next_term(state, group, before, leader, now);
}

Decided<Leadership> decide_promote_without_loss(const State& state, std::string_view group,
                                                NodeId target, WallTime now, bool handed_over) {
  const Leadership& held = state.leadership(group);
  if (!held.exists()) return never_led(group);
  if (auto refusal = cannot_lead(state, group, target)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  const Member member{target, state.find_node(target)->incarnation};
  const bool was_promotable =
      std::any_of(held.promotable.begin(), held.promotable.end(),
                  [&](const Member& holder) { return holder.node == target; });
  const bool excused = planted(PlantedBug::kPromotionOfStranger) ||
                       (planted(PlantedBug::kIncarnationIgnored) && was_promotable);
  if (!contains(held.promotable, member) && !excused) {
    return violation(
        fmt::format("node {} may lack records of failover group '{}' that were "
                    "acknowledged; choose a node that is in sync",
                    target.value, group));
  }
  auto decision = next_term(state, group, held, member, now);
  if (!decision) return decision;
  const auto& draining = held.draining;
  const bool drained = draining && draining->drained && draining->target == target;
  decision->answer.failed_over = held.failed_over || !(drained || handed_over);
  decision->answer.opened_with = OpenedWith::kLossless;
  replace_term(group, *decision);
  compare_key(state, group_key(group), decision->transaction);
  return decision;
}

Decided<Leadership> decide_promote_with_loss(const State& state, const PromoteWithLoss& request,
                                             WallTime now) {
  const Leadership& held = state.leadership(request.group);
  if (!held.exists()) return never_led(request.group);
  if (auto refusal = cannot_lead(state, request.group, request.target)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  if (auto refusal = loss_problem(state, request)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  const Member member{request.target, state.find_node(request.target)->incarnation};
  auto decision = next_term(state, request.group, held, member, now);
  if (!decision) return decision;
  decision->answer.failed_over = true;
  decision->answer.opened_with = OpenedWith::kLossy;
  decision->answer.promotable = {member};
  decision->answer.open_before.reset();
  replace_term(request.group, *decision);
  Transaction& transaction = decision->transaction;
  for (const Member& leader : leaders_to_fence(held)) {
    compare_key(state, alive_key(leader.node), transaction);
    compare_key(state, node_key(leader.node), transaction);
  }
  compare_key(state, group_key(request.group), transaction);
  // The sites are those that were counted, and no other one has come.
  for (const auto& [name, region] : state.regions()) {
    compare_key(state, region_key(name), transaction);
  }
  compare_key(state, std::string(kRegionChangeKey), transaction);
  return decision;
}

Quorum acceptance_quorum(const State& state, std::string_view group) {
  Quorum quorum;
  const Node* leader = state.find_node(state.leadership(group).leader.node);
  for (const auto& [name, region] : state.regions()) {
    if (leader == nullptr || name != leader->region) quorum.sites.push_back(name);
  }
  quorum.needed = quorum.sites.size() / 2 + 1;
  return quorum;
}

}  // namespace magpie::control
