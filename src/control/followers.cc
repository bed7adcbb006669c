#include "control/followers.h"

#include <algorithm>

#include "control/decide_regions.h"
#include "control/failover_group.h"

namespace magpie::control {
namespace {

// A leader looks at its members several times a second and not at each acknowledgement.
constexpr Duration kLookMargin = Duration::seconds(1);

}  // namespace

std::vector<NodeId> followers(const State& state, std::string_view group, NodeId leader,
                              bool leaving) {
  std::vector<NodeId> nodes;
  const FailoverGroup* policy = state.find_group(group);
  const Node* self = state.find_node(leader);
  if (policy == nullptr || self == nullptr) return nodes;
  for (const std::string& region : regions_of(*policy, state.regions())) {
    if (region == self->region || is_leaving(state, region) != leaving) continue;
    const auto& all = state.nodes();
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const auto& entry) { return entry.second.region == region; });
    if (found != all.end()) nodes.push_back(found->first);
  }
  return nodes;
}

std::optional<LagLimit> wanted_lag_limit(const State& state, std::string_view group,
                                         const Leadership& leadership) {
  const FailoverGroup* policy = state.find_group(group);
  if (policy == nullptr || !policy->max_lag_time) return std::nullopt;
  LagLimit limit{*policy->max_lag_time, {}};
  for (const NodeId node : followers(state, group, leadership.leader.node, /*leaving=*/false)) {
    limit.among = with(std::move(limit.among), {node, state.find_node(node)->incarnation});
  }
  if (limit.among.empty()) return std::nullopt;
  return limit;
}

Duration loss_time_max(const LagLimit& limit) {
  return limit.time + kLookMargin;
}

}  // namespace magpie::control
