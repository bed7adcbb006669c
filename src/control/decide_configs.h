// Decisions about topic configuration: replace it, or change single keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/policy.h"
#include "control/refusal.h"
#include "control/state.h"
#include "control/topic.h"

namespace magpie::control {

// Replaces all values set for a topic; keys not named return to their defaults (AlterConfigs).
struct AlterConfigs {
  std::string topic;
  std::vector<WantedConfig> configs;
  bool validate_only = false;
};

// The numbers are those of the protocol (IncrementalAlterConfigs, KIP-339).
enum class AlterOperation : int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };

struct ConfigAlteration {
  std::string name;
  AlterOperation operation = AlterOperation::kSet;
  std::optional<std::string> value;  // absent with kDelete
};

// Changes single keys; the others keep their values. All alterations are made or none.
struct IncrementalAlterConfigs {
  std::string topic;
  std::vector<ConfigAlteration> alterations;
  bool validate_only = false;
};

struct ConfigsAltered {
  std::string topic;
};

// Refused with kUnknownTopicOrPartition; with kInvalidConfig for an unknown key (the message names
// the nearest known one), a value that the key does not take, or values that contradict each other;
// with kInvalidRequest for a key that comes twice or a value that is missing.
Decided<ConfigsAltered> decide_alter_configs(const State& state, const Policy& policy,
                                             const AlterConfigs& request);
Decided<ConfigsAltered> decide_incremental_alter_configs(const State& state, const Policy& policy,
                                                         const IncrementalAlterConfigs& request);

// The values a new topic begins with, checked by the same rules.
tl::expected<ConfigValues, Refusal> check_new_configs(const Policy& policy, std::string_view topic,
                                                      const std::vector<WantedConfig>& configs);

// What is wrong with the defaults an operator wrote into the node's configuration; nothing if they
// can be used. `key` names the offending entry.
struct DefaultsProblem {
  std::string key;
  std::string message;
};
std::optional<DefaultsProblem> topic_defaults_problem(const ConfigValues& defaults);

// The answer to any attempt to alter the configuration of a broker.
Refusal refuse_broker_configs();

}  // namespace magpie::control
