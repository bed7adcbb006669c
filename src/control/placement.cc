#include "control/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"

namespace magpie::control {
namespace {

tl::unexpected<Refusal> node_is_full(const Policy& policy, NodeId node) {
  return refuse(RefusalCode::kInvalidPartitions,
                fmt::format("node {} would host more than {} partitions. Delete topics that are no "
                            "longer needed, or raise the node's partition limit",
                            node.value, policy.partitions_per_node));
}

// The nodes of one assignment, checked.
std::optional<Refusal> assignment_problem(const State& state, const Policy& policy,
                                          int32_t partition, const std::vector<int32_t>& nodes,
                                          size_t replicas) {
  const auto refusal = [&](std::string what) {
    return Refusal{RefusalCode::kInvalidReplicaAssignment,
                   fmt::format("the assignment of partition {} {}", partition, what)};
  };
  if (nodes.empty()) return refusal("names no node");
  if (nodes.size() != replicas) {
    return refusal(
        fmt::format("names {} nodes, but that of another partition {}", nodes.size(), replicas));
  }
  std::set<int32_t> seen;
  for (const int32_t node : nodes) {
    const bool is_own = std::binary_search(policy.nodes.begin(), policy.nodes.end(), NodeId{node});
    if (!is_own && state.find_node(NodeId{node}) == nullptr) {
      return refusal(fmt::format("names node {}, which is not in the cluster", node));
    }
    if (!seen.insert(node).second) return refusal(fmt::format("names node {} twice", node));
  }
  return std::nullopt;
}

}  // namespace

tl::expected<Placement, Refusal> choose_placement(const State& state, const Policy& policy,
                                                  int32_t count) {
  CHECK(!policy.nodes.empty());
  std::map<NodeId, int64_t> hosted;
  for (const NodeId node : policy.nodes) hosted[node] = state.partition_count(node);
  Placement placement;
  for (int32_t i = 0; i < count; ++i) {
    const auto least =
        std::min_element(hosted.begin(), hosted.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (least->second >= policy.partitions_per_node) return node_is_full(policy, least->first);
    ++least->second;
    placement.push_back(least->first);
  }
  return placement;
}

tl::expected<Placement, Refusal> assigned_placement(
    const State& state, const Policy& policy, int32_t first,
    const std::vector<std::vector<int32_t>>& assignments) {
  Placement placement;
  std::map<NodeId, int64_t> added;
  for (size_t i = 0; i < assignments.size(); ++i) {
    const int32_t partition = first + static_cast<int32_t>(i);
    if (auto problem = assignment_problem(state, policy, partition, assignments[i],
                                          assignments.front().size())) {
      return tl::unexpected<Refusal>(std::move(*problem));
    }
    const NodeId node{assignments[i].front()};
    if (state.partition_count(node) + ++added[node] > policy.partitions_per_node) {
      return node_is_full(policy, node);
    }
    placement.push_back(node);
  }
  return placement;
}

}  // namespace magpie::control
