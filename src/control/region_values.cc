#include "control/region_values.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "control/failover_group.h"
#include "control/value_json.h"

namespace magpie::control {
namespace {

Json offsets_json(const std::vector<Offset>& offsets) {
  Json list = Json::array();
  for (const Offset offset : offsets) list.push_back(offset.value);
  return list;
}

std::optional<std::vector<Offset>> offsets_field(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_array() ||
      found->size() > static_cast<size_t>(limits::kPartitionsPerTopic)) {
    return std::nullopt;
  }
  std::vector<Offset> offsets;
  for (const Json& element : *found) {
    const std::optional<int64_t> offset = integer_of(element, 0, INT64_MAX);
    if (!offset) return std::nullopt;
    offsets.push_back(Offset{*offset});
  }
  return offsets;
}

constexpr size_t kHostBytesMax = 255;

Json address_json(const Address& address) {
  return {{"host", address.host}, {"port", address.port}};
}

std::optional<Address> address_of(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const std::string* host = text_field(json, "host");
  const std::optional<int64_t> port = integer_field(json, "port", 0, UINT16_MAX);
  if (host == nullptr || host->size() > kHostBytesMax || !port) return std::nullopt;
  return Address{*host, static_cast<uint16_t>(*port)};
}

std::optional<KafkaListener> listener_of(const Json& json) {
  const std::optional<Address> address = address_of(json);
  const std::string* name = address ? text_field(json, "name") : nullptr;
  if (name == nullptr) return std::nullopt;
  return KafkaListener{*name, *address};
}

}  // namespace

std::string encode_region(const Region& region) {
  return dump_value({{"role", region.role == RegionRole::kData ? "data" : "witness"}});
}

Result<Region> decode_region(std::string_view key, std::string_view name, std::string_view value) {
  if (const auto problem = label_problem(name)) return malformed(key, "the name " + *problem);
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  const std::string* role = text_field(*json, "role");
  if (role == nullptr || (*role != "data" && *role != "witness")) {
    return malformed(key, "field 'role' must be data or witness");
  }
  return Region{std::string(name), *role == "data" ? RegionRole::kData : RegionRole::kWitness};
}

std::string encode_node(const Node& node) {
  Json listeners = Json::array();
  for (const KafkaListener& listener : node.listeners) {
    Json json = address_json(listener.address);
    json["name"] = listener.name;
    listeners.push_back(std::move(json));
  }
  Json value = {{"region", node.region},
                {"incarnation", to_string(node.incarnation)},
                {"link", address_json(node.link)},
                {"listeners", std::move(listeners)},
                {"build", node.build}};
  if (node.directory) value["directory"] = to_string(*node.directory);
  return dump_value(std::move(value));
}

Result<Node> decode_node(std::string_view key, NodeId id, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Node node;
  node.id = id;
  const std::string* region = text_field(*json, "region");
  if (region == nullptr || label_problem(*region)) {
    return malformed(key, "field 'region' must be the name of a region");
  }
  node.region = *region;
  const std::optional<Uuid> incarnation = uuid_field(*json, "incarnation");
  if (!incarnation) return malformed(key, "field 'incarnation' must be an incarnation");
  node.incarnation = *incarnation;
  const auto link = json->find("link");
  const auto address = link == json->end() ? std::nullopt : address_of(*link);
  if (!address) return malformed(key, "field 'link' must have a host and a port");
  node.link = *address;
  const auto listeners = json->find("listeners");
  if (listeners == json->end() || !listeners->is_array()) {
    return malformed(key, "field 'listeners' must be a list");
  }
  for (const Json& element : *listeners) {
    auto listener = listener_of(element);
    if (!listener) return malformed(key, "a listener must have a name, a host and a port");
    node.listeners.push_back(std::move(*listener));
  }
  const std::string* build = text_field(*json, "build");
  if (build == nullptr) return malformed(key, "field 'build' must be a text");
  node.build = *build;
  if (json->contains("directory")) {
    node.directory = uuid_field(*json, "directory");
    if (!node.directory) return malformed(key, "field 'directory' must be an incarnation");
  }
  return node;
}

std::string encode_alive(const Uuid& incarnation) {
  return dump_value({{"incarnation", to_string(incarnation)}});
}

Result<Uuid> decode_alive(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  const std::optional<Uuid> incarnation = uuid_field(*json, "incarnation");
  if (!incarnation) return malformed(key, "field 'incarnation' must be an incarnation");
  return *incarnation;
}

std::string encode_ceilings(const Ceilings& ceilings) {
  Json value = {{"offsets", offsets_json(ceilings.offsets)}};
  if (!ceilings.floors.empty()) value["floors"] = offsets_json(ceilings.floors);
  return dump_value(std::move(value));
}

Result<Ceilings> decode_ceilings(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  auto offsets = offsets_field(*json, "offsets");
  auto floors = json->contains("floors") ? offsets_field(*json, "floors") : std::vector<Offset>{};
  if (!offsets || !floors) {
    return malformed(key,
                     "fields 'offsets' and 'floors' must be lists with at most one offset per "
                     "partition");
  }
  return Ceilings{std::move(*offsets), std::move(*floors)};
}

}  // namespace magpie::control
