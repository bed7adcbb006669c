// DescribeConfigs (key 32): every key with its value, source and default; tools decide by the
// source whether a value was set on purpose (pitfall 36).
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/describe_configs.h"
#include "kafka/cluster_control.h"
#include "kafka/config_resource.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/describe_configs.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;
using Asked = wire::DescribeConfigsRequest::Resource;
using Answer = wire::DescribeConfigsResponse::Result;

bool is_wanted(const Asked& asked, const std::string& name) {
  if (!asked.configuration_keys) return true;
  const auto& keys = *asked.configuration_keys;
  return std::find(keys.begin(), keys.end(), name) != keys.end();
}

wire::DescribeConfigsResponse::Config to_wire(control::DescribedConfig& config,
                                              const wire::DescribeConfigsRequest& body) {
  wire::DescribeConfigsResponse::Config answer;
  answer.name = std::move(config.name);
  answer.value = std::move(config.value);
  answer.read_only = config.read_only;
  answer.config_source = static_cast<int8_t>(config.source);
  answer.is_sensitive = config.sensitive;
  answer.config_type = static_cast<int8_t>(config.type);
  if (body.include_documentation) answer.documentation = std::move(config.documentation);
  if (!body.include_synonyms) return answer;
  for (auto& synonym : config.synonyms) {
    answer.synonyms.push_back({.name = std::move(synonym.name),
                               .value = std::move(synonym.value),
                               .source = static_cast<int8_t>(synonym.source)});
  }
  return answer;
}

void fail(Answer& answer, ErrorCode error, std::string message) {
  answer.error_code = error;
  answer.error_message = std::move(message);
}

std::optional<std::vector<control::DescribedConfig>> look_up(Broker& broker, const Asked& asked,
                                                             Answer& answer) {
  const control::Policy& policy = broker.control.policy();
  if (asked.resource_type == kTopicResource) {
    auto configs =
        control::describe_topic_configs(broker.control.state(), policy, asked.resource_name);
    if (!configs) fail(answer, ErrorCode::kUnknownTopicOrPartition, "there is no such topic");
    return configs;
  }
  if (asked.resource_type == kBrokerResource) {
    const std::string own = std::to_string(broker.config.node_id.value);
    // The empty name asks for cluster-wide dynamic defaults, of which there are none.
    if (asked.resource_name.empty()) return std::vector<control::DescribedConfig>();
    if (asked.resource_name == own) {
      return control::describe_broker_configs(policy, broker.config.described);
    }
    fail(answer, ErrorCode::kInvalidRequest, "there is no broker with this id here");
    return std::nullopt;
  }
  fail(answer, ErrorCode::kInvalidRequest, "only topics and brokers have configurations");
  return std::nullopt;
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::DescribeConfigsRequest body) {
  wire::DescribeConfigsResponse response;
  for (const Asked& asked : body.resources) {
    Answer& answer = response.results.emplace_back();
    answer.resource_type = asked.resource_type;
    answer.resource_name = asked.resource_name;
    auto configs = look_up(broker, asked, answer);
    if (!configs) continue;
    for (control::DescribedConfig& config : *configs) {
      if (is_wanted(asked, config.name)) answer.configs.push_back(to_wire(config, body));
    }
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
