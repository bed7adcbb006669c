#include "admin/regions.h"

#include <nlohmann/json.hpp>
#include <string>

#include "base/uuid.h"
#include "control/decide_regions.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

bool is_alive(const control::State& state, const control::Node& node) {
  return state.alive(node.id) == node.incarnation;
}

const char* role_text(control::RegionRole role) {
  return role == control::RegionRole::kData ? "data" : "witness";
}

// What is known of regions that were taken out.
void add_removed(const control::State& state, json& regions) {
  for (const auto& [name, removed] : control::removed_regions(state)) {
    regions.push_back({{"name", name},
                       {"role", removed ? json(role_text(removed->role)) : json(nullptr)},
                       {"state", "removed"},
                       {"nodes", json::array()},
                       {"alive", json::array()},
                       {"leads", json::array()}});
  }
}

json groups_led_in(const control::State& state, const std::string& region) {
  json groups = json::array();
  for (const auto& [name, policy] : state.groups()) {
    const control::Leadership& led = state.leadership(name);
    const control::Node* leader = led.exists() ? state.find_node(led.leader.node) : nullptr;
    if (leader != nullptr && leader->region == region) groups.push_back(name);
  }
  return groups;
}

json node_json(const control::State& state, const control::Node& node) {
  json listeners = json::array();
  for (const control::KafkaListener& listener : node.listeners) {
    listeners.push_back({{"name", listener.name},
                         {"host", listener.address.host},
                         {"port", listener.address.port}});
  }
  return {{"node", node.id.value},
          {"region", node.region},
          {"incarnation", to_string(node.incarnation)},
          {"alive", is_alive(state, node)},
          {"link", {{"host", node.link.host}, {"port", node.link.port}}},
          {"listeners", std::move(listeners)},
          {"build", node.build}};
}

// Of a node that is registered nowhere.
json lone_node(const kafka::Broker& broker) {
  json listeners = json::array();
  for (const kafka::AdvertisedAddress& address : broker.config.addresses) {
    listeners.push_back({{"host", address.host}, {"port", address.port}});
  }
  return {{"node", broker.config.node_id.value},
          {"region", broker.config.region},
          {"alive", true},
          {"listeners", std::move(listeners)}};
}

}  // namespace

bool is_alone(const control::State& state) {
  return state.nodes().empty();
}

json member_json(const control::State& state, const control::Member& member) {
  const control::Node* node = state.find_node(member.node);
  return {{"node", member.node.value},
          {"region", node == nullptr ? json(nullptr) : json(node->region)},
          {"alive", state.alive(member.node) == member.incarnation}};
}

json list_regions(kafka::Broker& broker) {
  const control::State& state = broker.control.state();
  if (is_alone(state)) {
    json groups = json::array();
    for (const auto& [name, policy] : state.groups()) groups.push_back(name);
    const json nodes = json::array({broker.config.node_id.value});
    const json region = {{"name", broker.config.region},
                         {"role", "data"},
                         {"state", "member"},
                         {"nodes", nodes},
                         {"alive", nodes},
                         {"leads", std::move(groups)}};
    return {{"single_node", true}, {"regions", json::array({region})}};
  }
  json regions = json::array();
  for (const auto& [name, region] : state.regions()) {
    json nodes = json::array();
    json alive = json::array();
    for (const auto& [id, node] : state.nodes()) {
      if (node.region != name) continue;
      nodes.push_back(id.value);
      if (is_alive(state, node)) alive.push_back(id.value);
    }
    regions.push_back({{"name", name},
                       {"role", role_text(region.role)},
                       {"state", control::is_leaving(state, name) ? "leaving" : "member"},
                       {"nodes", std::move(nodes)},
                       {"alive", std::move(alive)},
                       {"leads", groups_led_in(state, name)}});
  }
  add_removed(state, regions);
  return {{"single_node", false}, {"regions", std::move(regions)}};
}

json list_nodes(kafka::Broker& broker) {
  const control::State& state = broker.control.state();
  if (is_alone(state)) return {{"single_node", true}, {"nodes", json::array({lone_node(broker)})}};
  json nodes = json::array();
  for (const auto& [id, node] : state.nodes()) nodes.push_back(node_json(state, node));
  return {{"single_node", false}, {"nodes", std::move(nodes)}};
}

}  // namespace magpie::admin
