#include "control/decide_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "control/counters.h"
#include "control/exposure.h"
#include "control/group_list.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/topic_name.h"
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
  const Node* known = state.find_node(node.id);
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

std::set<std::string> groups_in(const std::optional<std::string>& value) {
  if (!value) return {std::string(kDefaultGroup)};
  const auto list = group_list(*value);
  return {list.begin(), list.end()};
}

std::string group_at(const std::optional<std::string>& value, int32_t partition) {
  if (!value) return std::string(kDefaultGroup);
  return group_for_partition(*value, PartitionIndex{partition});
}

// The receiving group's next term; see add_group_moves().
MaybeRefusal renew_for_move(const State& state, const std::string& from, const std::string& to,
                            Leadership& term) {
  const Leadership& giving = state.leadership(from);
  if (!giving.exists()) return std::nullopt;  // nothing was ever written
  const auto refusal = [&](std::string_view why) {
    return Refusal{
        RefusalCode::kPolicyViolation,
        fmt::format("partitions cannot move from failover group '{}' to '{}': {}", from, to, why)};
  };
  if (!term.exists()) {
    return refusal(
        "the second has no leader yet; wait until a node of its home region has taken "
        "its leadership");
  }
  if (giving.leader != term.leader) {
    return refusal(
        fmt::format("node {} leads the first and node {} the second. Switch one of them "
                    "over, so that one node leads both, then move the partitions",
                    giving.leader.node.value, term.leader.node.value));
  }
  if (giving.draining || term.draining) return refusal("a switchover is under way");
  if (!contains(giving.promotable, giving.leader) || !contains(term.promotable, term.leader)) {
    return refusal("a failover with loss has not been completed; wait until the epoch is open");
  }
  Members both;
  std::set_intersection(giving.promotable.begin(), giving.promotable.end(), term.promotable.begin(),
                        term.promotable.end(), std::back_inserter(both));
  term.promotable = std::move(both);
  if (term.open) {
    // It goes on without loss, and can acknowledge in the term before until it hears of this one.
    term.opened_with = OpenedWith::kLossless;
    term.open_before = term.leader;
  }
  term.open = false;
  term.sync.clear();
  term.joining.reset();
  term.state = ReplicationState::kDegraded;
  return std::nullopt;
}

}  // namespace

Decided<RegionRegistered> decide_register_region(const State& state, const Region& region) {
  if (const auto problem = label_problem(region.name)) {
    return refuse(RefusalCode::kInvalidRequest, fmt::format("the region's name {}", *problem));
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
  change_key(state, region_key(region.name), encode_region(region), decision.transaction);
  return decision;
}

Decided<NodeRegistered> decide_register_node(const State& state, const Node& node,
                                             RegionRole role) {
  if (auto refusal = node_problem(state, node, role))
    return tl::unexpected<Refusal>(std::move(*refusal));
  Decision<NodeRegistered> decision;
  decision.answer.id = node.id;
  const Node* known = state.find_node(node.id);
  decision.answer.rebuilt = known != nullptr && known->incarnation != node.incarnation;
  if (known != nullptr && *known == node) return decision;
  Transaction& transaction = decision.transaction;
  compare_key(state, alive_key(node.id), transaction);
  if (state.regions().contains(node.region)) {
    compare_key(state, region_key(node.region), transaction);
  } else {
    change_key(state, region_key(node.region), encode_region({node.region, role}), transaction);
  }
  change_key(state, node_key(node.id), encode_node(node), transaction);
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
  Decision<GroupSet> decision;
  decision.answer = {group.name};
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
  compare_regions(state, group, decision.transaction);
  compare_key(state, leadership_key(group.name), decision.transaction);
  change_key(state, group_key(group.name), encode_group(group), decision.transaction);
  return decision;
}

Decided<GroupSet> decide_delete_group(const State& state, std::string_view name) {
  const std::string group(name);
  if (group == kDefaultGroup || group == kSystemGroup) {
    return refuse(RefusalCode::kPolicyViolation,
                  fmt::format("failover group '{}' always exists; alter it instead", group));
  }
  if (state.find_group(group) == nullptr) return unknown_group(group);
  Decision<GroupSet> decision;
  decision.answer = {group};
  Transaction& transaction = decision.transaction;
  for (const auto& [topic_name, topic] : state.topics()) {
    const ConfigValues& configs = state.topic_configs(topic_name);
    const auto config = configs.find(kFailoverGroupConfig);
    if (config == configs.end() || !groups_in(config->second).contains(group)) continue;
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
  return decision;
}

std::optional<Refusal> add_new_groups(const State& state, const std::string& wanted,
                                      Transaction& transaction) {
  for (const std::string& group : groups_in(wanted)) {
    if (state.find_group(group) == nullptr) {
      return Refusal{RefusalCode::kInvalidConfig,
                     fmt::format("there is no failover group '{}'; create it first", group)};
    }
    compare_key(state, group_key(group), transaction);
  }
  return std::nullopt;
}

std::optional<Refusal> add_group_moves(const State& state, const Topic& topic,
                                       const std::optional<std::string>& held,
                                       const std::optional<std::string>& wanted,
                                       Transaction& transaction) {
  if (held == wanted) return std::nullopt;
  if (is_internal_topic(topic.name)) {
    return Refusal{
        RefusalCode::kPolicyViolation,
        fmt::format("'{}' is an internal topic; its failover group is fixed", topic.name)};
  }
  if (wanted) {
    if (auto refusal = add_new_groups(state, *wanted, transaction)) return refusal;
  }
  std::map<std::string, std::set<std::string>> sources;  // of each group that gets partitions
  for (int32_t i = 0; i < topic.partition_count(); ++i) {
    std::string from = group_at(held, i);
    const std::string to = group_at(wanted, i);
    if (from != to) sources[to].insert(std::move(from));
  }
  std::set<std::string> compared;
  for (const auto& [to, from_groups] : sources) {
    Leadership term = state.leadership(to);
    bool renewed = false;
    for (const std::string& from : from_groups) {
      if (auto refusal = renew_for_move(state, from, to, term)) return refusal;
      renewed = renewed || state.leadership(from).exists();
      compare_key(state, leadership_key(from), transaction);
    }
    if (!renewed) continue;
    Transaction counter;
    const auto epoch = take_epoch(state, counter);
    if (!epoch) return no_epochs_left();
    if (compared.insert(std::string(kEpochsKey)).second) {
      transaction.compares.insert(transaction.compares.end(), counter.compares.begin(),
                                  counter.compares.end());
      transaction.changes.insert(transaction.changes.end(), counter.changes.begin(),
                                 counter.changes.end());
    }
    term.epoch = *epoch;
    change_key(state, leadership_key(to), encode_leadership(term), transaction);
  }
  return std::nullopt;
}

Decided<PlacedInGroup> decide_place_in_group(const State& state, const PlaceInGroup& request) {
  const Topic* topic = state.find_topic(request.topic);
  if (topic == nullptr) {
    return refuse(RefusalCode::kUnknownTopicOrPartition,
                  fmt::format("there is no topic '{}'", request.topic));
  }
  std::vector<std::string> groups;
  for (int32_t i = 0; i < topic->partition_count(); ++i) {
    groups.push_back(state.group_of(*topic, PartitionIndex{i}));
  }
  for (const int32_t partition : request.partitions) {
    if (!topic->has_partition(PartitionIndex{partition})) {
      return refuse(RefusalCode::kUnknownTopicOrPartition,
                    fmt::format("topic '{}' has no partition {}", request.topic, partition));
    }
    groups[static_cast<size_t>(partition)] = request.group;
  }
  if (request.partitions.empty()) groups = {request.group};
  const bool one = std::all_of(groups.begin(), groups.end(),
                               [&](const std::string& group) { return group == groups.front(); });
  if (one) groups.resize(1);
  ConfigValues configs = state.topic_configs(topic->name);
  const auto found = configs.find(kFailoverGroupConfig);
  const auto held = found == configs.end() ? std::nullopt : std::optional(found->second);
  Decision<PlacedInGroup> decision;
  decision.answer.config = fmt::format("{}", fmt::join(groups, ","));
  if (held == decision.answer.config) return decision;
  Transaction& transaction = decision.transaction;
  if (auto refusal = add_group_moves(state, *topic, held, decision.answer.config, transaction)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  configs.insert_or_assign(std::string(kFailoverGroupConfig), decision.answer.config);
  compare_key(state, topic_key(topic->name), transaction);
  change_key(state, topic_configs_key(topic->name), encode_configs(configs), transaction);
  return decision;
}

}  // namespace magpie::control
