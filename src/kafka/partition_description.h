// Who leads a partition and where its copies are, as Metadata and DescribeTopicPartitions say it.
#pragma once

#include <cstdint>
#include <vector>

#include "control/topic.h"
#include "kafka/broker.h"
#include "kafka/cluster_view.h"
#include "wire/error_code.h"

namespace magpie::kafka {

inline std::vector<int32_t> numbers_of(const std::vector<NodeId>& nodes) {
  std::vector<int32_t> numbers;
  for (const NodeId node : nodes) numbers.push_back(node.value);
  return numbers;
}

// Fills the fields that both answers have. `index` must be a partition of `topic`.
template <typename Answer>
void describe_partition(Broker& broker, const control::Topic& topic, int32_t index,
                        Answer& answer) {
  const PartitionDescription view = broker.cluster.partition(topic, PartitionIndex{index});
  answer.partition_index = index;
  answer.leader_id = view.leader.value;
  answer.replica_nodes = numbers_of(view.replicas);
  answer.isr_nodes = numbers_of(view.in_sync);
  answer.offline_replicas = numbers_of(view.offline);
  if (view.leader.value < 0) {
    // Naming a broker that cannot serve would send clients round in circles (pitfall 19).
    answer.error_code = wire::ErrorCode::kLeaderNotAvailable;
  } else {
    answer.leader_epoch = view.epoch.value;
  }
}

}  // namespace magpie::kafka
