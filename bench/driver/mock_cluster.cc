#include "driver/mock_cluster.h"

#include <fmt/format.h>

#include "base/check.h"

namespace magpie::bench {

Result<MockCluster> MockCluster::start(const Settings& settings) {
  CHECK(settings.mock_brokers > 0);
  Settings hosting = settings;
  hosting.brokers.clear();
  hosting.properties = {fmt::format("test.mock.num.brokers={}", settings.mock_brokers)};
  auto owner = make_admin(hosting);
  if (!owner) return fail(owner.error());

  rd_kafka_mock_cluster_t* cluster = rd_kafka_handle_mock_cluster(owner->get());
  CHECK(cluster != nullptr);
  const rd_kafka_resp_err_t error =
      rd_kafka_mock_topic_create(cluster, settings.topic.c_str(), settings.partitions, 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(ErrorKind::kInvalidArgument, rd_kafka_err2str(error));
  }
  return MockCluster(std::move(*owner), cluster);
}

std::string MockCluster::addresses() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_);
}

}  // namespace magpie::bench
