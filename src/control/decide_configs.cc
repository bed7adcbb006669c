#include "control/decide_configs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "control/decide_placing.h"
#include "control/group_list.h"
#include "control/keys.h"
#include "control/topic_configs.h"
#include "control/topic_name.h"
#include "control/topic_settings.h"
#include "control/transaction_builder.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using MaybeRefusal = std::optional<Refusal>;

Refusal invalid(std::string message) {
  return Refusal{RefusalCode::kInvalidConfig, std::move(message)};
}

// Enough of a text to recognise it by.
std::string_view shortened(std::string_view text) {
  return text.substr(0, 100);
}

std::string unknown_key(std::string_view name) {
  const std::string_view nearest = nearest_topic_config(name);
  std::string message = fmt::format("unknown topic config '{}'", shortened(name));
  if (!nearest.empty()) message += fmt::format("; did you mean '{}'?", nearest);
  return message;
}

// What is wrong with one key and value; empty if nothing is.
std::string entry_problem(std::string_view name, std::string_view value) {
  const ConfigDefinition* definition = find_topic_config(name);
  if (definition == nullptr) return unknown_key(name);
  const auto problem = config_value_problem(*definition, value);
  if (!problem) return {};
  std::string message = fmt::format("invalid value '{}' for topic config '{}': {}",
                                    shortened(trim(value)), name, *problem);
  if (!definition->effect.empty() && definition->rule == ConfigRule::kOneOf) {
    message += fmt::format(". {}", definition->effect);
  }
  return message;
}

// Rules that concern several keys at once, or the topic itself. `configs` are valid one by one.
MaybeRefusal contradiction(const Policy& policy, std::string_view topic,
                           const ConfigValues& configs) {
  const auto in_force = [&](std::string_view name) {
    return effective_config(name, configs, policy.topic_defaults);
  };
  const auto least = parse_integer(in_force("min.compaction.lag.ms"));
  const auto most = parse_integer(in_force("max.compaction.lag.ms"));
  if (least > most) {
    return invalid(
        fmt::format("min.compaction.lag.ms ({}) is larger than max.compaction.lag.ms "
                    "({})",
                    *least, *most));
  }
  if (is_internal_topic(topic) && in_force("cleanup.policy") != "compact") {
    return Refusal{RefusalCode::kPolicyViolation,
                   fmt::format("'{}' is an internal topic: its cleanup.policy must stay 'compact', "
                               "or committed positions would be lost",
                               topic)};
  }
  return std::nullopt;
}

// Everything about the values a topic would have. Values that stay as they are were checked when
// they were set, perhaps by a version with other rules, and are not held against this request.
MaybeRefusal configs_refusal(const Policy& policy, std::string_view topic,
                             const ConfigValues& configs, const ConfigValues& held) {
  for (const auto& [name, value] : configs) {
    const auto same = held.find(name);
    if (same != held.end() && same->second == value) continue;
    if (std::string problem = entry_problem(name, value); !problem.empty()) {
      return invalid(std::move(problem));
    }
  }
  return contradiction(policy, topic, configs);
}

Refusal comes_twice(std::string_view name) {
  return Refusal{RefusalCode::kInvalidRequest,
                 fmt::format("config '{}' comes twice in one request", shortened(name))};
}

Refusal without_value(std::string_view name) {
  return Refusal{RefusalCode::kInvalidRequest,
                 fmt::format("config '{}' has no value", shortened(name))};
}

tl::expected<ConfigValues, Refusal> collect(const std::vector<WantedConfig>& wanted) {
  ConfigValues configs;
  for (const WantedConfig& config : wanted) {
    if (!config.value) return tl::unexpected<Refusal>(without_value(config.name));
    if (!configs.emplace(config.name, trim(*config.value)).second) {
      return tl::unexpected<Refusal>(comes_twice(config.name));
    }
  }
  return configs;
}

// The list in force with elements added or taken out; each element at most once.
std::string altered_list(std::string_view held, std::string_view elements, bool append) {
  std::vector<std::string_view> list;
  for_each_element(held, [&](std::string_view element) { list.push_back(element); });
  for_each_element(elements, [&](std::string_view element) {
    const auto found = std::find(list.begin(), list.end(), element);
    if (append && found == list.end()) list.push_back(element);
    if (!append && found != list.end()) list.erase(found);
  });
  return fmt::format("{}", fmt::join(list, ","));
}

MaybeRefusal alter_list(const Policy& policy, const ConfigAlteration& alteration,
                        ConfigValues& configs) {
  const bool append = alteration.operation == AlterOperation::kAppend;
  const ConfigDefinition* definition = find_topic_config(alteration.name);
  if (definition == nullptr) return invalid(unknown_key(alteration.name));
  if (definition->type != ConfigType::kList) {
    return invalid(fmt::format("cannot {} topic config '{}', because it is not a list",
                               append ? "append to" : "subtract from", alteration.name));
  }
  const std::string_view held = effective_config(alteration.name, configs, policy.topic_defaults);
  configs[alteration.name] = altered_list(held, *alteration.value, append);
  return std::nullopt;
}

MaybeRefusal alter_one(const Policy& policy, const ConfigAlteration& alteration,
                       ConfigValues& configs) {
  if (alteration.operation == AlterOperation::kDelete) {
    configs.erase(alteration.name);
    return std::nullopt;
  }
  if (!alteration.value) return without_value(alteration.name);
  switch (alteration.operation) {
    case AlterOperation::kSet:
      configs[alteration.name] = std::string(trim(*alteration.value));
      return std::nullopt;
    case AlterOperation::kAppend:
    case AlterOperation::kSubtract:
      return alter_list(policy, alteration, configs);
    case AlterOperation::kDelete:
      break;
  }
  return Refusal{RefusalCode::kInvalidRequest,
                 fmt::format("config '{}' is to be altered by the unknown operation {}",
                             shortened(alteration.name), static_cast<int>(alteration.operation))};
}

tl::unexpected<Refusal> unknown_topic(std::string_view topic) {
  return refuse(RefusalCode::kUnknownTopicOrPartition,
                fmt::format("there is no topic '{}'", topic));
}

Decided<ConfigsAltered> decide_values(const State& state, const Policy& policy,
                                      const std::string& topic, const ConfigValues& configs,
                                      bool validate_only) {
  const ConfigValues& held = state.topic_configs(topic);
  if (auto refusal = configs_refusal(policy, topic, configs, held)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  Decision<ConfigsAltered> decision;
  decision.answer.topic = topic;
  if (configs == held) return decision;
  const std::string key = topic_configs_key(topic);
  // The topic is compared too: configs must not be written for one that is being deleted.
  compare_key(state, topic_key(topic), decision.transaction);
  std::optional<std::string> value;
  if (!configs.empty()) value = encode_configs(configs);
  change_key(state, key, std::move(value), decision.transaction);
  const GroupMove move{state.find_topic(topic), group_config(held), group_config(configs)};
  if (auto refusal = add_group_moves(state, {move}, decision.transaction)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  if (validate_only) decision.transaction = {};
  return decision;
}

}  // namespace

Decided<ConfigsAltered> decide_alter_configs(const State& state, const Policy& policy,
                                             const AlterConfigs& request) {
  if (state.find_topic(request.topic) == nullptr) return unknown_topic(request.topic);
  auto configs = collect(request.configs);
  if (!configs) return tl::unexpected<Refusal>(std::move(configs.error()));
  return decide_values(state, policy, request.topic, *configs, request.validate_only);
}

Decided<ConfigsAltered> decide_incremental_alter_configs(const State& state, const Policy& policy,
                                                         const IncrementalAlterConfigs& request) {
  if (state.find_topic(request.topic) == nullptr) return unknown_topic(request.topic);
  ConfigValues configs = state.topic_configs(request.topic);
  std::set<std::string_view> names;
  for (const ConfigAlteration& alteration : request.alterations) {
    if (!names.insert(alteration.name).second) {
      return tl::unexpected<Refusal>(comes_twice(alteration.name));
    }
    if (auto refusal = alter_one(policy, alteration, configs)) {
      return tl::unexpected<Refusal>(std::move(*refusal));
    }
  }
  return decide_values(state, policy, request.topic, configs, request.validate_only);
}

tl::expected<ConfigValues, Refusal> check_new_configs(const Policy& policy, std::string_view topic,
                                                      const std::vector<WantedConfig>& wanted) {
  auto configs = collect(wanted);
  if (!configs) return configs;
  if (auto refusal = configs_refusal(policy, topic, *configs, {})) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  return configs;
}

std::optional<DefaultsProblem> topic_defaults_problem(const ConfigValues& defaults) {
  for (const auto& [name, value] : defaults) {
    if (std::string problem = entry_problem(name, value); !problem.empty()) {
      return DefaultsProblem{name, std::move(problem)};
    }
  }
  Policy policy;
  policy.topic_defaults = defaults;
  if (auto refusal = contradiction(policy, "", {})) {
    return DefaultsProblem{"min.compaction.lag.ms", std::move(refusal->message)};
  }
  return std::nullopt;
}

Refusal refuse_broker_configs() {
  return Refusal{RefusalCode::kInvalidRequest,
                 "broker configuration is read from the node's configuration file when it starts; "
                 "change the file and restart the node"};
}

}  // namespace magpie::control
