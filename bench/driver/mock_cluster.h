// The ceiling: librdkafka's own mock broker in this process.
//
// The mock broker accepts the produce request over a loopback socket, keeps the bytes in memory and
// answers; it stores nothing and checks nothing. No broker that this client drives on this machine
// can be expected to be faster, so its figure says how much of a measured limit is the client's.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <string>

#include "base/result.h"
#include "driver/handle.h"
#include "driver/settings.h"

namespace magpie::bench {

class MockCluster {
 public:
  // Starts `settings.mock_brokers` brokers with the topic of `settings` created.
  static Result<MockCluster> start(const Settings& settings);

  // For bootstrap.servers, as if they were ordinary brokers.
  std::string addresses() const;

 private:
  MockCluster(Handle owner, rd_kafka_mock_cluster_t* cluster)
      : owner_(std::move(owner)), cluster_(cluster) {}

  Handle owner_;  // the mock brokers live and die with it
  rd_kafka_mock_cluster_t* cluster_;
};

}  // namespace magpie::bench
