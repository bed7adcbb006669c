// What a request handler has at hand.
//
// Handlers are free functions, one file per API. Each gets the decoded request and this struct of
// references; whatever outlives the call (a parked fetch, a produce waiting for its fsync) lives in
// the object that is about it. Nothing here owns anything: the node does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "kafka/connections.h"
#include "kafka/partition_table.h"
#include "kafka/statistics.h"
#include "port/effect.h"

namespace magpie::group {
class GroupCoordinator;
}

namespace magpie::kafka {

class ClusterControl;
class ClusterView;
class FetchRequests;
class GroupRequests;
class OffsetLookups;
class ProduceRequests;
class RecordDeletions;

// Address of one broker as the clients of one listener must know it.
struct AdvertisedAddress {
  std::string host;
  int32_t port = 0;
};

// What does not change while the node runs.
struct BrokerConfig {
  std::string cluster_id;
  NodeId node_id{1};
  std::string region;                        // clients see it as the rack
  std::vector<AdvertisedAddress> addresses;  // by ListenerIndex
  std::vector<std::string> listeners;        // their names, by ListenerIndex
  bool auto_create_topics = true;
  int32_t default_partitions = 1;
  // This node's values by Kafka's broker config name, as DescribeConfigs shows them.
  std::map<std::string, std::string, std::less<>> described;
};

// A decoded request header and where the answer goes.
struct Request {
  RequestId id;
  int16_t api_key = 0;
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::string client_id;
  port::ListenerIndex listener;
  std::string peer;
};

// The address without the port, as DescribeGroups shows a member's host ("/10.0.0.7").
inline std::string host_of(const std::string& peer) {
  return "/" + peer.substr(0, peer.rfind(':'));
}

struct Broker {
  const Now& now;
  port::Effects& effects;
  const BrokerConfig& config;
  Connections& connections;
  PartitionTable& partitions;
  ClusterControl& control;
  const ClusterView& cluster;
  ProduceRequests& produces;
  FetchRequests& fetches;
  OffsetLookups& offset_lookups;
  RecordDeletions& record_deletions;
  GroupRequests& groups;
  Statistics& statistics;
};

}  // namespace magpie::kafka
