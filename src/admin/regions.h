// The routes of regions and nodes: what the cluster consists of, and who is alive. A node without a
// control store says that it is alone.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "control/member.h"
#include "control/state.h"
#include "kafka/broker.h"

namespace magpie::admin {

nlohmann::json list_regions(kafka::Broker& broker);
nlohmann::json list_nodes(kafka::Broker& broker);

// True if the node has no control store, so that there is no other region.
bool is_alone(const control::State& state);

// A member as answers show it: {"node": 1, "region": "bj", "alive": true}; alive means that it
// holds its lease with the same data directory.
nlohmann::json member_json(const control::State& state, const control::Member& member);

}  // namespace magpie::admin
