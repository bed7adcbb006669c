// The routes about the control store: how the node stands with it, and the node's copy of what it
// holds, from which a lost store is made whole (`magpie store adopt`).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/view.h"
#include "kafka/broker.h"

namespace magpie::admin {

// REQUIRES of both: view.store.
nlohmann::json describe_store(kafka::Broker& broker, const NodeView& view);
// The same with all keys and values in `entries`.
nlohmann::json describe_store_copy(kafka::Broker& broker, const NodeView& view);

}  // namespace magpie::admin
