// Who copies the logs of a failover group, and what their leader may promise because of them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "control/leadership.h"
#include "control/state.h"

namespace magpie::control {

// One node of each other region of the group, in the group's order: of those that stay, or of those
// that are being removed, which are not relied on anew.
std::vector<NodeId> followers(const State& state, std::string_view group, NodeId leader,
                              bool leaving);

// The limit that the group's policy asks of its leader; nothing without max_lag, or with nobody who
// follows.
std::optional<LagLimit> wanted_lag_limit(const State& state, std::string_view group,
                                         const Leadership& leadership);

// The age of the oldest record that a failover may lose: the limit, and what a leader may
// acknowledge before it sees that it is reached.
Duration loss_time_max(const LagLimit& limit);

}  // namespace magpie::control
