// What a node takes of its machine, and what it does when the machine gives less.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/kafka_client.h"
#include "server/testing.h"

namespace magpie::server {
namespace {

using wire::ErrorCode;

class Resources : public testing::Test {
 protected:
  static void create_topic(NodeProcess& node, const std::string& name, int partitions,
                           const std::string& configs = "{}") {
    const std::string body = fmt::format(R"({{"name": "{}", "partitions": {}, "configs": {}}})",
                                         name, partitions, configs);
    const HttpReply reply = http(node.admin_port(), "POST", "/v1/topics", body);
    ASSERT_EQ(reply.status, 201) << reply.body;
  }

  static size_t count_entries(const std::string& folder) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      count += entry.is_directory() ? 0 : 1;
    }
    return count;
  }

  os::TempFolder folder_;
};

// Many more files than may be open: the least recently used ones are closed, and nobody notices.
TEST_F(Resources, OpenDataFilesAreBounded) {
  constexpr int kPartitions = 60;
  constexpr int kSegments = 3;
  NodeProcess node(folder_.path(), "limits:\n  open_files: 20\n");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders", kPartitions, R"({"segment.bytes": "1048576"})");
  KafkaClient client(node.kafka_port());
  for (int round = 0; round < kSegments; ++round) {
    for (int32_t partition = 0; partition < kPartitions; ++partition) {
      ASSERT_EQ(produce(client, "orders", partition, 700'000), ErrorCode::kNone);
    }
  }
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    const Fetched all = fetch(client, "orders", partition, 0);
    EXPECT_EQ(all.error, ErrorCode::kNone);
    EXPECT_EQ(all.high_watermark, kSegments);
    EXPECT_GT(all.bytes, 700'000u);
  }
  EXPECT_GT(count_entries(folder_.file("data")), static_cast<size_t>(kPartitions * kSegments));
  const std::string descriptors = fmt::format("/proc/{}/fd", node.process().id());
  EXPECT_LT(std::distance(std::filesystem::directory_iterator(descriptors), {}), 20 + 30);
}

// The soft limit is raised to the hard one; if that is not enough the node takes less and says so.
TEST_F(Resources, TooFewOpenFilesAreSaidAtStart) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit small{256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  NodeProcess raised(folder_.path(), "limits:\n  connections: 100\n  open_files: 500\n");
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(raised.serves());
  EXPECT_EQ(raised.process().output().find("config.warning"), std::string::npos)
      << raised.process().output();
  rlimit found{};
  ASSERT_EQ(::prlimit(raised.process().id(), RLIMIT_NOFILE, nullptr, &found), 0);
  EXPECT_EQ(found.rlim_cur, before.rlim_max);
  EXPECT_EQ(raised.stop(), 0);

  NodeProcess lowered(
      folder_.path(),
      fmt::format("limits:\n  connections: {0}\n  open_files: {0}\n", before.rlim_max));
  ASSERT_TRUE(lowered.serves());
  EXPECT_TRUE(lowered.process().says("config.warning this process may open "))
      << lowered.process().output();
  EXPECT_NE(
      lowered.process().output().find("Raise the limit (LimitNOFILE= of the unit, ulimit -Hn)"),
      std::string::npos);
}

// A limit on the size of files stands in for a full disk: every write beyond it fails.
TEST_F(Resources, AFullDiskRefusesWritesAndNothingElse) {
  NodeProcess node(folder_.path(), "");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders", 1);
  KafkaClient client(node.kafka_port());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(produce(client, "orders", 0, 10'000), ErrorCode::kNone);

  rlimit before{};
  const rlimit full{20'000, RLIM_INFINITY};
  ASSERT_EQ(::prlimit(node.process().id(), RLIMIT_FSIZE, &full, &before), 0);
  EXPECT_EQ(produce(client, "orders", 0, 10'000), ErrorCode::kKafkaStorageError);
  const Fetched read = fetch(client, "orders", 0, 0);
  EXPECT_EQ(read.error, ErrorCode::kNone);
  EXPECT_EQ(read.high_watermark, 3);
  const std::string labels = R"(topic="orders",partition="0")";
  EXPECT_EQ(node.metric("magpie_partition_online", labels), 0);
  EXPECT_EQ(node.metric("magpie_partition_readable", labels), 1);
  const HttpReply ready = http(node.admin_port(), "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("partition orders-0: "), std::string::npos) << ready.body;
  EXPECT_EQ(http(node.admin_port(), "GET", "/healthz").status, 200);
  EXPECT_TRUE(node.process().says("storage_failed"));

  ASSERT_EQ(::prlimit(node.process().id(), RLIMIT_FSIZE, &before, nullptr), 0);
  EXPECT_TRUE(node.process().says("storage_recovered")) << node.process().output();
  EXPECT_EQ(produce(client, "orders", 0, 10'000), ErrorCode::kNone);
  EXPECT_EQ(fetch(client, "orders", 0, 0).high_watermark, 4);
  EXPECT_EQ(http(node.admin_port(), "GET", "/readyz").status, 200);
  EXPECT_EQ(node.stop(), 0);
}

// --- the admin port ------------------------------------------------------------------------------

TEST_F(Resources, TheAdminPortHasLimitsOfItsOwn) {
  NodeProcess node(folder_.path(), "  connections: 2\n  request_size: 1KiB\n");  // of `admin:`
  ASSERT_TRUE(node.serves());
  const HttpReply large = http(node.admin_port(), "POST", "/v1/topics", std::string(2'000, ' '));
  EXPECT_EQ(large.status, 413);
  os::TestClient first(node.admin_port());
  os::TestClient second(node.admin_port());
  for (os::TestClient* client : {&first, &second}) {
    client->write("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_FALSE(client->closed());
  }
  os::TestClient third(node.admin_port());
  EXPECT_TRUE(third.closed());
  EXPECT_TRUE(node.process().says("admin.refused"));
}

}  // namespace
}  // namespace magpie::server
