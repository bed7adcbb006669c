#include "kafka/cluster_view.h"

namespace magpie::kafka {

std::optional<BrokerDescription> ClusterView::broker(NodeId node,
                                                     port::ListenerIndex listener) const {
  for (BrokerDescription& each : brokers(listener)) {
    if (each.node == node) return std::move(each);
  }
  return std::nullopt;
}

std::vector<BrokerDescription> OneNodeView::brokers(port::ListenerIndex listener) const {
  return {{config_.node_id, config_.addresses.at(listener.value), config_.region}};
}

PartitionDescription OneNodeView::partition(const control::Topic& topic,
                                            PartitionIndex index) const {
  PartitionDescription description;
  description.replicas = {config_.node_id};
  const HostedPartition* hosted = partitions_.find(topic.name, index);
  if (hosted == nullptr || !hosted->partition->is_readable()) {
    description.offline = {config_.node_id};
    return description;
  }
  description.leader = config_.node_id;
  description.epoch = hosted->partition->leader_epoch();
  description.in_sync = {config_.node_id};
  return description;
}

}  // namespace magpie::kafka
