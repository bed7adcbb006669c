#include "kafka/regions_view.h"

#include <algorithm>
#include <string>

namespace magpie::kafka {
namespace {

bool holds(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

// Whoever asks this node has reached it, whatever the store says of its lease.
bool RegionsView::is_alive(NodeId node) const {
  return node == config_.node_id || state_.alive(node).has_value();
}

bool RegionsView::can_lead(const control::Member& leader) const {
  if (leader.node != config_.node_id) return state_.alive(leader.node) == leader.incarnation;
  const control::Node* own = state_.find_node(leader.node);
  return own != nullptr && own->incarnation == leader.incarnation;
}

BrokerDescription RegionsView::describe_self(port::ListenerIndex listener) const {
  return {config_.node_id, config_.addresses.at(listener.value), config_.region};
}

std::optional<BrokerDescription> RegionsView::describe(const control::Node& node,
                                                       port::ListenerIndex listener) const {
  const auto region = state_.regions().find(node.region);
  const bool holds_records =
      region != state_.regions().end() && region->second.role == control::RegionRole::kData;
  if (!holds_records || !is_alive(node.id)) return std::nullopt;
  const std::string& name = config_.listeners.at(listener.value);
  for (const control::KafkaListener& each : node.listeners) {
    if (each.name == name) {
      return BrokerDescription{node.id, {each.address.host, each.address.port}, node.region};
    }
  }
  return std::nullopt;
}

std::vector<BrokerDescription> RegionsView::brokers(port::ListenerIndex listener) const {
  std::vector<BrokerDescription> brokers = {describe_self(listener)};
  for (const auto& [id, node] : state_.nodes()) {
    if (id == config_.node_id) continue;
    if (auto described = describe(node, listener)) brokers.push_back(std::move(*described));
  }
  std::sort(brokers.begin(), brokers.end(),
            [](const auto& one, const auto& other) { return one.node < other.node; });
  return brokers;
}

PartitionDescription RegionsView::partition(const control::Topic& topic,
                                            PartitionIndex index) const {
  PartitionDescription description;
  const control::Leadership& led = state_.leadership(state_.group_of(topic, index));
  if (led.exists()) description.replicas = {led.leader.node};
  for (const control::Place& place : state_.nodes_hosting(topic, index)) {
    if (!holds(description.replicas, place.node)) description.replicas.push_back(place.node);
  }
  const HostedPartition* hosted = partitions_.find(topic.name, index);
  const bool serves_here = hosted != nullptr && hosted->partition->is_readable();
  for (const NodeId node : description.replicas) {
    const bool serves = node == config_.node_id ? serves_here : is_alive(node);
    if (!serves) description.offline.push_back(node);
  }
  if (!led.exists()) return description;
  description.epoch = led.epoch;
  description.in_sync = {led.leader.node};
  for (const control::Member& member : led.sync) {
    const bool is_replica = holds(description.replicas, member.node);
    if (is_replica && !holds(description.in_sync, member.node)) {
      description.in_sync.push_back(member.node);
    }
  }
  if (can_lead(led.leader) && !holds(description.offline, led.leader.node)) {
    description.leader = led.leader.node;
  }
  return description;
}

std::optional<NodeId> RegionsView::coordinator() const {
  const control::Leadership& led = state_.leadership(control::kSystemGroup);
  if (!led.exists() || !can_lead(led.leader)) return std::nullopt;
  return led.leader.node;
}

}  // namespace magpie::kafka
