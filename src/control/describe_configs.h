// Configuration as DescribeConfigs shows it: every key, where its value comes from, and what Magpie
// does with it. Tools decide by the source whether a value was set on purpose, so a default is
// never reported as anything else.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config_definition.h"
#include "control/policy.h"
#include "control/state.h"

namespace magpie::control {

// The numbers are those of the protocol (DescribeConfigs v1, KIP-226).
enum class ConfigSource : int8_t {
  kTopic = 1,         // DYNAMIC_TOPIC_CONFIG: set for the topic
  kStaticBroker = 4,  // STATIC_BROKER_CONFIG: from the node's configuration file
  kDefault = 5,       // DEFAULT_CONFIG
};

// One place that has a value for the key; the list of a key begins with the one in force.
struct ConfigSynonym {
  std::string name;
  std::string value;
  ConfigSource source = ConfigSource::kDefault;
};

struct DescribedConfig {
  std::string name;
  std::optional<std::string> value;  // none: the key has no value
  ConfigType type = ConfigType::kString;
  ConfigSource source = ConfigSource::kDefault;
  bool read_only = false;
  bool sensitive = false;  // the value is a secret and was left out
  std::vector<ConfigSynonym> synonyms;
  std::string documentation;
};

// All keys of the topic, sorted by name; nothing if there is no such topic.
std::optional<std::vector<DescribedConfig>> describe_topic_configs(const State& state,
                                                                   const Policy& policy,
                                                                   std::string_view topic);

// The same for values that a topic to be created would have (the answer to CreateTopics v5).
std::vector<DescribedConfig> describe_values(const Policy& policy, const ConfigValues& configs);

// All keys of a broker, sorted by name, read-only. `own` are the values of this node by Kafka's
// broker config name (broker_configs.h lists them); the others have their defaults, and those that
// are defaults of topics come from `policy`.
std::vector<DescribedConfig> describe_broker_configs(const Policy& policy, const ConfigValues& own);

// Documentation and effect of a key as one text.
std::string explain(const ConfigDefinition& definition);

}  // namespace magpie::control
