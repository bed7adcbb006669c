#include "kafka/read_replicas.h"

#include "kafka/cluster_control.h"
#include "kafka/cluster_view.h"
#include "kafka/serving.h"

namespace magpie::kafka {
namespace {

constexpr size_t kRememberedMax = 100'000;

}  // namespace

std::set<NodeId> ReadReplicas::near(const Broker& broker, const Request& request,
                                    const std::string& rack) {
  std::set<NodeId> nodes;
  if (rack.empty() || rack == broker.config.region) return nodes;
  for (const BrokerDescription& each : broker.cluster.brokers(request.listener)) {
    if (each.region == rack) nodes.insert(each.node);
  }
  return nodes;
}

std::optional<NodeId> ReadReplicas::choose(const Broker& broker, const Request& request,
                                           const std::set<NodeId>& near,
                                           const HostedPartition& hosted, Offset from) {
  if (near.empty() || !has_follower_reads(broker, {hosted.topic, hosted.index})) {
    return std::nullopt;
  }
  for (const NodeId node : near) {
    if (hosted.partition->member_position(node) < from) continue;
    const std::pair key(request.id.connection, hosted.route);
    const auto before = sent_away_.find(key);
    if (before != sent_away_.end() && before->second == from) {
      sent_away_.erase(before);
      return std::nullopt;
    }
    if (sent_away_.size() >= kRememberedMax) sent_away_.clear();
    sent_away_[key] = from;
    return node;
  }
  return std::nullopt;
}

void ReadReplicas::connection_closed(port::ConnectionId connection) {
  const auto first = sent_away_.lower_bound({connection, Route{0}});
  auto last = first;
  while (last != sent_away_.end() && last->first.first == connection) ++last;
  sent_away_.erase(first, last);
}

}  // namespace magpie::kafka
