#include "control/value_json.h"

#include <fmt/format.h>

#include <utility>

namespace magpie::control {

tl::unexpected<Error> malformed(std::string_view key, std::string_view what) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("cluster state: the value of key '{}' is malformed: {}", key, what));
}

std::optional<int64_t> integer_of(const Json& json, int64_t low, int64_t high) {
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
  return integer_of(*found, low, high);
}

const std::string* text_field(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

std::optional<bool> bool_field(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

std::optional<Uuid> uuid_field(const Json& object, const char* field) {
  const std::string* text = text_field(object, field);
  const std::optional<Uuid> id = text == nullptr ? std::nullopt : parse_uuid(*text);
  if (!id || id->is_zero()) return std::nullopt;
  return id;
}

std::optional<NodeId> node_field(const Json& object, const char* field) {
  const std::optional<int64_t> id = integer_field(object, field, 0, INT32_MAX);
  if (!id) return std::nullopt;
  return NodeId{static_cast<int32_t>(*id)};
}

Result<Json> parse_value(std::string_view key, std::string_view value) {
  Json json = Json::parse(value.begin(), value.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return malformed(key, "it is not a JSON object");
  const std::optional<int64_t> version = integer_field(json, "v", 1, INT64_MAX);
  if (!version) return malformed(key, "field 'v' must be a number of at least 1");
  if (*version > kValueVersion) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("cluster state: the value of key '{}' has version {}; this program "
                            "reads up to {}. Run the newer version of Magpie that wrote it",
                            key, *version, kValueVersion));
  }
  return json;
}

std::string dump_value(Json object) {
  object["v"] = kValueVersion;
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace magpie::control
