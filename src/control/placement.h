// Which node hosts which partition.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "control/policy.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

using Placement = std::vector<NodeId>;

// Places for `count` more partitions, each on the node that hosts fewest so far.
// Refused with kInvalidPartitions if the nodes' limits do not allow that many.
tl::expected<Placement, Refusal> choose_placement(const State& state, const Policy& policy,
                                                  int32_t count);

// Places as the client assigned them, for partitions `first`, `first` + 1, …; the first node of
// each assignment hosts the partition. Refused with kInvalidReplicaAssignment if an assignment is
// empty, names a node twice or an unknown one, or differs in length from the others.
tl::expected<Placement, Refusal> assigned_placement(
    const State& state, const Policy& policy, int32_t first,
    const std::vector<std::vector<int32_t>>& assignments);

}  // namespace magpie::control
