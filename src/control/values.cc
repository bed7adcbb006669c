#include "control/values.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/limits.h"
#include "control/topic_name.h"

namespace magpie::control {
namespace {

using Json = nlohmann::json;

constexpr int64_t kVersion = 1;

tl::unexpected<Error> malformed(std::string_view key, std::string_view what) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("cluster state: the value of key '{}' is malformed: {}", key, what));
}

// An integer in [low, high], or nothing.
std::optional<int64_t> integer(const Json& json, int64_t low, int64_t high) {
  if (!json.is_number_integer()) return std::nullopt;
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  const auto value = json.get<int64_t>();
  if (value < low || value > high) return std::nullopt;
  return value;
}

std::optional<int64_t> integer_field(const Json& object, const char* field, int64_t low,
                                     int64_t high) {
  const auto found = object.find(field);
  if (found == object.end()) return std::nullopt;
  return integer(*found, low, high);
}

const std::string* text_field(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

Result<Json> parse_object(std::string_view key, std::string_view value) {
  Json json = Json::parse(value.begin(), value.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return malformed(key, "it is not a JSON object");
  const std::optional<int64_t> version = integer_field(json, "v", 1, INT64_MAX);
  if (!version) return malformed(key, "field 'v' must be a number of at least 1");
  if (*version > kVersion) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("cluster state: the value of key '{}' has version {}; this program "
                            "reads up to {}. Run the newer version of Magpie that wrote it",
                            key, *version, kVersion));
  }
  return json;
}

// Objects keep their fields in alphabetical order, so equal values have equal bytes.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string encode_topic(const Topic& topic) {
  Json placement = Json::array();
  for (const NodeId node : topic.placement) placement.push_back(node.value);
  return dump({{"v", kVersion}, {"id", to_string(topic.id)}, {"placement", std::move(placement)}});
}

Result<Topic> decode_topic(std::string_view key, std::string_view name, std::string_view value) {
  if (const auto problem = topic_name_problem(name)) return malformed(key, *problem);
  auto json = parse_object(key, value);
  if (!json) return fail(json.error());
  Topic topic{std::string(name), {}, {}};
  const std::string* id = text_field(*json, "id");
  const std::optional<Uuid> parsed = id == nullptr ? std::nullopt : parse_uuid(*id);
  if (!parsed || parsed->is_zero()) return malformed(key, "field 'id' must be a topic id");
  topic.id = *parsed;
  const auto placement = json->find("placement");
  if (placement == json->end() || !placement->is_array() || placement->empty() ||
      placement->size() > static_cast<size_t>(limits::kPartitionsPerTopic)) {
    return malformed(
        key, fmt::format("field 'placement' must list 1 to {} nodes", limits::kPartitionsPerTopic));
  }
  for (const Json& element : *placement) {
    const std::optional<int64_t> node = integer(element, 0, INT32_MAX);
    if (!node) return malformed(key, "field 'placement' must hold node ids");
    topic.placement.push_back(NodeId{static_cast<int32_t>(*node)});
  }
  return topic;
}

std::string encode_configs(const ConfigValues& configs) {
  Json object = Json::object();
  for (const auto& [name, value] : configs) object[name] = value;
  return dump({{"v", kVersion}, {"configs", std::move(object)}});
}

Result<ConfigValues> decode_configs(std::string_view key, std::string_view value) {
  auto json = parse_object(key, value);
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
  return dump({{"v", kVersion}, {"next", next}});
}

Result<int64_t> decode_counter(std::string_view key, std::string_view value) {
  auto json = parse_object(key, value);
  if (!json) return fail(json.error());
  const std::optional<int64_t> next = integer_field(*json, "next", 0, INT64_MAX);
  if (!next) return malformed(key, "field 'next' must be a number of at least 0");
  return *next;
}

std::string encode_created(int32_t partitions) {
  return dump({{"v", kVersion}, {"partitions", partitions}});
}

Result<int32_t> decode_created(std::string_view key, std::string_view value) {
  auto json = parse_object(key, value);
  if (!json) return fail(json.error());
  const std::optional<int64_t> partitions =
      integer_field(*json, "partitions", 1, limits::kPartitionsPerTopic);
  if (!partitions) {
    return malformed(key, fmt::format("field 'partitions' must be a number from 1 to {}",
                                      limits::kPartitionsPerTopic));
  }
  return static_cast<int32_t>(*partitions);
}

std::string encode_leadership(const Leadership& leadership) {
  return dump(
      {{"v", kVersion}, {"epoch", leadership.epoch.value}, {"leader", leadership.leader.value}});
}

Result<Leadership> decode_leadership(std::string_view key, std::string_view value) {
  auto json = parse_object(key, value);
  if (!json) return fail(json.error());
  const std::optional<int64_t> epoch = integer_field(*json, "epoch", 0, INT32_MAX);
  if (!epoch) return malformed(key, "field 'epoch' must be a number of at least 0");
  const std::optional<int64_t> leader = integer_field(*json, "leader", 0, INT32_MAX);
  if (!leader) return malformed(key, "field 'leader' must be a node id");
  return Leadership{LeaderEpoch{static_cast<int32_t>(*epoch)},
                    NodeId{static_cast<int32_t>(*leader)}};
}

}  // namespace magpie::control
