// DescribeCluster (key 60): brokers and cluster id (KIP-700).
#include "kafka/authorized_operations.h"
#include "kafka/cluster_view.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/describe_cluster.h"

namespace magpie::kafka {
namespace {

constexpr int8_t kBrokerEndpoints = 1;

}  // namespace

void handle(Broker& broker, const Request& request, wire::DescribeClusterRequest body) {
  wire::DescribeClusterResponse response;
  response.endpoint_type = body.endpoint_type;
  if (body.endpoint_type != kBrokerEndpoints) {
    response.error_code = wire::ErrorCode::kMismatchedEndpointType;
    response.error_message = "there are no controllers to connect to, only brokers";
    return reply(broker, request, response);
  }
  response.cluster_id = broker.config.cluster_id;
  response.controller_id = broker.config.node_id.value;
  for (BrokerDescription& each : broker.cluster.brokers(request.listener)) {
    response.brokers.push_back({.broker_id = each.node.value,
                                .host = std::move(each.address.host),
                                .port = each.address.port,
                                .rack = std::move(each.region)});
  }
  if (body.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = kAllClusterOperations;
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
