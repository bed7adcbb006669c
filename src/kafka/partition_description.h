// Who leads a partition and where its copies are, as Metadata and DescribeTopicPartitions say it.
#pragma once

#include "control/topic.h"
#include "kafka/broker.h"
#include "wire/error_code.h"

namespace magpie::kafka {

// Fills the fields that both answers have. `index` must be a partition of `topic`.
template <typename Answer>
void describe_partition(Broker& broker, const control::Topic& topic, int32_t index,
                        Answer& answer) {
  answer.partition_index = index;
  const NodeId node = topic.placement[static_cast<size_t>(index)];
  answer.replica_nodes = {node.value};
  const HostedPartition* hosted = broker.partitions.find(topic.name, PartitionIndex{index});
  if (hosted == nullptr || !hosted->partition->is_readable()) {
    // Naming a broker that cannot serve would send clients round in circles (pitfall 19).
    answer.error_code = wire::ErrorCode::kLeaderNotAvailable;
    answer.leader_id = -1;
    answer.offline_replicas = {node.value};
    return;
  }
  answer.leader_id = node.value;
  answer.leader_epoch = hosted->partition->leader_epoch().value;
  answer.isr_nodes = {node.value};
}

}  // namespace magpie::kafka
