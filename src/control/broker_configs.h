// The broker-level configuration keys of Kafka that say something about a Magpie node. All are
// read-only: a node takes its configuration from its file when it starts. Keys that are only the
// broker-wide default of a topic config are not here but in topic_configs.h.
#pragma once

#include <span>
#include <string_view>

#include "control/config_definition.h"

namespace magpie::control {

// Sorted by name.
std::span<const ConfigDefinition> broker_config_definitions();

// Null if there is no such key.
const ConfigDefinition* find_broker_config(std::string_view name);

}  // namespace magpie::control
