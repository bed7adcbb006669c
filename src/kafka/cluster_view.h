// The cluster as clients see it: which brokers there are, and who leads what.
//
// Handlers ask here and nowhere else, so that an answer is the same whichever node gives it, and a
// cluster of one node is only the simplest case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "control/topic.h"
#include "kafka/broker.h"

namespace magpie::kafka {

struct BrokerDescription {
  NodeId node;
  AdvertisedAddress address;  // as clients of the listener that was asked can reach it
  std::string region;         // the rack
};

struct PartitionDescription {
  NodeId leader{-1};  // -1: nobody can be asked now
  LeaderEpoch epoch = kNoLeaderEpoch;
  std::vector<NodeId> replicas;  // the leader first
  std::vector<NodeId> in_sync;
  std::vector<NodeId> offline;
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;

  // Sorted by id.
  virtual std::vector<BrokerDescription> brokers(port::ListenerIndex listener) const = 0;

  // REQUIRES: the topic has that partition.
  virtual PartitionDescription partition(const control::Topic& topic,
                                         PartitionIndex index) const = 0;

  // Who coordinates consumer groups; nothing if nobody can be asked now.
  virtual std::optional<NodeId> coordinator() const = 0;

  // One of brokers(); nothing if it is not known.
  std::optional<BrokerDescription> broker(NodeId node, port::ListenerIndex listener) const;
};

// A cluster that consists of this node.
class OneNodeView final : public ClusterView {
 public:
  // Both must outlive this object.
  OneNodeView(const BrokerConfig& config, PartitionTable& partitions)
      : config_(config), partitions_(partitions) {}

  std::vector<BrokerDescription> brokers(port::ListenerIndex listener) const override;
  PartitionDescription partition(const control::Topic& topic, PartitionIndex index) const override;
  std::optional<NodeId> coordinator() const override { return config_.node_id; }

 private:
  const BrokerConfig& config_;
  PartitionTable& partitions_;
};

}  // namespace magpie::kafka
