#include "control/decide_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/absent_nodes.h"
#include "control/decide_placing.h"
#include "control/decide_regions.h"
#include "control/deleted_group.h"
#include "control/exposure.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/transaction_builder.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using MaybeRefusal = std::optional<Refusal>;

tl::unexpected<Refusal> unknown_group(std::string_view group) {
  return refuse(RefusalCode::kInvalidRequest,
                fmt::format("there is no failover group '{}'; create it first", group));
}

// What a policy is judged by besides itself: the regions it names.
void compare_regions(const State& state, const FailoverGroup& group, Transaction& transaction) {
  for (const std::string& region : group.regions) {
    compare_key(state, region_key(region), transaction);
  }
}

std::vector<std::string> all_regions(const State& state) {
  std::vector<std::string> names;
  for (const auto& [name, region] : state.regions()) names.push_back(name);
  return names;
}

// Of two groups with the same pattern none would be the one that says more about a topic.
MaybeRefusal claim_problem(const State& state, const FailoverGroup& group) {
  for (const auto& [name, other] : state.groups()) {
    if (name == group.name) continue;
    for (const std::string& pattern : group.topics) {
      if (std::find(other.topics.begin(), other.topics.end(), pattern) == other.topics.end()) {
        continue;
      }
      return Refusal{
          RefusalCode::kPolicyViolation,
          fmt::format("new topics that match '{}' come into failover group '{}' already; "
                      "take the pattern out of that group first",
                      pattern, name)};
    }
  }
  return std::nullopt;
}

MaybeRefusal node_problem(const State& state, const Node& node, RegionRole role) {
  const auto refusal = [](std::string message) {
    return Refusal{RefusalCode::kInvalidRequest, std::move(message)};
  };
  if (const auto problem = label_problem(node.region)) {
    return refusal(fmt::format("the region's name {}", *problem));
  }
  const auto region = state.regions().find(node.region);
  if (region != state.regions().end() && region->second.role != role) {
    const bool witness = role == RegionRole::kData;
    return refusal(fmt::format(
        "region '{}' is {}, but node {} is configured as {}. Correct the node's region or role in "
        "its configuration",
        node.region, witness ? "a witness, which holds no records" : "one that holds records",
        node.id.value, witness ? "one that holds records" : "a witness"));
  }
  if (is_removed(state, node.region)) {
    return refusal(fmt::format(
        "region '{0}' was removed from the cluster, and its nodes serve nothing. What "
        "they hold stays on their disks. Take it in again, at a node of another region, "
        "with: magpie region readmit {0}",
        node.region));
  }
  const Node* known = state.find_node(node.id);
  if (known == nullptr && region != state.regions().end() && is_leaving(state, node.region)) {
    return refusal(
        fmt::format("region '{0}' is being removed and takes no new nodes. To keep it: magpie "
                    "region readmit {0}",
                    node.region));
  }
  if (known != nullptr && known->region != node.region) {
    return refusal(
        fmt::format("node {} is one of region '{}', but announces itself in region '{}'. Give it a "
                    "node id of its own, or correct its region",
                    node.id.value, known->region, node.region));
  }
  const auto alive = state.alive(node.id);
  if (alive && *alive != node.incarnation) {
    return refusal(fmt::format(
        "node id {} is in use: another data directory (incarnation {}) holds its lease. "
        "If that process has ended, its lease runs out in a few seconds; otherwise "
        "correct node_id in one of the two configurations",
        node.id.value, to_string(*alive)));
  }
  return std::nullopt;
}

}  // namespace

Decided<RegionRegistered> decide_register_region(const State& state, const Region& region,
                                                 WallTime now, Duration lease) {
  if (const auto problem = label_problem(region.name)) {
    return refuse(RefusalCode::kInvalidRequest, fmt::format("the region's name {}", *problem));
  }
  if (is_removed(state, region.name)) {
    return refuse(RefusalCode::kInvalidRequest,
                  fmt::format("region '{0}' was removed from the cluster; take it in again with: "
                              "magpie region readmit {0}",
                              region.name));
  }
  Decision<RegionRegistered> decision;
  decision.answer = {region.name};
  const auto known = state.regions().find(region.name);
  if (known != state.regions().end()) {
    if (known->second.role == region.role) return decision;
    return refuse(
        RefusalCode::kInvalidRequest,
        fmt::format("region '{}' exists with another role; choose another name", region.name));
  }
  if (auto early = add_new_region(state, region.name, now, lease, decision.transaction)) {
    return tl::unexpected<Refusal>(std::move(*early));
  }
  change_key(state, region_key(region.name), encode_region(region), decision.transaction);
  return decision;
}

Decided<NodeRegistered> decide_register_node(const State& state, const Node& node, RegionRole role,
                                             WallTime now, Duration lease) {
  if (auto refusal = node_problem(state, node, role))
    return tl::unexpected<Refusal>(std::move(*refusal));
  Decision<NodeRegistered> decision;
  decision.answer.id = node.id;
  const Node* known = state.find_node(node.id);
  decision.answer.rebuilt = known != nullptr && known->incarnation != node.incarnation;
  if (known != nullptr && *known == node) return decision;
  Transaction& transaction = decision.transaction;
  compare_key(state, alive_key(node.id), transaction);
  compare_key(state, std::string(kRemovedRegionPrefix) + node.region, transaction);
  if (state.regions().contains(node.region)) {
    compare_key(state, region_key(node.region), transaction);
  } else {
    if (auto early = add_new_region(state, node.region, now, lease, transaction)) {
      return tl::unexpected<Refusal>(std::move(*early));
    }
    change_key(state, region_key(node.region), encode_region({node.region, role}), transaction);
  }
  change_key(state, node_key(node.id), encode_node(node), transaction);
  forget_absence(state, node, transaction);
  return decision;
}

Decided<GroupSet> decide_create_group(const State& state, const FailoverGroup& group) {
  if (state.find_group(group.name) != nullptr) {
    return refuse(
        RefusalCode::kInvalidRequest,
        fmt::format("failover group '{}' already exists; alter it, or choose another name",
                    group.name));
  }
  if (auto problem = group_problem(group, state.regions())) {
    return refuse(RefusalCode::kPolicyViolation, std::move(*problem));
  }
  if (auto refusal = claim_problem(state, group))
    return tl::unexpected<Refusal>(std::move(*refusal));
  Decision<GroupSet> decision;
  decision.answer = {group.name};
  // Also if it names none: what rests on a region that goes has been looked at.
  if (auto goes = check_no_region_leaves(state, all_regions(state), decision.transaction)) {
    return tl::unexpected<Refusal>(std::move(*goes));
  }
  compare_regions(state, group, decision.transaction);
  change_key(state, group_key(group.name), encode_group(group), decision.transaction);
  return decision;
}

Decided<GroupSet> decide_alter_group(const State& state, const FailoverGroup& group) {
  const FailoverGroup* held = state.find_group(group.name);
  if (held == nullptr) return unknown_group(group.name);
  if (auto problem = group_problem(group, state.regions())) {
    return refuse(RefusalCode::kPolicyViolation, std::move(*problem));
  }
  if (auto refusal = claim_problem(state, group))
    return tl::unexpected<Refusal>(std::move(*refusal));
  Decision<GroupSet> decision;
  decision.answer = {group.name};
  if (*held == group) return decision;
  const Leadership& led = state.leadership(group.name);
  const Node* leader = state.find_node(led.leader.node);
  const auto regions = regions_of(group, state.regions());
  if (led.exists() && leader != nullptr &&
      std::find(regions.begin(), regions.end(), leader->region) == regions.end()) {
    return refuse(
        RefusalCode::kPolicyViolation,
        fmt::format("region '{}' leads failover group '{}' and cannot be taken out of it; "
                    "switch the group over first",
                    leader->region, group.name));
  }
  if (auto goes = check_no_region_leaves(state, group.regions, decision.transaction)) {
    return tl::unexpected<Refusal>(std::move(*goes));
  }
  compare_regions(state, group, decision.transaction);
  compare_key(state, leadership_key(group.name), decision.transaction);
  change_key(state, group_key(group.name), encode_group(group), decision.transaction);
  return decision;
}

Decided<GroupSet> decide_delete_group(const State& state, std::string_view name, Duration keep,
                                      WallTime now) {
  const std::string group(name);
  if (group == kDefaultGroup || group == kSystemGroup) {
    return refuse(RefusalCode::kPolicyViolation,
                  fmt::format("failover group '{}' always exists; alter it instead", group));
  }
  const FailoverGroup* held = state.find_group(group);
  if (held == nullptr) return unknown_group(group);
  Decision<GroupSet> decision;
  decision.answer = {group};
  Transaction& transaction = decision.transaction;
  for (const auto& [topic_name, topic] : state.topics()) {
    if (!groups_in(group_config(state.topic_configs(topic_name))).contains(group)) continue;
    return refuse(RefusalCode::kPolicyViolation,
                  fmt::format("topic '{}' is in failover group '{}'; place it in another group, or "
                              "delete it, first",
                              topic_name, group));
  }
  // Whoever places partitions into a group changes or compares its policy's key, so a topic that
  // comes meanwhile and this deletion exclude each other.
  change_key(state, group_key(group), std::nullopt, transaction);
  compare_key(state, leadership_key(group), transaction);
  if (state.leadership(group).exists()) {
    transaction.changes.push_back({leadership_key(group), std::nullopt});
  }
  forget_exposure(state, group, transaction);
  if (keep > Duration{}) keep_group(state, *held, keep, now, transaction);
  return decision;
}

}  // namespace magpie::control
