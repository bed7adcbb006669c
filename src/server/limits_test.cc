// Every limit of docs/operations/limits.md under a real process: what happens beyond it, and that
// whoever stays within it does not notice. No test measures time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/kafka_client.h"
#include "server/testing.h"
#include "wire/api_versions.h"
#include "wire/join_group.h"

namespace magpie::server {
namespace {

using wire::ErrorCode;

class Limits : public testing::Test {
 protected:
  // A node with these lines under `limits:`.
  NodeProcess start(const std::string& limits) {
    return NodeProcess(folder_.path(), "limits:\n" + limits);
  }

  static void create_topic(NodeProcess& node, const std::string& name, int partitions = 1) {
    const std::string body = fmt::format(R"({{"name": "{}", "partitions": {}}})", name, partitions);
    const HttpReply reply = http(node.admin_port(), "POST", "/v1/topics", body);
    ASSERT_EQ(reply.status, 201) << reply.body;
  }

  // A request that any node answers at once.
  static bool answers(KafkaClient& client) {
    const auto answer = client.call<wire::ApiVersionsResponse>(wire::ApiVersionsRequest(), 0);
    return !answer.api_keys.empty();
  }

  static uint64_t resident_bytes(int process) {
    std::ifstream status(fmt::format("/proc/{}/status", process));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6)) * 1024;
    }
    return 0;
  }

  os::TempFolder folder_;
};

// --- connections ---------------------------------------------------------------------------------

TEST_F(Limits, OneConnectionTooManyIsClosedAtOnce) {
  NodeProcess node = start("  connections: 3\n");
  ASSERT_TRUE(node.serves());
  std::vector<std::unique_ptr<KafkaClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<KafkaClient>(node.kafka_port()));
    ASSERT_TRUE(answers(*clients.back()));
  }
  KafkaClient fourth(node.kafka_port());
  EXPECT_TRUE(fourth.socket().closed());
  EXPECT_TRUE(node.process().says("connection.refused"));
  for (auto& client : clients) EXPECT_TRUE(answers(*client));
  clients.pop_back();  // one that leaves makes room
  EXPECT_TRUE(os::eventually([&] {
    KafkaClient again(node.kafka_port());
    return answers(again);
  }));
}

TEST_F(Limits, OneAddressHasAShare) {
  NodeProcess node = start("  connections_per_address: 2\n");
  ASSERT_TRUE(node.serves());
  KafkaClient first(node.kafka_port());
  KafkaClient second(node.kafka_port());
  ASSERT_TRUE(answers(first));
  ASSERT_TRUE(answers(second));
  KafkaClient third(node.kafka_port());
  EXPECT_TRUE(third.socket().closed());
  EXPECT_TRUE(node.process().says("connection.refused"));
  EXPECT_TRUE(answers(first));
}

// All of them get in, one after the other, and who works already goes on working meanwhile.
TEST_F(Limits, AReconnectStormDoesNotStarveTheConnectionsThatWork) {
  constexpr int kStorm = 200;
  NodeProcess node = start("  accepts_per_second: 100\n");
  ASSERT_TRUE(node.serves());
  KafkaClient working(node.kafka_port());
  ASSERT_TRUE(answers(working));
  std::vector<std::unique_ptr<os::TestClient>> storm;
  for (int i = 0; i < kStorm; ++i) {
    storm.push_back(std::make_unique<os::TestClient>(node.kafka_port()));
    ASSERT_TRUE(storm.back()->connected());
  }
  EXPECT_TRUE(answers(working));
  EXPECT_LT(node.metric("magpie_connections"), kStorm);  // most of them still wait
  EXPECT_TRUE(os::eventually([&] { return node.metric("magpie_connections") == kStorm + 1; }));
}

TEST_F(Limits, AnIdleConnectionIsClosed) {
  NodeProcess node = start("  idle_connection: 1s\n");
  ASSERT_TRUE(node.serves());
  KafkaClient client(node.kafka_port());
  ASSERT_TRUE(answers(client));
  EXPECT_TRUE(client.socket().closed());
  EXPECT_TRUE(os::eventually([&] { return node.metric("magpie_connections") == 0; }));
}

// --- requests and memory -------------------------------------------------------------------------

TEST_F(Limits, ALargerRequestClosesItsConnection) {
  NodeProcess node = start("  request_size: 64KiB\n");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders");
  KafkaClient client(node.kafka_port());
  EXPECT_EQ(produce(client, "orders", 0, 60'000), ErrorCode::kNone);
  KafkaClient large(node.kafka_port());
  large.send(produce_request("orders", 0, 66'000), kProduceVersion);
  EXPECT_TRUE(large.socket().closed());
  EXPECT_TRUE(node.process().says("connection.bad_frame"));
  EXPECT_EQ(produce(client, "orders", 0, 60'000), ErrorCode::kNone);
}

// A size that is announced costs nothing until the bytes come.
TEST_F(Limits, AnnouncedSizesTakeNoMemory) {
  NodeProcess node = start("");
  ASSERT_TRUE(node.serves());
  std::vector<std::unique_ptr<os::TestClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<os::TestClient>(node.kafka_port()));
    ASSERT_TRUE(clients.back()->write(std::string("\x06\x00\x00\x00\x00\x03", 6)));  // 96 MiB
  }
  ASSERT_TRUE(os::eventually([&] { return node.metric("magpie_connections") == 50; }));
  KafkaClient working(node.kafka_port());
  EXPECT_TRUE(answers(working));
  EXPECT_LT(resident_bytes(node.process().id()), 200ull * 1024 * 1024);
}

// Fetches that wait are requests without an answer: a client that sends ever more of them is not
// read any more, until some are answered. Nothing is lost.
TEST_F(Limits, UnansweredRequestsStopTheReading) {
  constexpr int kRequests = 200;
  constexpr size_t kRequestBytes = 30'000;
  NodeProcess node =
      start("  request_size: 64KiB\n  unanswered_per_connection: 1MiB\n  unanswered: 1MiB\n");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders");
  KafkaClient greedy(node.kafka_port());
  const std::string padding(kRequestBytes, 'x');
  std::thread writer([&] {
    for (int i = 0; i < kRequests; ++i) {
      greedy.send(fetch_request("orders", 0, 0, 100), kFetchVersion, padding);
    }
  });
  KafkaClient other(node.kafka_port());
  int64_t most = 0;
  for (int i = 0; i < kRequests; ++i) {
    most = std::max(most, node.metric("magpie_unanswered_request_bytes"));
    EXPECT_EQ(receive_fetched(greedy).error, ErrorCode::kNone) << i;
    if (i % 50 == 0) {
      EXPECT_TRUE(answers(other));
    }
  }
  writer.join();
  EXPECT_GT(most, 0);
  // What was already read when the limit was reached is taken, too: 1 MiB at most.
  EXPECT_LT(most, 2 * 1024 * 1024 + 64 * 1024);
}

TEST_F(Limits, OneFetchBringsABoundedPart) {
  constexpr int kPartitions = 9;
  NodeProcess node = start("");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders", kPartitions);
  KafkaClient client(node.kafka_port());
  wire::FetchRequest request = fetch_request("orders", 0, 0);
  request.topics[0].partitions[0].partition_max_bytes = 8 * 1024 * 1024;
  request.topics[0].partitions.resize(kPartitions, request.topics[0].partitions[0]);
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    request.topics[0].partitions[static_cast<size_t>(partition)].partition = partition;
    for (int i = 0; i < 7; ++i) {
      ASSERT_EQ(produce(client, "orders", partition, 1'000'000), ErrorCode::kNone);
    }
  }
  const auto answer = client.call<wire::FetchResponse>(request, kFetchVersion);
  size_t bytes = 0;
  for (const auto& partition : answer.responses.at(0).partitions) {
    if (partition.records) bytes += size_of(*partition.records);
  }
  EXPECT_GT(bytes, 35u * 1024 * 1024);
  EXPECT_LE(bytes, 55u * 1024 * 1024);
}

TEST_F(Limits, AReaderThatDoesNotReadIsClosed) {
  NodeProcess node =
      start("  send_queue_per_connection: 1MiB\n  send_queues: 1MiB\n  request_size: 64KiB\n");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders");
  KafkaClient client(node.kafka_port());
  for (int i = 0; i < 20; ++i) ASSERT_EQ(produce(client, "orders", 0, 60'000), ErrorCode::kNone);
  KafkaClient slow(node.kafka_port());
  // 200 MiB of answers, more than any socket takes.
  for (int i = 0; i < 200; ++i) {
    if (!slow.send(fetch_request("orders", 0, 0), kFetchVersion)) break;
  }
  EXPECT_TRUE(node.process().says("connection.slow_reader"));
  EXPECT_GT(fetch(client, "orders", 0, 0).bytes, 0u);
  EXPECT_LT(resident_bytes(node.process().id()), 300ull * 1024 * 1024);
}

TEST_F(Limits, AReaderThatStallsIsClosed) {
  NodeProcess node = start("  stalled_connection: 1s\n");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders");
  KafkaClient client(node.kafka_port());
  for (int i = 0; i < 20; ++i) ASSERT_EQ(produce(client, "orders", 0, 60'000), ErrorCode::kNone);
  KafkaClient slow(node.kafka_port());
  for (int i = 0; i < 50; ++i) slow.send(fetch_request("orders", 0, 0), kFetchVersion);
  EXPECT_TRUE(node.process().says("connection.slow_reader"));
  EXPECT_GT(fetch(client, "orders", 0, 0).bytes, 0u);
}

// A few bytes of request may ask for megabytes, and an answer waits until those before it are out.
// So a fetch begins only when its turn has come, however many a client sends at once.
TEST_F(Limits, AnswersThatWouldHaveToWaitAreNotMade) {
  NodeProcess node = start("  recent_batches: 1MiB\n");
  ASSERT_TRUE(node.serves());
  create_topic(node, "orders");
  create_topic(node, "quiet");
  KafkaClient client(node.kafka_port());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(produce(client, "orders", 0, 900'000), ErrorCode::kNone);
  KafkaClient greedy(node.kafka_port());
  const uint64_t before = resident_bytes(node.process().id());
  greedy.send(fetch_request("quiet", 0, 0, 2'000), kFetchVersion);
  for (int i = 0; i < 300; ++i) greedy.send(fetch_request("orders", 0, 3), kFetchVersion);
  EXPECT_TRUE(answers(client));
  EXPECT_EQ(receive_fetched(greedy).bytes, 0u);
  for (int i = 0; i < 300; ++i) EXPECT_GT(receive_fetched(greedy).bytes, 900'000u);
  EXPECT_LT(resident_bytes(node.process().id()), before + 100 * 1024 * 1024);
}

// --- what the cluster holds ----------------------------------------------------------------------

TEST_F(Limits, PartitionsBeyondTheLimitAreRefused) {
  NodeProcess node = start("  partitions: 5\n");  // one of them holds the groups
  ASSERT_TRUE(node.serves());
  const CommandResult many =
      run_magpie({"topic", "create", "orders", "--partitions", "5", "--admin", node.admin()});
  EXPECT_EQ(many.exit_code, 1);
  EXPECT_EQ(many.output.find("error invalid_partitions: "), 0u) << many.output;
  create_topic(node, "orders", 4);
  const HttpReply grown =
      http(node.admin_port(), "PATCH", "/v1/topics/orders", R"({"partitions": 5})");
  EXPECT_EQ(grown.status, 400);
  EXPECT_NE(grown.body.find("invalid_partitions"), std::string::npos) << grown.body;
}

ErrorCode join(KafkaClient& client, const std::string& group) {
  wire::JoinGroupRequest request;
  request.group_id = group;
  request.session_timeout_ms = 10'000;
  request.rebalance_timeout_ms = 10'000;
  request.protocol_type = "consumer";
  request.protocols = {{"range", Buffer::copy_of("")}};
  return client.call<wire::JoinGroupResponse>(request, 3).error_code;
}

TEST_F(Limits, GroupsAndMembersBeyondTheLimitAreRefused) {
  NodeProcess node(folder_.path(),
                   "limits:\n  groups: 2\n  members_per_group: 1\n"
                   "groups:\n  initial_rebalance_delay: 0ms\n");
  ASSERT_TRUE(node.serves());
  std::vector<std::unique_ptr<KafkaClient>> clients;
  for (const char* group : {"one", "two"}) {
    clients.push_back(std::make_unique<KafkaClient>(node.kafka_port()));
    EXPECT_TRUE(os::eventually([&] { return join(*clients.back(), group) == ErrorCode::kNone; }));
  }
  KafkaClient late(node.kafka_port());
  EXPECT_EQ(join(late, "three"), ErrorCode::kGroupMaxSizeReached);
  EXPECT_EQ(join(late, "one"), ErrorCode::kGroupMaxSizeReached);
}

}  // namespace
}  // namespace magpie::server
