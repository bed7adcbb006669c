#include "admin/topic_changes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "admin/response.h"
#include "base/result.h"
#include "control/decide_configs.h"
#include "control/decide_topic.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

// What a body may say; everything is optional here.
struct TopicBody {
  std::optional<std::string> name;
  std::optional<int32_t> partitions;
  std::vector<std::pair<std::string, std::optional<std::string>>> configs;
};

Result<std::optional<std::string>> read_value(const std::string& key, const json& value) {
  if (value.is_null()) return std::optional<std::string>();
  if (value.is_string()) return std::optional(value.get<std::string>());
  if (value.is_number_integer() || value.is_boolean()) return std::optional(value.dump());
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("config '{}' must be a string, a number, true, false or null", key));
}

Status read_field(const std::string& key, const json& value, TopicBody& body) {
  if (key == "name" && value.is_string()) {
    body.name = value.get<std::string>();
  } else if (key == "partitions" && value.is_number_integer() &&
             value.get<int64_t>() == static_cast<int32_t>(value.get<int64_t>())) {
    body.partitions = static_cast<int32_t>(value.get<int64_t>());
  } else if (key == "configs" && value.is_object()) {
    for (const auto& [name, wanted] : value.items()) {
      auto text = read_value(name, wanted);
      if (!text) return fail(text.error());
      body.configs.emplace_back(name, std::move(*text));
    }
  } else {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("field '{}' is unknown or of the wrong type; known are name (string), "
                            "partitions (number) and configs (object)",
                            key));
  }
  return {};
}

Result<TopicBody> read_body(const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    return fail(ErrorKind::kInvalidArgument, "the body is not a JSON object");
  }
  TopicBody body;
  for (const auto& [key, value] : parsed.items()) {
    const Status read = read_field(key, value, body);
    if (!read) return fail(read.error());
  }
  return body;
}

Result<bool> read_purge(const std::string& body) {
  if (body.empty()) return false;
  const json parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object()) {
    return fail(ErrorKind::kInvalidArgument, "the body is not a JSON object");
  }
  for (const auto& [key, value] : parsed.items()) {
    if (key == "purge" && value.is_boolean()) continue;
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("field '{}' is unknown or of the wrong type; known is purge (true or "
                            "false)",
                            key));
  }
  return parsed.value("purge", false);
}

void respond(kafka::Broker& broker, port::HttpExchangeId exchange, int status, const json& body) {
  broker.effects.add(json_response(exchange, status, body));
}

void refuse(kafka::Broker& broker, port::HttpExchangeId exchange, const Problem& problem) {
  broker.effects.add(problem_response(exchange, problem));
}

void grow_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& name,
                int32_t partitions) {
  control::CreatePartitions wanted;
  wanted.topic = name;
  wanted.count = partitions;
  kafka::propose<control::PartitionsCreated>(
      broker,
      [wanted, &control = broker.control](const control::State& state) {
        return control::decide_create_partitions(state, control.policy(), wanted);
      },
      [exchange, name](kafka::Broker& late,
                       const tl::expected<control::PartitionsCreated, control::Refusal>& grown) {
        if (!grown) return refuse(late, exchange, problem_of(grown.error()));
        respond(late, exchange, 200, {{"name", name}, {"partitions", grown->count}});
      });
}

}  // namespace

void create_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& body) {
  Result<TopicBody> read = read_body(body);
  if (read && !read->name) read = fail(ErrorKind::kInvalidArgument, "field 'name' is missing");
  if (!read) return refuse(broker, exchange, malformed_body(read.error().message));
  control::CreateTopic wanted;
  wanted.name = *read->name;
  wanted.partitions = read->partitions.value_or(-1);
  for (auto& [key, value] : read->configs) wanted.configs.push_back({key, value});
  kafka::propose<control::TopicCreated>(
      broker,
      [wanted, &control = broker.control](const control::State& state) {
        return control::decide_create_topic(state, control.policy(), wanted, control.random());
      },
      [exchange](kafka::Broker& late,
                 const tl::expected<control::TopicCreated, control::Refusal>& created) {
        if (!created) return refuse(late, exchange, problem_of(created.error()));
        respond(late, exchange, 201,
                {{"name", created->name},
                 {"id", to_string(created->id)},
                 {"partitions", created->partitions}});
      });
}

void alter_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& name,
                 const std::string& body) {
  const Result<TopicBody> read = read_body(body);
  if (!read) return refuse(broker, exchange, malformed_body(read.error().message));
  control::IncrementalAlterConfigs wanted;
  wanted.topic = name;
  for (const auto& [key, value] : read->configs) {
    const auto operation = value ? control::AlterOperation::kSet : control::AlterOperation::kDelete;
    wanted.alterations.push_back({key, operation, value});
  }
  kafka::propose<control::ConfigsAltered>(
      broker,
      [wanted, &control = broker.control](const control::State& state) {
        return control::decide_incremental_alter_configs(state, control.policy(), wanted);
      },
      [exchange, name, partitions = read->partitions](
          kafka::Broker& late,
          const tl::expected<control::ConfigsAltered, control::Refusal>& altered) {
        if (!altered) return refuse(late, exchange, problem_of(altered.error()));
        if (partitions) return grow_topic(late, exchange, name, *partitions);
        respond(late, exchange, 200, {{"name", name}});
      });
}

void delete_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& name,
                  const std::string& body) {
  const Result<bool> purge = read_purge(body);
  if (!purge) return refuse(broker, exchange, malformed_body(purge.error().message));
  control::DeleteTopic wanted{name, std::nullopt};
  if (!*purge) wanted.keep = broker.control.policy().keep_deleted;
  wanted.now = broker.now.wall;
  wanted.bytes = broker.partitions.bytes_of_topic(name);
  const bool kept = wanted.keep > Duration{};
  const int64_t until = wanted.now.millis + wanted.keep.to_milliseconds();
  kafka::propose<control::TopicDeleted>(
      broker,
      [wanted](const control::State& state) { return control::decide_delete_topic(state, wanted); },
      [exchange, kept, until](
          kafka::Broker& late,
          const tl::expected<control::TopicDeleted, control::Refusal>& deleted) {
        if (!deleted) return refuse(late, exchange, problem_of(deleted.error()));
        respond(late, exchange, 200,
                {{"name", deleted->name},
                 {"id", to_string(deleted->id)},
                 {"deleted", true},
                 {"kept_until_ms", kept ? json(until) : json(nullptr)}});
      });
}

}  // namespace magpie::admin
