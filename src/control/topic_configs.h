// Every topic-level configuration key of Kafka 4, and Magpie's own.
//
// docs/operations/topic-configs.md is this table for people; a test compares the two.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "control/config_definition.h"

namespace magpie::control {

// Sorted by name.
std::span<const ConfigDefinition> topic_config_definitions();

// Null if there is no such key.
const ConfigDefinition* find_topic_config(std::string_view name);

// The known key that `name` most likely was meant to be; empty if none is near.
std::string_view nearest_topic_config(std::string_view name);

}  // namespace magpie::control
