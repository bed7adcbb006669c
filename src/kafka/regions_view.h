// The cluster as the control store knows it: brokers of all data regions, and leaders that change.
//
// The problem: clients must be sent to whoever leads a partition now, in whatever region, and must
// get the same answer from every node they may ask. The idea: everything is read off the cluster
// state, of which each node has a copy; nothing is remembered here.
//
// Guarantees: a leader is named only while its node holds its lease with the incarnation that was
// elected (a directory that was rebuilt does not lead what its predecessor led); a node's own
// partitions are not named as led here when they cannot be served (pitfall 19); the epoch is that
// of the failover group's term, which never repeats or goes back.
//
// What it does not do: it does not look at what this node's copies do at the moment. Between a
// change of leadership in the state and the new leader's first word, clients ask it and are told to
// try again.
#pragma once

#include <optional>
#include <vector>

#include "control/member.h"
#include "control/state.h"
#include "kafka/cluster_view.h"

namespace magpie::kafka {

class RegionsView final : public ClusterView {
 public:
  // All three must outlive this object. `config` has as many listener names as addresses.
  RegionsView(const BrokerConfig& config, PartitionTable& partitions, const control::State& state)
      : config_(config), partitions_(partitions), state_(state) {}

  // Nodes that are alive and have a listener with the name of the one asked; this node always. A
  // witness has no Kafka clients.
  std::vector<BrokerDescription> brokers(port::ListenerIndex listener) const override;
  // Replicas that are not alive are offline, also if they are in the sync set.
  PartitionDescription partition(const control::Topic& topic, PartitionIndex index) const override;
  // The leader of the `system` group.
  std::optional<NodeId> coordinator() const override;

 private:
  bool is_alive(NodeId node) const;
  bool can_lead(const control::Member& leader) const;
  std::optional<BrokerDescription> describe(const control::Node& node,
                                            port::ListenerIndex listener) const;
  BrokerDescription describe_self(port::ListenerIndex listener) const;

  const BrokerConfig& config_;
  PartitionTable& partitions_;
  const control::State& state_;
};

}  // namespace magpie::kafka
