// Replaying a kept tail into a running node.
#include "server/salvage_replay.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "os/data_lock.h"
#include "os/testing.h"
#include "record/builder.h"
#include "record/rebuild.h"
#include "server/kafka_client.h"
#include "server/testing.h"

namespace magpie::server {
namespace {

using nlohmann::json;

class SalvageReplay : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(node_.serves());
    create("orders", "{}");
    tail_.topic = "orders";
    tail_.topic_id =
        *parse_uuid(json::parse(http(node_.admin_port(), "GET", "/v1/topics/orders").body)["id"]
                        .get<std::string>());
    tail_.group = "default";
    tail_.epoch = LeaderEpoch{1};
    tail_.cut_in = LeaderEpoch{2};
    tail_.from = Offset{0};
    tail_.to = Offset{6};
    tail_.records = 6;
  }
  void create(const std::string& name, const std::string& configs) {
    const std::string body = R"({"name":")" + name + R"(","configs":)" + configs + "}";
    ASSERT_EQ(http(node_.admin_port(), "POST", "/v1/topics", body).status, 201);
  }
  std::string data() const { return folder_.file("data"); }
  // Of a producer, with its sequence numbers from `sequence` on; of none if that is negative.
  static std::string batch(int64_t base, int records, int32_t sequence) {
    record::BatchBuilder builder;
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
    std::string bytes(builder.build().text());
    const auto place = std::as_writable_bytes(std::span(bytes.data(), bytes.size()));
    record::BatchHeader header = record::parse_header(place);
    header.base_offset = Offset{base};
    header.leader_epoch = LeaderEpoch{1};
    if (sequence >= 0) {
      header.producer_id = ProducerId{5};
      header.producer_epoch = ProducerEpoch{0};
      header.base_sequence = sequence;
    }
    record::store_header(place, header);
    header.crc = record::checksum_of(place);
    record::store_header(place, header);
    return bytes;
  }
  // Two times two records that are absent, and two of nobody knows whom.
  std::string keep() {
    const std::string folder = data() + "/" + salvage::folder_of(tail_);
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/00000000000000000000.log", std::ios::binary)
        << batch(0, 2, 100) << batch(2, 2, 102) << batch(4, 2, -1);
    std::ofstream(folder + "/about.json") << salvage::encode_about(tail_);
    return std::filesystem::path(folder).filename().string();
  }
  CommandResult replay(const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "salvage", "replay", name, "--data", data(), "--kafka", loopback(node_.kafka_port())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_magpie(arguments);
  }
  int64_t stored(const std::string& topic) {
    KafkaClient client(node_.kafka_port());
    return fetch(client, topic, 0, 0).high_watermark;
  }

  os::TempFolder folder_;
  NodeProcess node_{folder_.path(), ""};
  salvage::Tail tail_;
};

TEST_F(SalvageReplay, OnlyWhatIsAbsentAndOnlyOnce) {
  const std::string name = keep();
  const CommandResult asked = replay(name, {});
  EXPECT_EQ(asked.exit_code, 1);
  EXPECT_NE(asked.output.find("would send 4 records; 0 were sent by earlier replays, 2 are left "
                              "alone (of another fate)\nnext: "),
            std::string::npos)
      << asked.output;
  EXPECT_EQ(stored("orders"), 0);
  EXPECT_EQ(replay(name, {"--yes"}).output,
            "sent 4 records; 0 were sent by earlier replays, 2 are left alone (of another fate)\n");
  EXPECT_EQ(stored("orders"), 4);
  EXPECT_EQ(replay(name, {"--yes"}).output,
            "sent 0 records; 4 were sent by earlier replays, 2 are left alone (of another fate)\n");
  EXPECT_EQ(stored("orders"), 4);
  const CommandResult all = replay(name, {"--yes", "--also", "unidentifiable", "-o", "json"});
  EXPECT_EQ(json::parse(all.output), (json{{"records", 2}, {"before", 4}, {"left", 0}}));
  EXPECT_EQ(stored("orders"), 6);
}

TEST_F(SalvageReplay, GoesOnWhereItStopped) {
  const std::string name = keep();
  const std::string path = data() + "/salvage/" + name + "/replayed.txt";
  std::ofstream(path) << "batches of this tail that were replayed, by first offset\n0\n2";
  EXPECT_EQ(replay(name, {"--yes"}).output,
            "sent 2 records; 2 were sent by earlier replays, 2 are left alone (of another fate)\n");
  EXPECT_EQ(stored("orders"), 2);
  std::ofstream(path) << "0\n2\n";
  EXPECT_EQ(replay(name, {"--yes"}).exit_code, 1) << "it is not known what was sent";
  EXPECT_EQ(stored("orders"), 2);
  std::filesystem::remove(path);
  const auto other = os::DataLock::take(data() + "/salvage/" + name);
  ASSERT_TRUE(other);
  EXPECT_NE(replay(name, {"--yes"}).output.find("another replay"), std::string::npos);
  EXPECT_EQ(stored("orders"), 2);
}

TEST_F(SalvageReplay, ACompactedBatchIsMadeWhole) {
  const std::string name = keep();
  const std::string whole = batch(0, 3, 100);
  const auto less = record::keep_records(
      Buffer::copy_of(whole), [](const auto& record) { return record.offset != Offset{1}; }, 5);
  ASSERT_TRUE(less);
  std::ofstream(data() + "/salvage/" + name + "/00000000000000000000.log", std::ios::binary)
      << less->text();
  EXPECT_EQ(replay(name, {"--yes"}).exit_code, 0);
  EXPECT_EQ(stored("orders"), 2);
}

TEST_F(SalvageReplay, NotIntoWhatItDoesNotBelongTo) {
  tail_.topic_id.bytes.fill(9);
  EXPECT_NE(replay(keep(), {"--yes"}).output.find("created anew"), std::string::npos);
  tail_.topic = "__consumer_offsets";
  EXPECT_NE(replay(keep(), {"--yes"}).output.find("internal topic"), std::string::npos);
  EXPECT_EQ(stored("orders"), 0);
}

TEST_F(SalvageReplay, IntoACompactedTopicOnlyIfAsked) {
  create("keyed", R"({"cleanup.policy":"compact"})");
  tail_.topic = "keyed";
  tail_.topic_id =
      *parse_uuid(json::parse(http(node_.admin_port(), "GET", "/v1/topics/keyed").body)["id"]
                      .get<std::string>());
  const std::string name = keep();
  EXPECT_NE(replay(name, {"--yes"}).output.find("--into-compacted"), std::string::npos);
  EXPECT_EQ(stored("keyed"), 0);
  EXPECT_EQ(replay(name, {"--yes", "--into-compacted"}).exit_code, 0);
  EXPECT_EQ(stored("keyed"), 4);
}

}  // namespace
}  // namespace magpie::server
