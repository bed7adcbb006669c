// DescribeCluster (key 60): brokers and cluster id (KIP-700).
#include "kafka/authorized_operations.h"
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
  const AdvertisedAddress& address = broker.config.addresses.at(request.listener.value);
  response.cluster_id = broker.config.cluster_id;
  response.controller_id = broker.config.node_id.value;
  response.brokers.push_back({.broker_id = broker.config.node_id.value,
                              .host = address.host,
                              .port = address.port,
                              .rack = broker.config.region});
  if (body.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = kAllClusterOperations;
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
