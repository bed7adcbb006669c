// Telling a client that asked the wrong node who leads now (KIP-951), so that it can go there
// without asking for metadata first.
//
// A hint is only a hint: a client takes it if its epoch is newer than what the client knows. This
// node never names itself, because it has just refused.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

#include "kafka/broker.h"
#include "kafka/cluster_control.h"
#include "kafka/cluster_view.h"
#include "wire/error_code.h"

namespace magpie::kafka {

// Who leads a partition, if it is another node that can be asked.
inline std::optional<PartitionDescription> leader_elsewhere(const Broker& broker,
                                                            std::string_view topic, int32_t index) {
  const control::Topic* found = broker.control.state().find_topic(topic);
  if (found == nullptr || !found->has_partition(PartitionIndex{index})) return std::nullopt;
  PartitionDescription view = broker.cluster.partition(*found, PartitionIndex{index});
  if (view.leader.value < 0 || view.leader == broker.config.node_id) return std::nullopt;
  return view;
}

inline bool deserves_hint(wire::ErrorCode error) {
  return error == wire::ErrorCode::kNotLeaderOrFollower ||
         error == wire::ErrorCode::kFencedLeaderEpoch;
}

// Fills in current_leader of a partition's answer that says so, and the leader's address once per
// response. Versions without these fields leave them out.
template <typename Response, typename PartitionAnswer>
void hint_leader(const Broker& broker, const Request& request, std::string_view topic,
                 int32_t index, Response& response, PartitionAnswer& answer) {
  if (!deserves_hint(answer.error_code)) return;
  const auto leader = leader_elsewhere(broker, topic, index);
  if (!leader) return;
  answer.current_leader = {.leader_id = leader->leader.value, .leader_epoch = leader->epoch.value};
  const bool known =
      std::any_of(response.node_endpoints.begin(), response.node_endpoints.end(),
                  [&](const auto& endpoint) { return endpoint.node_id == leader->leader.value; });
  if (known) return;
  const auto node = broker.cluster.broker(leader->leader, request.listener);
  if (!node) return;
  response.node_endpoints.push_back({.node_id = node->node.value,
                                     .host = node->address.host,
                                     .port = node->address.port,
                                     .rack = node->region});
}

}  // namespace magpie::kafka
