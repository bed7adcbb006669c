#include "control/operation_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/decide_regions.h"

namespace magpie::control {
namespace {

// Collects what a plan says about one group.
class GroupPlanner {
 public:
  GroupPlanner(const State& state, const OperationRequest& request, WallTime now,
               const FailoverGroup& group, OperationPlan& plan)
      : state_(state),
        request_(request),
        now_(now),
        group_(group),
        plan_(plan),
        led_(state.leadership(group.name)) {}

  void plan() {
    PlannedGroup planned;
    planned.group = group_.name;
    planned.leader = led_.leader.node;
    planned.epoch = led_.epoch;
    if (!led_.exists()) return problem("it was never led, so there is nothing to move");
    const std::vector<NodeId> candidates = candidates_in_reach();
    if (candidates.empty()) return no_candidates();
    if (request_.kind == OperationKind::kSwitchover) {
      plan_switchover(candidates, planned);
    } else {
      plan_failover(candidates, planned);
    }
    others_and_cooldown();
    plan_.groups.push_back(std::move(planned));
  }

 private:
  void object(std::string_view rule, std::string message) {
    plan_.objections.push_back({std::string(rule), group_.name,
                                fmt::format("failover group '{}': {}", group_.name, message)});
  }
  void problem(std::string message) { object("", std::move(message)); }

  std::string region_of(NodeId node) const {
    const Node* known = state_.find_node(node);
    return known == nullptr ? "" : known->region;
  }
  bool leader_is_alive() const { return state_.alive(led_.leader.node) == led_.leader.incarnation; }
  bool promotable(NodeId node) const {
    const Node* known = state_.find_node(node);
    return known != nullptr && contains(led_.promotable, {node, known->incarnation});
  }

  std::vector<NodeId> candidates_in_reach() const {
    std::vector<NodeId> candidates;
    for (const NodeId node : possible_leaders(state_, group_.name)) {
      const std::string region = region_of(node);
      if (!request_.to.empty() && region != request_.to) continue;
      if (!request_.from.empty() && region == request_.from) continue;
      candidates.push_back(node);
    }
    return candidates;
  }
  void no_candidates() {
    if (!request_.to.empty() && region_of(led_.leader.node) == request_.to) {
      return problem(fmt::format("region '{}' leads it already", request_.to));
    }
    if (!request_.to.empty()) {
      return problem(
          fmt::format("region '{}' has no node that can lead it; the group's regions "
                      "are {}",
                      request_.to, fmt::join(regions_of(group_, state_.regions()), ", ")));
    }
    problem("no other region has a node that can lead it");
  }

  void plan_switchover(const std::vector<NodeId>& candidates, PlannedGroup& planned) {
    planned.target = candidates.front();
    planned.lossless = true;
    if (!leader_is_alive()) {
      problem(
          fmt::format("node {} led it and holds no lease; nothing can be drained there. Fail "
                      "over instead",
                      led_.leader.node.value));
    }
    if (!is_alive(state_, planned.target)) {
      object(kRuleLastHealthyRegion,
             fmt::format("node {} in region '{}' holds no lease; the group would be led by "
                         "nobody",
                         planned.target.value, region_of(planned.target)));
    }
  }

  void plan_failover(const std::vector<NodeId>& candidates, PlannedGroup& planned) {
    const auto holds_all = std::find_if(candidates.begin(), candidates.end(), [&](NodeId node) {
      return promotable(node) && is_alive(state_, node);
    });
    if (holds_all != candidates.end()) {
      planned.target = *holds_all;
      planned.lossless = true;
      return;
    }
    const bool any_alive = std::any_of(candidates.begin(), candidates.end(),
                                       [&](NodeId node) { return is_alive(state_, node); });
    if (!any_alive) return nobody_alive(candidates, planned);
    if (!request_.to.empty()) planned.target = candidates.front();
    const Members others = without(led_.promotable, led_.leader);
    if (!request_.allow_loss) {
      return problem(others.empty()
                         ? "only the lost leader holds everything that was acknowledged. Bring it "
                           "back, or fail over with --allow-loss"
                         : fmt::format("node {} holds everything that was acknowledged but is not "
                                       "to be had. Bring it back, choose its region, or fail over "
                                       "with --allow-loss",
                                       others.front().node.value));
    }
    if (!others.empty()) {
      object(kRuleNotInSync,
             fmt::format("node {} holds everything that was acknowledged, and what the new leader "
                         "does not hold would be given up",
                         others.front().node.value));
    }
  }

  void nobody_alive(const std::vector<NodeId>& candidates, PlannedGroup& planned) {
    planned.target = candidates.front();
    const auto holds_all = std::find_if(candidates.begin(), candidates.end(),
                                        [&](NodeId node) { return promotable(node); });
    if (holds_all == candidates.end()) {
      return problem("no node that could lead it holds its lease. Bring one back first");
    }
    planned.target = *holds_all;
    planned.lossless = true;
    object(kRuleLastHealthyRegion,
           fmt::format("no node that could lead it holds its lease; node {} would lead once it is "
                       "back, and nobody until then",
                       planned.target.value));
  }

  void others_and_cooldown() {
    for (const auto& [id, operation] : state_.operations()) {
      const OperationGroup* other = find_group(operation, group_.name);
      if (other == nullptr) continue;
      if (!is_over(other->step)) {
        const bool undoable = can_be_abandoned(other->step);
        // Its new leader may never get that far; the other one ends when the group moves on.
        const bool stuck = !undoable && !led_.open;
        const char* next = undoable ? "Let it end, or abandon it"
                           : stuck  ? "Wait until its new leader has opened its epoch, unless that "
                                      "one is lost or cannot"
                                    : "Wait until it is done";
        object(
            undoable || stuck ? kRuleOperationRunning : std::string_view(),
            fmt::format("operation {} moves it and is {}. {}", id, to_string(other->step), next));
      } else if (other->step == OperationStep::kDone &&
                 now_.millis - other->since.millis < kOperationCooldown.to_milliseconds()) {
        object(kRuleCooldown, fmt::format("operation {} moved it less than {} seconds ago", id,
                                          kOperationCooldown.to_milliseconds() / 1'000));
      }
    }
  }

  const State& state_;
  const OperationRequest& request_;
  WallTime now_;
  const FailoverGroup& group_;
  OperationPlan& plan_;
  const Leadership& led_;
};

bool is_led_in(const State& state, const FailoverGroup& group, const std::string& region) {
  const Leadership& led = state.leadership(group.name);
  const Node* leader = led.exists() ? state.find_node(led.leader.node) : nullptr;
  return leader != nullptr && leader->region == region;
}

// By priority, then name.
std::vector<const FailoverGroup*> groups_of(const State& state, const OperationRequest& request,
                                            OperationPlan& plan) {
  std::vector<const FailoverGroup*> groups;
  for (const std::string& name : request.groups) {
    const FailoverGroup* group = state.find_group(name);
    if (group == nullptr) {
      plan.objections.push_back({"", name, fmt::format("there is no failover group '{}'", name)});
    } else if (!request.from.empty() && !is_led_in(state, *group, request.from)) {
      plan.objections.push_back(
          {"", name,
           fmt::format("failover group '{}' is not led in region '{}'", name, request.from)});
    } else if (std::find(groups.begin(), groups.end(), group) == groups.end()) {
      groups.push_back(group);
    }
  }
  if (request.groups.empty()) {
    for (const auto& [name, group] : state.groups()) {
      if (is_led_in(state, group, request.from)) groups.push_back(&group);
    }
    if (groups.empty()) {
      plan.objections.push_back(
          {"", "", fmt::format("region '{}' leads no failover group", request.from)});
    }
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const FailoverGroup* a, const FailoverGroup* b) {
                     return std::pair(a->priority, std::string_view(a->name)) <
                            std::pair(b->priority, std::string_view(b->name));
                   });
  return groups;
}

void check_request(const State& state, const OperationRequest& request, OperationPlan& plan) {
  const auto problem = [&](std::string message) {
    plan.objections.push_back({"", "", std::move(message)});
  };
  if (request.groups.empty() && request.from.empty()) {
    problem("neither a failover group nor a region to leave is named");
  }
  if (request.kind == OperationKind::kSwitchover && request.to.empty()) {
    problem("a switchover needs a region to go to");
  }
  if (request.kind == OperationKind::kSwitchover && request.allow_loss) {
    problem("a switchover never loses anything; allowing loss belongs to a failover");
  }
  for (const std::string& region : {request.from, request.to}) {
    if (!region.empty() && !state.regions().contains(region)) {
      problem(fmt::format("there is no region '{}'", region));
    }
  }
  if (!request.to.empty() && is_leaving(state, request.to)) {
    problem(fmt::format("region '{0}' is being removed; keep it with: magpie region readmit {0}",
                        request.to));
  }
  const auto rules = safety_rules();
  for (const std::string& name : request.overrides) {
    if (std::find(rules.begin(), rules.end(), name) != rules.end()) continue;
    problem(
        fmt::format("there is no safety rule '{}'; there are {}", name, fmt::join(rules, ", ")));
  }
}

}  // namespace

std::vector<std::string_view> safety_rules() {
  return {kRuleLastHealthyRegion, kRuleOperationRunning, kRuleCooldown, kRuleLag, kRuleNotInSync};
}

bool lag_limit_is_kept(const State& state, std::string_view group) {
  const FailoverGroup* policy = state.find_group(group);
  if (policy == nullptr || !state.leadership(group).lag_limit) return false;
  const std::vector<std::string> regions = regions_of(*policy, state.regions());
  return std::none_of(state.nodes().begin(), state.nodes().end(), [&](const auto& entry) {
    const Node& node = entry.second;
    return node.directory &&
           std::find(regions.begin(), regions.end(), node.region) != regions.end();
  });
}

bool is_alive(const State& state, NodeId node) {
  const Node* known = state.find_node(node);
  return known != nullptr && state.alive(node) == known->incarnation;
}

std::vector<NodeId> possible_leaders(const State& state, std::string_view group) {
  std::vector<NodeId> leaders;
  const FailoverGroup* policy = state.find_group(group);
  if (policy == nullptr) return leaders;
  const Leadership& led = state.leadership(group);
  for (const std::string& region : regions_of(*policy, state.regions())) {
    const Node* chosen = nullptr;
    for (const auto& [id, node] : state.nodes()) {
      if (node.region != region) continue;
      if (led.exists() && led.leader == Member{id, node.incarnation}) continue;
      const bool better =
          chosen == nullptr || (is_alive(state, id) && !is_alive(state, chosen->id));
      if (better) chosen = &node;
    }
    if (chosen != nullptr) leaders.push_back(chosen->id);
  }
  // Those of a region that is being removed are the last resort.
  std::stable_partition(leaders.begin(), leaders.end(),
                        [&](NodeId id) { return !is_leaving(state, state.find_node(id)->region); });
  return leaders;
}

OperationPlan plan_operation(const State& state, const OperationRequest& request, WallTime now) {
  OperationPlan plan;
  check_request(state, request, plan);
  if (!plan.objections.empty()) return plan;
  const auto groups = groups_of(state, request, plan);
  if (groups.size() > kOperationGroupsMax) {
    plan.objections.push_back(
        {"", "",
         fmt::format("one operation moves at most {} groups; name fewer", kOperationGroupsMax)});
    return plan;
  }
  for (const FailoverGroup* group : groups) {
    GroupPlanner(state, request, now, *group, plan).plan();
  }
  return plan;
}

const Objection* standing_objection(const OperationPlan& plan, const OperationRequest& request) {
  const auto overridden = [&](const Objection& objection) {
    return !objection.rule.empty() && std::find(request.overrides.begin(), request.overrides.end(),
                                                objection.rule) != request.overrides.end();
  };
  const auto found = std::find_if_not(plan.objections.begin(), plan.objections.end(), overridden);
  return found == plan.objections.end() ? nullptr : &*found;
}

}  // namespace magpie::control
