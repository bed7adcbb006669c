// A node from its first start to a clean stop, and what it makes of what it finds on its disk.
#include "node/node.h"

#include <gtest/gtest.h>

#include "node/testing/topics.h"
#include "wire/fetch.h"
#include "wire/join_group.h"
#include "wire/metadata.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class NodeTest : public ::testing::Test {
 protected:
  // Boots a node with topic t of two partitions; "a" and "b" are in partition 0.
  void boot_with_records() {
    harness_.boot();
    create_topic(client_, "t", 2);
    produce(client_, "t", 0, batch_of({"a"}));
    produce(client_, "t", 0, batch_of({"b"}));
  }
  void restart() {
    harness_.crash();
    reboot();
  }
  void reboot() {
    harness_.boot();
    client_.forget_connection();
  }
  std::string& log_of_t() {
    return harness_.disk.files().at("topics/t-0/00000000000000000000.log");
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(NodeTest, RequestsThatComeBeforeItServesWaitAndAreAnswered) {
  harness_.disk.hold(true);
  harness_.boot();
  EXPECT_EQ(harness_.phase(), Phase::kStarting);
  EXPECT_FALSE(client_.is_read()) << "the node takes no requests yet";
  client_.send(wire::MetadataRequest(), 12);
  EXPECT_FALSE(client_.take_frame());
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_TRUE(client_.take<wire::MetadataResponse>(12));
  EXPECT_TRUE(client_.is_read());
}

TEST_F(NodeTest, WhoLeavesBeforeItServesIsNotAnswered) {
  harness_.disk.hold(true);
  harness_.boot();
  client_.send(wire::MetadataRequest(), 12);
  client_.disconnect();
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_FALSE(client_.take_frame());
}

// --- stopping ------------------------------------------------------------------------------------

TEST_F(NodeTest, AStopFinishesWhatIsUnderWay) {
  boot_with_records();
  harness_.disk.hold(true);
  client_.send(produce_request("t", 0, batch_of({"c"})), 9);
  harness_.request_stop();
  EXPECT_EQ(harness_.phase(), Phase::kStopping);
  EXPECT_FALSE(client_.is_read());
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kStopped);
  const auto answer = client_.take<wire::ProduceResponse>(9);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->responses[0].partition_responses[0].error_code, ErrorCode::kNone);
  harness_.crash();
  reboot();
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 3u);
}

TEST_F(NodeTest, AStopDoesNotWaitForEverForAProduceThatHangs) {
  boot_with_records();
  harness_.disk.hold_below("topics/t-0/");
  client_.send(produce_request("t", 0, batch_of({"c"})), 9);
  harness_.request_stop();
  harness_.advance(Duration::seconds(30));  // comes to rest all the same
  EXPECT_EQ(harness_.phase(), Phase::kStopping);
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kStopped);
  EXPECT_TRUE(client_.take<wire::ProduceResponse>(9));
}

TEST_F(NodeTest, AStopAnswersWhoeverWaits) {
  boot_with_records();
  auto waiting = fetch_request("t", 1, 0);
  waiting.max_wait_ms = 60'000;
  waiting.min_bytes = 1;
  client_.send(waiting, 12);
  TestClient member(harness_);
  wire::JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", Buffer::copy_of("x")});
  const auto first = member.call<wire::JoinGroupResponse>(join, 3);
  join.member_id = first.member_id;
  TestClient second(harness_);
  wire::JoinGroupRequest another = join;
  another.member_id = "";
  second.send(another, 3);  // waits for the first member to join again
  EXPECT_FALSE(second.take_frame());
  harness_.request_stop();
  EXPECT_TRUE(client_.take<wire::FetchResponse>(12));
  const auto sent_away = second.take<wire::JoinGroupResponse>(3);
  ASSERT_TRUE(sent_away);
  EXPECT_EQ(sent_away->error_code, ErrorCode::kNotCoordinator);
}

TEST_F(NodeTest, RequestsThatComeDuringAStopAreNeverAnswered) {
  boot_with_records();
  harness_.disk.hold(true);
  harness_.request_stop();
  client_.send(wire::MetadataRequest(), 12);
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kStopped);
  EXPECT_FALSE(client_.take_frame());
}

// franz-go gives up on records if a connection ends before its first answer.
TEST_F(NodeTest, AStopTakesNoConnectionThatItWouldNotAnswer) {
  boot_with_records();
  harness_.disk.hold(true);
  EXPECT_TRUE(harness_.listening);
  harness_.request_stop();
  EXPECT_EQ(harness_.phase(), Phase::kStopping);
  EXPECT_FALSE(harness_.listening);
}

TEST_F(NodeTest, ItCanBeStoppedWhileItStarts) {
  harness_.disk.hold(true);
  harness_.boot();
  harness_.request_stop();
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kStopped);
  harness_.crash();
  reboot();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
}

TEST_F(NodeTest, TheNextStartKnowsHowTheLastOneEnded) {
  const auto said = [&](const std::string& text) {
    for (const port::LogLine& line : harness_.lines) {
      if (line.code == "previous_stop" && line.text.find(text) != std::string::npos) return true;
    }
    return false;
  };
  harness_.boot();
  EXPECT_FALSE(harness_.has_logged("previous_stop")) << "there was none";
  harness_.stop();
  harness_.boot();
  EXPECT_TRUE(said("was clean"));
  harness_.lines.clear();
  restart();
  EXPECT_TRUE(said("not stopped cleanly"));
}

TEST_F(NodeTest, AskingTwiceToStopIsAskingOnce) {
  boot_with_records();
  harness_.disk.hold(true);
  harness_.request_stop();
  harness_.request_stop();
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(harness_.phase(), Phase::kStopped);
  int times = 0;
  for (const port::LogLine& line : harness_.lines) times += line.code == "stopping" ? 1 : 0;
  EXPECT_EQ(times, 1);
}

TEST_F(NodeTest, CountsWhatPassesThrough) {
  harness_.boot();
  create_topic(client_, "t");
  const Buffer batch = batch_of({"a"});
  produce(client_, "t", 0, batch);
  produce(client_, "missing", 0, batch);
  produce(client_, "t", 0, Buffer::copy_of("garbage"));
  fetch(client_, "t", 0, 0);
  client_.send_bytes(Buffer::copy_of("garbage"));
  const std::string page = harness_.http("GET", "/metrics").body;
  const auto expect = [&](const std::string& name, size_t value) {
    const std::string line = "\n" + name + " " + std::to_string(value) + "\n";
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  };
  expect("magpie_produced_batches_total", 1);
  expect("magpie_produce_refusals_total", 2);
  expect("magpie_produced_bytes_total", 2 * batch.size() + 7);
  expect("magpie_fetched_bytes_total", batch.size());
}

// --- what it finds on the disk -------------------------------------------------------------------

TEST_F(NodeTest, ATornEndIsCutOffAndSaidSo) {
  boot_with_records();
  harness_.crash();
  const std::string whole = log_of_t();
  log_of_t() += whole.substr(0, 40);
  reboot();
  EXPECT_TRUE(harness_.has_logged("torn_tail_cut"));
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 2u);
  EXPECT_EQ(produce(client_, "t", 0, batch_of({"c"})).base_offset, 2);
}

TEST_F(NodeTest, ADamagedPartitionIsNotServedAndTheOthersAre) {
  boot_with_records();
  harness_.crash();
  log_of_t()[20] ^= 1;
  reboot();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_TRUE(harness_.has_logged("partition_offline"));
  EXPECT_EQ(produce(client_, "t", 0, batch_of({"c"})).error_code, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(fetch(client_, "t", 0, 0).error_code, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(produce(client_, "t", 1, batch_of({"c"})).error_code, ErrorCode::kNone);
}

TEST_F(NodeTest, AMissingPartitionIsNeverAnEmptyOne) {
  boot_with_records();
  harness_.crash();
  std::erase_if(harness_.disk.files(),
                [](const auto& file) { return file.first.starts_with("topics/t-0/"); });
  reboot();
  EXPECT_EQ(fetch(client_, "t", 0, 0).error_code, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(produce(client_, "t", 0, batch_of({"c"})).error_code, ErrorCode::kKafkaStorageError);
}

TEST_F(NodeTest, WhatBelongsToNoTopicIsMovedAsideNotDeleted) {
  boot_with_records();
  harness_.crash();
  harness_.disk.files()["topics/stranger-0/00000000000000000000.log"] = "somebody's data";
  reboot();
  EXPECT_TRUE(harness_.has_logged("folder_quarantined"));
  bool kept = false;
  for (const auto& [path, content] : harness_.disk.files()) {
    EXPECT_FALSE(path.starts_with("topics/stranger-0")) << path;
    kept |= path.starts_with("quarantine/stranger-0") && content == "somebody's data";
  }
  EXPECT_TRUE(kept);
}

TEST_F(NodeTest, AnotherClustersDataIsRefused) {
  harness_.boot();
  harness_.stop();
  harness_.config.cluster_id = "another";
  harness_.boot();
  EXPECT_EQ(harness_.phase(), Phase::kFailed);
  EXPECT_NE(harness_.node().failure(), "");
}

TEST_F(NodeTest, RecordsWithoutAnIdentityAreRefused) {
  boot_with_records();
  harness_.crash();
  harness_.disk.files().erase("identity");
  harness_.boot();
  EXPECT_EQ(harness_.phase(), Phase::kFailed);
}

// --- time ----------------------------------------------------------------------------------------

TEST_F(NodeTest, OldRecordsGoAndNewOnesStay) {
  harness_.config.retention_check_interval = Duration::seconds(60);
  harness_.boot();
  create_topic(client_, "short", 1, {{"retention.ms", "3600000"}, {"segment.ms", "600000"}});
  const auto append = [&](const std::string& value) {
    EXPECT_EQ(
        produce(client_, "short", 0, batch_of({value}, harness_.now().wall.millis)).error_code,
        ErrorCode::kNone);
  };
  append("old");
  harness_.advance(Duration::seconds(1'800));
  append("young");
  harness_.advance(Duration::seconds(2'400));
  append("new");
  harness_.advance(Duration::seconds(120));
  EXPECT_EQ(fetch(client_, "short", 0, 0).error_code, ErrorCode::kOffsetOutOfRange);
  const auto rest = records_in(fetch(client_, "short", 0, 1));
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].second, "young");
}

}  // namespace
}  // namespace magpie::node::testing
