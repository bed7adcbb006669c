// Damaged and foreign files under a real process: what is refused, what goes on, what is said.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "base/crc32c.h"
#include "log/checkpoint.h"
#include "server/kafka_client.h"
#include "server/testing.h"
#include "wire/offset_commit.h"

namespace magpie::server {
namespace {

using wire::ErrorCode;

// Larger than index.interval.bytes, so that the offset index leads past a damaged batch.
constexpr size_t kValueBytes = 5'000;

std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

uint32_t checksum(const std::string& bytes) {
  return crc32c(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

class Damage : public testing::Test {
 protected:
  // A node on this test's folder; the second one opens what the first one left.
  NodeProcess start() { return NodeProcess(folder_.path(), ""); }
  std::string data(const std::string& path) const { return folder_.file("data/" + path); }
  std::string segment(const std::string& partition) const {
    return data("topics/" + partition + "/00000000000000000000.log");
  }

  // Two topics with three batches in each; `cleanly` says how the run ends.
  void fill(bool cleanly) {
    NodeProcess node = start();
    ASSERT_TRUE(node.serves());
    for (const char* topic : {"orders", "other"}) {
      ASSERT_EQ(http(node.admin_port(), "POST", "/v1/topics",
                     std::string(R"({"name": ")") + topic + R"("})")
                    .status,
                201);
      KafkaClient client(node.kafka_port());
      for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(produce(client, topic, 0, kValueBytes), ErrorCode::kNone);
      }
    }
    if (cleanly) {
      EXPECT_EQ(node.stop(), 0);
    } else {
      node.kill();
    }
  }

  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static void change(const std::string& path, size_t at, const std::string& bytes) {
    write(path, read(path).replace(at, bytes.size(), bytes));
  }

  // The node serves everything but orders-0, says so everywhere, and exits with 4.
  void expect_only_orders_refused(NodeProcess& node, const std::string& why) {
    ASSERT_TRUE(node.serves());
    EXPECT_NE(node.process().output().find("partition_offline partition orders-0 is not served: "),
              std::string::npos)
        << node.process().output();
    EXPECT_NE(node.process().output().find(why), std::string::npos) << node.process().output();

    const HttpReply ready = http(node.admin_port(), "GET", "/readyz");
    EXPECT_EQ(ready.status, 503);
    EXPECT_NE(ready.body.find("partition orders-0: "), std::string::npos) << ready.body;
    EXPECT_EQ(node.metric("magpie_partition_online", R"(topic="orders",partition="0")"), 0);
    EXPECT_EQ(node.metric("magpie_partition_online", R"(topic="other",partition="0")"), 1);

    KafkaClient client(node.kafka_port());
    EXPECT_NE(produce(client, "orders", 0), ErrorCode::kNone);
    EXPECT_NE(fetch(client, "orders", 0, 0).error, ErrorCode::kNone);
    EXPECT_EQ(produce(client, "other", 0), ErrorCode::kNone);
    EXPECT_EQ(fetch(client, "other", 0, 0).error, ErrorCode::kNone);

    EXPECT_EQ(node.stop(), 4) << node.process().output();
    EXPECT_NE(node.process().output().find("stop.damaged 1 partition could not be served whole"),
              std::string::npos)
        << node.process().output();
  }

  // The whole node is refused, with exit code 2 and nothing changed.
  void expect_refused(const std::string& path, const std::string& why) {
    const std::string before = read(path);
    NodeProcess node = start();
    EXPECT_EQ(node.process().exit_code(), 2) << node.process().output();
    EXPECT_NE(node.process().output().find("start_failed "), std::string::npos);
    EXPECT_NE(node.process().output().find(why), std::string::npos) << node.process().output();
    EXPECT_EQ(read(path), before);
  }

  os::TempFolder folder_;
};

TEST_F(Damage, ACorruptMiddleMetAtStartRefusesThatPartitionOnly) {
  fill(false);
  change(segment("orders-0"), 7'500, "XXXX");
  const std::string before = read(segment("orders-0"));
  NodeProcess node = start();
  expect_only_orders_refused(node, "00000000000000000000.log is damaged at byte ");
  EXPECT_EQ(read(segment("orders-0")), before);
}

TEST_F(Damage, ACorruptMiddleMetByAFetchRefusesThoseRecordsOnly) {
  fill(true);
  const size_t size = read(segment("orders-0")).size() / 3;
  change(segment("orders-0"), size + size / 2, "XXXX");  // the batch at offset 1
  NodeProcess node = start();
  ASSERT_TRUE(node.serves());
  KafkaClient client(node.kafka_port());
  EXPECT_EQ(fetch(client, "orders", 0, 0).bytes, size);
  for (int i = 0; i < 2; ++i) {
    const Fetched damaged = fetch(client, "orders", 0, 1);
    EXPECT_EQ(damaged.error, ErrorCode::kKafkaStorageError);
    EXPECT_EQ(damaged.bytes, 0u);
  }
  EXPECT_EQ(fetch(client, "orders", 0, 2).bytes, size);
  EXPECT_EQ(produce(client, "orders", 0), ErrorCode::kNone);

  const HttpReply ready = http(node.admin_port(), "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("is damaged at byte " + std::to_string(size)), std::string::npos)
      << ready.body;
  EXPECT_EQ(node.stop(), 4);
  const std::string& output = node.process().output();
  const size_t said = output.find("partition_damaged partition orders-0: ");
  EXPECT_NE(said, std::string::npos) << output;
  EXPECT_EQ(output.find("partition_damaged partition", said + 1), std::string::npos) << "said once";
}

TEST_F(Damage, AnInterruptedWriteIsCutOff) {
  fill(false);
  const std::string whole = read(segment("orders-0"));
  write(segment("orders-0"), whole + whole.substr(0, 100));
  NodeProcess node = start();
  ASSERT_TRUE(node.serves());
  EXPECT_NE(node.process().output().find("torn_tail_cut partition orders-0: 100 bytes"),
            std::string::npos)
      << node.process().output();
  KafkaClient client(node.kafka_port());
  EXPECT_EQ(fetch(client, "orders", 0, 0).high_watermark, 3);
  EXPECT_EQ(node.stop(), 0);
  EXPECT_EQ(read(segment("orders-0")), whole);
}

TEST_F(Damage, ADamagedIndexIsMadeAnew) {
  fill(true);
  const std::string path = data("topics/orders-0/00000000000000000000.index");
  const std::string whole = read(path);
  ASSERT_EQ(whole.size(), 16u);
  change(path, 5, "XXX");
  NodeProcess node = start();
  ASSERT_TRUE(node.serves());
  KafkaClient client(node.kafka_port());
  EXPECT_GT(fetch(client, "orders", 0, 2).bytes, kValueBytes);
  EXPECT_TRUE(node.process().says("log_index_rebuilt"));
  EXPECT_EQ(http(node.admin_port(), "GET", "/readyz").status, 200);
  EXPECT_EQ(node.stop(), 0);
  EXPECT_EQ(read(path), whole);
}

TEST_F(Damage, WithoutACheckpointEverythingIsRead) {
  fill(true);
  std::filesystem::remove(data("topics/orders-0/magpie.checkpoint"));
  change(data("topics/other-0/magpie.checkpoint"), 30, "XXX");
  NodeProcess node = start();
  ASSERT_TRUE(node.serves());
  EXPECT_NE(node.process().output().find("log_without_checkpoint topics/orders-0"),
            std::string::npos)
      << node.process().output();
  EXPECT_NE(node.process().output().find("log_checkpoint_damaged topics/other-0"),
            std::string::npos);
  KafkaClient client(node.kafka_port());
  for (const char* topic : {"orders", "other"}) {
    const Fetched all = fetch(client, topic, 0, 0);
    EXPECT_EQ(all.high_watermark, 3);
    EXPECT_GT(all.bytes, 3 * kValueBytes);
  }
  EXPECT_EQ(node.stop(), 0);
}

wire::ErrorCode commit(KafkaClient& client, const std::string& group) {
  wire::OffsetCommitRequest request;
  request.group_id = group;
  request.topics.resize(1);
  request.topics[0].name = "orders";
  request.topics[0].partitions.resize(1);
  request.topics[0].partitions[0].committed_offset = 1;
  const auto answer = client.call<wire::OffsetCommitResponse>(request, 2);
  return answer.topics.empty() ? ErrorCode::kUnknownServerError
                               : answer.topics[0].partitions[0].error_code;
}

TEST_F(Damage, DamagedPositionsRefuseGroupsAndNothingElse) {
  fill(true);
  {
    NodeProcess node = start();
    ASSERT_TRUE(node.serves());
    KafkaClient client(node.kafka_port());
    ASSERT_TRUE(os::eventually([&] { return commit(client, "readers") == ErrorCode::kNone; }));
    EXPECT_EQ(node.stop(), 0);
  }
  change(segment("__consumer_offsets-0"), 70, "XXX");
  NodeProcess node = start();
  ASSERT_TRUE(node.serves());
  EXPECT_TRUE(node.process().says("groups_not_loaded")) << node.process().output();
  KafkaClient client(node.kafka_port());
  EXPECT_NE(commit(client, "readers"), ErrorCode::kNone);
  EXPECT_EQ(produce(client, "orders", 0), ErrorCode::kNone);
  EXPECT_EQ(fetch(client, "orders", 0, 0).error, ErrorCode::kNone);
  const HttpReply ready = http(node.admin_port(), "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("consumer groups: "), std::string::npos) << ready.body;
  EXPECT_EQ(node.stop(), 4) << node.process().output();
}

TEST_F(Damage, AMissingSegmentIsNoEmptyPartition) {
  fill(true);
  std::filesystem::remove(segment("orders-0"));
  NodeProcess node = start();
  expect_only_orders_refused(node, "00000000000000000000.log is missing");
}

TEST_F(Damage, AnEmptyFolderIsNoEmptyPartition) {
  fill(true);
  std::filesystem::remove_all(data("topics/orders-0"));
  NodeProcess node = start();
  expect_only_orders_refused(node, "the partition is not started empty");
}

// --- data of a newer version ---------------------------------------------------------------------

TEST_F(Damage, ANewerCheckpointRefusesThatPartitionOnly) {
  fill(true);
  change(data("topics/orders-0/magpie.checkpoint"), 8, big_endian(2));
  NodeProcess node = start();
  expect_only_orders_refused(node,
                             "checkpoint has version 2, this build reads up to 1; start the "
                             "version of Magpie that wrote it, or a newer one");
}

TEST_F(Damage, ANewerStateInACheckpointRefusesThatPartitionOnly) {
  fill(true);
  const std::string path = data("topics/orders-0/magpie.checkpoint");
  auto checkpoint = log::decode_checkpoint(Buffer::copy_of(read(path)));
  ASSERT_TRUE(checkpoint && checkpoint->saved);
  std::string state(checkpoint->saved->state.text());
  state.replace(0, 2, "\x7f\xff");
  checkpoint->saved->state = Buffer::copy_of(state);
  write(path, std::string(log::encode(*checkpoint).text()));
  NodeProcess node = start();
  expect_only_orders_refused(node, "checkpoint state has version 32767, this build reads ");
}

TEST_F(Damage, ANewerJournalRefusesTheNode) {
  fill(true);
  const std::string path = data("control/journal");
  change(path, 8, big_endian(3));
  const size_t header = 8 + 4 + 2 + std::string("magpie").size() + 8;
  change(path, header, big_endian(checksum(read(path).substr(0, header))));
  expect_refused(data("control/journal"), "version 3");
}

TEST_F(Damage, ANewerRecordOfTheJournalRefusesTheNode) {
  fill(true);
  const std::string path = data("control/journal");
  const size_t at = read(path).find("MJR");
  change(path, at + 3, "\2");
  const std::string bytes = read(path);
  size_t length = 0;
  for (size_t i = 4; i < 8; ++i) length = length << 8 | static_cast<uint8_t>(bytes[at + i]);
  const std::string covered = bytes.substr(at, 8) + bytes.substr(at + 12, length);
  change(path, at + 8, big_endian(checksum(covered)));
  expect_refused(path, "version 2");
}

TEST_F(Damage, ANewerIdentityRefusesTheNode) {
  fill(true);
  const std::string path = data("identity");
  change(path, read(path).find("\"format\":1"), "\"format\":3");
  const std::string line = read(path);
  const std::string rest = "{" + line.substr(line.find("\"cluster_id\""));
  const uint32_t sum = checksum(rest.substr(0, rest.size() - 1));  // without the line feed
  change(path, line.find("\":\"") + 3, fmt::format("{:08x}", sum));
  expect_refused(path, "format 3");
}

TEST_F(Damage, AnotherClustersDirectoryRefusesTheNode) {
  fill(true);
  const std::string config = folder_.file("other.yaml");
  write(config, fmt::format("node:\n  cluster: elsewhere\n  data: {}\n"
                            "listeners:\n  - name: kafka\n    listen: {}\n"
                            "admin:\n  listen: {}\n",
                            folder_.file("data"), loopback(free_port()), loopback(free_port())));
  const CommandResult other = run_magpie({"serve", "--config", config});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.output.find("belongs to cluster_id 'magpie', but 'elsewhere' is configured"),
            std::string::npos)
      << other.output;
}

// --- what of the rest must be there --------------------------------------------------------------

TEST_F(Damage, AMissingJournalIsNoEmptyCluster) {
  fill(true);
  std::filesystem::remove(data("control/journal"));
  NodeProcess node = start();
  EXPECT_EQ(node.process().exit_code(), 2) << node.process().output();
  EXPECT_FALSE(std::filesystem::exists(data("control/journal")));
}

TEST_F(Damage, AMissingIdentityIsNoEmptyDirectory) {
  fill(true);
  std::filesystem::remove(data("identity"));
  NodeProcess node = start();
  EXPECT_EQ(node.process().exit_code(), 2) << node.process().output();
  EXPECT_FALSE(std::filesystem::exists(data("identity")));
}

TEST_F(Damage, ADamagedJournalNamesTheByte) {
  fill(true);
  change(data("control/journal"), 60, "?");
  expect_refused(data("control/journal"), "control/journal");
}

}  // namespace
}  // namespace magpie::server
