#include "control/describe_configs.h"

#include <algorithm>

#include "base/check.h"
#include "control/broker_configs.h"
#include "control/topic_configs.h"

namespace magpie::control {
namespace {

void add_synonym(const ConfigValues& values, std::string_view key, std::string_view name,
                 ConfigSource source, std::vector<ConfigSynonym>& synonyms) {
  const auto found = values.find(key);
  if (found == values.end()) return;
  synonyms.push_back({std::string(name), found->second, source});
}

// The value in force is that of the first synonym.
void use_first_synonym(DescribedConfig& config) {
  if (config.synonyms.empty()) return;
  config.value = config.synonyms.front().value;
  config.source = config.synonyms.front().source;
}

DescribedConfig begin(const ConfigDefinition& definition, std::string_view name) {
  DescribedConfig config;
  config.name = std::string(name);
  config.type = definition.type;
  config.documentation = explain(definition);
  return config;
}

DescribedConfig describe_topic_config(const ConfigDefinition& definition, const Policy& policy,
                                      const ConfigValues& configs) {
  // Keys without a broker-wide counterpart are their own.
  const std::string_view broker_name =
      definition.broker_name.empty() ? definition.name : definition.broker_name;
  DescribedConfig config = begin(definition, definition.name);
  add_synonym(configs, definition.name, definition.name, ConfigSource::kTopic, config.synonyms);
  add_synonym(policy.topic_defaults, definition.name, broker_name, ConfigSource::kStaticBroker,
              config.synonyms);
  config.synonyms.push_back(
      {std::string(broker_name), std::string(definition.default_value), ConfigSource::kDefault});
  use_first_synonym(config);
  return config;
}

// A broker-wide config: its own value if there is one, else the default.
DescribedConfig describe_broker_config(const ConfigDefinition& definition, std::string_view name,
                                       const ConfigValues& values, std::string_view value_key) {
  DescribedConfig config = begin(definition, name);
  config.read_only = true;
  add_synonym(values, value_key, name, ConfigSource::kStaticBroker, config.synonyms);
  if (!definition.default_value.empty()) {
    config.synonyms.push_back(
        {std::string(name), std::string(definition.default_value), ConfigSource::kDefault});
  }
  use_first_synonym(config);
  return config;
}

void sort_by_name(std::vector<DescribedConfig>& configs) {
  std::sort(configs.begin(), configs.end(),
            [](const DescribedConfig& a, const DescribedConfig& b) { return a.name < b.name; });
}

}  // namespace

std::optional<std::vector<DescribedConfig>> describe_topic_configs(const State& state,
                                                                   const Policy& policy,
                                                                   std::string_view topic) {
  if (state.find_topic(topic) == nullptr) return std::nullopt;
  return describe_values(policy, state.topic_configs(topic));
}

std::vector<DescribedConfig> describe_values(const Policy& policy, const ConfigValues& configs) {
  std::vector<DescribedConfig> described;
  for (const ConfigDefinition& definition : topic_config_definitions()) {
    if (definition.hidden && !configs.contains(definition.name)) continue;
    described.push_back(describe_topic_config(definition, policy, configs));
  }
  return described;
}

std::vector<DescribedConfig> describe_broker_configs(const Policy& policy,
                                                     const ConfigValues& own) {
  for (const auto& [name, value] : own) CHECK(find_broker_config(name) != nullptr);
  std::vector<DescribedConfig> described;
  for (const ConfigDefinition& definition : broker_config_definitions()) {
    described.push_back(describe_broker_config(definition, definition.name, own, definition.name));
  }
  for (const ConfigDefinition& definition : topic_config_definitions()) {
    if (definition.broker_name.empty()) continue;
    described.push_back(describe_broker_config(definition, definition.broker_name,
                                               policy.topic_defaults, definition.name));
  }
  sort_by_name(described);
  return described;
}

std::string explain(const ConfigDefinition& definition) {
  std::string text(definition.documentation);
  if (definition.effect.empty()) return text;
  text += definition.support == ConfigSupport::kAccepted ? " In Magpie: " : " ";
  text += definition.effect;
  return text;
}

}  // namespace magpie::control
