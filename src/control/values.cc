#include "control/values.h"

#include <fmt/format.h>

#include <optional>

#include "base/limits.h"
#include "control/topic_name.h"
#include "control/value_json.h"

namespace magpie::control {

std::string encode_topic(const Topic& topic) {
  Json placement = Json::array();
  for (const NodeId node : topic.placement) placement.push_back(node.value);
  return dump_value({{"id", to_string(topic.id)}, {"placement", std::move(placement)}});
}

Result<Topic> decode_topic(std::string_view key, std::string_view name, std::string_view value) {
  if (const auto problem = topic_name_problem(name)) return malformed(key, *problem);
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Topic topic{std::string(name), {}, {}};
  const std::optional<Uuid> id = uuid_field(*json, "id");
  if (!id) return malformed(key, "field 'id' must be a topic id");
  topic.id = *id;
  const auto placement = json->find("placement");
  if (placement == json->end() || !placement->is_array() || placement->empty() ||
      placement->size() > static_cast<size_t>(limits::kPartitionsPerTopic)) {
    return malformed(
        key, fmt::format("field 'placement' must list 1 to {} nodes", limits::kPartitionsPerTopic));
  }
  for (const Json& element : *placement) {
    const std::optional<int64_t> node = integer_of(element, 0, INT32_MAX);
    if (!node) return malformed(key, "field 'placement' must hold node ids");
    topic.placement.push_back(NodeId{static_cast<int32_t>(*node)});
  }
  return topic;
}

std::string encode_configs(const ConfigValues& configs) {
  Json object = Json::object();
  for (const auto& [name, value] : configs) object[name] = value;
  return dump_value({{"configs", std::move(object)}});
}

Result<ConfigValues> decode_configs(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  const auto configs = json->find("configs");
  if (configs == json->end() || !configs->is_object()) {
    return malformed(key, "field 'configs' must be an object");
  }
  ConfigValues values;
  for (const auto& [name, element] : configs->items()) {
    const auto* text = element.get_ptr<const std::string*>();
    if (text == nullptr) return malformed(key, fmt::format("config '{}' must be a text", name));
    values.emplace(name, *text);
  }
  return values;
}

std::string encode_counter(int64_t next) {
  return dump_value({{"next", next}});
}

Result<int64_t> decode_counter(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  const std::optional<int64_t> next = integer_field(*json, "next", 0, INT64_MAX);
  if (!next) return malformed(key, "field 'next' must be a number of at least 0");
  return *next;
}

namespace {

std::optional<std::vector<int32_t>> absent_field(const Json& list, int32_t partitions) {
  if (!list.is_array()) return std::nullopt;
  std::vector<int32_t> absent;
  for (const Json& element : list) {
    const int64_t lowest = absent.empty() ? 0 : int64_t{absent.back()} + 1;
    const std::optional<int64_t> index = integer_of(element, lowest, partitions - 1);
    if (!index) return std::nullopt;
    absent.push_back(static_cast<int32_t>(*index));
  }
  return absent;
}

}  // namespace

std::string encode_created(const CreatedPartitions& created) {
  Json value = {{"partitions", created.partitions}};
  if (created.incarnation) value["incarnation"] = to_string(*created.incarnation);
  if (!created.absent.empty()) value["absent"] = created.absent;
  return dump_value(std::move(value));
}

Result<CreatedPartitions> decode_created(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  const std::optional<int64_t> partitions =
      integer_field(*json, "partitions", 1, limits::kPartitionsPerTopic);
  if (!partitions) {
    return malformed(key, fmt::format("field 'partitions' must be a number from 1 to {}",
                                      limits::kPartitionsPerTopic));
  }
  CreatedPartitions created{static_cast<int32_t>(*partitions), std::nullopt, {}};
  if (json->contains("absent")) {
    auto absent = absent_field((*json)["absent"], created.partitions);
    if (!absent) {
      return malformed(key,
                       "field 'absent' must be an ascending list of partitions below "
                       "'partitions'");
    }
    created.absent = std::move(*absent);
  }
  if (json->contains("incarnation")) {
    created.incarnation = uuid_field(*json, "incarnation");
    if (!created.incarnation) {
      return malformed(key, "field 'incarnation' must be an incarnation");
    }
  }
  return created;
}

}  // namespace magpie::control
