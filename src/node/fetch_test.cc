// Fetch: what comes back, how much of it, and when.
#include <gtest/gtest.h>

#include <set>

#include "node/testing/topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/incremental_alter_configs.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;
using wire::FetchRequest;
using wire::FetchResponse;

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    harness_.boot();
    create_topic(client_, "t", 3);
  }

  // One batch of `count` records of ten bytes each.
  void append(int32_t partition, int count) {
    const auto answer =
        produce(client_, "t", partition,
                batch_of(std::vector<std::string>(static_cast<size_t>(count), "0123456789")));
    ASSERT_EQ(answer.error_code, ErrorCode::kNone);
  }
  FetchRequest waiting(int64_t offset, int32_t max_wait_ms, int32_t min_bytes) {
    FetchRequest request = fetch_request("t", 0, offset);
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = min_bytes;
    return request;
  }
  static size_t bytes_of(const FetchResponse::Partition& partition) {
    return partition.records ? size_of(*partition.records) : 0;
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(FetchTest, EveryVersionReturnsTheRecords) {
  append(0, 2);
  for (int version = 4; version <= 12; ++version) {
    const auto answer = fetch(client_, "t", 0, 0, version);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
    EXPECT_EQ(answer.high_watermark, 2) << version;
    EXPECT_EQ(answer.last_stable_offset, 2) << version;
    EXPECT_EQ(records_in(answer).size(), 2u) << version;
  }
}

TEST_F(FetchTest, AnEmptyPartitionBeginsAndEndsAtZero) {
  const auto answer = fetch(client_, "t", 0, 0);
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.high_watermark, 0) << "nothing hidden is stored in a topic of users";
  EXPECT_EQ(answer.log_start_offset, 0);
  EXPECT_EQ(bytes_of(answer), 0u);
  append(0, 1);
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0))[0].first, 0);
}

TEST_F(FetchTest, AnOffsetInsideABatchReturnsThatWholeBatch) {
  append(0, 5);
  append(0, 5);
  for (const int64_t offset : {0, 3, 4}) {
    EXPECT_EQ(records_in(fetch(client_, "t", 0, offset))[0].first, 0) << offset;
  }
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 7))[0].first, 5);
}

TEST_F(FetchTest, OffsetsHaveNoGaps) {
  for (int i = 1; i <= 5; ++i) append(0, i);
  const auto records = records_in(fetch(client_, "t", 0, 0));
  ASSERT_EQ(records.size(), 15u);
  for (size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].first, static_cast<int64_t>(i));
}

TEST_F(FetchTest, ReadCommittedSeesTheSameAndAnEmptyListOfAbortedTransactions) {
  append(0, 2);
  FetchRequest request = fetch_request("t", 0, 0);
  request.isolation_level = 1;
  const auto committed = client_.call<FetchResponse>(request).responses[0].partitions[0];
  EXPECT_EQ(committed.last_stable_offset, committed.high_watermark);
  ASSERT_TRUE(committed.aborted_transactions);
  EXPECT_TRUE(committed.aborted_transactions->empty());
  EXPECT_EQ(records_in(committed).size(), 2u);
  EXPECT_FALSE(fetch(client_, "t", 0, 0).aborted_transactions);
}

TEST_F(FetchTest, NothingIsReadableBeforeItIsDurable) {
  harness_.disk.hold(true);
  TestClient producer(harness_);
  producer.send(produce_request("t", 0, batch_of({"a"})), 9);
  harness_.settle();
  const auto before = fetch(client_, "t", 0, 0);
  EXPECT_EQ(before.high_watermark, 0);
  EXPECT_EQ(bytes_of(before), 0u);
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 1u);
}

// --- errors --------------------------------------------------------------------------------------

TEST_F(FetchTest, OffsetsOutsideTheLogAreOutOfRange) {
  append(0, 5);
  EXPECT_EQ(fetch(client_, "t", 0, 5).error_code, ErrorCode::kNone) << "the end can be waited at";
  EXPECT_EQ(fetch(client_, "t", 0, 6).error_code, ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ(fetch(client_, "t", 0, -1).error_code, ErrorCode::kOffsetOutOfRange);
  wire::DeleteRecordsRequest request;
  request.topics.push_back({"t", {{0, 5}}});
  client_.call<wire::DeleteRecordsResponse>(request);
  const auto below = fetch(client_, "t", 0, 4);
  EXPECT_EQ(below.error_code, ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ(below.log_start_offset, 5) << "the client learns where to go on";
}

TEST_F(FetchTest, UnknownTopicsAndPartitionsAreNamed) {
  EXPECT_EQ(fetch(client_, "missing", 0, 0).error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(fetch(client_, "t", 3, 0).error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(fetch(client_, "t", -1, 0).error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(FetchTest, TheEpochTheClientKnowsIsComparedWithOurs) {
  const int32_t epoch = [&] {
    harness_.crash();
    harness_.boot();
    client_.forget_connection();
    append(0, 1);
    return record::parse_header(flatten(*fetch(client_, "t", 0, 0).records).bytes())
        .leader_epoch.value;
  }();
  FetchRequest request = fetch_request("t", 0, 0);
  const auto error_with = [&](int32_t known) {
    request.topics[0].partitions[0].current_leader_epoch = known;
    return client_.call<FetchResponse>(request).responses[0].partitions[0].error_code;
  };
  EXPECT_EQ(error_with(-1), ErrorCode::kNone);
  EXPECT_EQ(error_with(epoch), ErrorCode::kNone);
  EXPECT_EQ(error_with(epoch - 1), ErrorCode::kFencedLeaderEpoch);
  EXPECT_EQ(error_with(epoch + 1), ErrorCode::kUnknownLeaderEpoch);
}

// Java's consumer throws away the whole fetch, and itself, on any other code.
TEST_F(FetchTest, OnlyErrorsThatJavaExpectsAreAnswered) {
  const std::set<ErrorCode> expected = {
      ErrorCode::kNone,
      ErrorCode::kNotLeaderOrFollower,
      ErrorCode::kReplicaNotAvailable,
      ErrorCode::kKafkaStorageError,
      ErrorCode::kFencedLeaderEpoch,
      ErrorCode::kOffsetNotAvailable,
      ErrorCode::kUnknownTopicOrPartition,
      ErrorCode::kUnknownTopicId,
      ErrorCode::kInconsistentTopicId,
      ErrorCode::kOffsetOutOfRange,
      ErrorCode::kTopicAuthorizationFailed,
      ErrorCode::kUnknownLeaderEpoch,
      ErrorCode::kUnknownServerError,
      ErrorCode::kCorruptMessage,
  };
  append(0, 3);
  harness_.crash();
  // Destroy what is stored, so that every kind of trouble is met: damaged, missing, unknown.
  for (auto& [path, content] : harness_.disk.files()) {
    if (path.starts_with("topics/t-0/") && path.ends_with(".log")) content[20] ^= 1;
  }
  std::erase_if(harness_.disk.files(),
                [](const auto& file) { return file.first.starts_with("topics/t-1/"); });
  harness_.boot();
  client_.forget_connection();
  std::set<ErrorCode> seen;
  for (const char* topic : {"t", "missing", "", "__consumer_offsets"}) {
    for (const int32_t partition : {-1, 0, 1, 2, 99}) {
      for (const int64_t offset : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{99}, INT64_MAX}) {
        for (const int32_t epoch : {-1, 0, 1, 2, 99}) {
          FetchRequest request = fetch_request(topic, partition, offset);
          request.topics[0].partitions[0].current_leader_epoch = epoch;
          request.topics[0].partitions[0].last_fetched_epoch = epoch;
          const auto error =
              client_.call<FetchResponse>(request).responses[0].partitions[0].error_code;
          EXPECT_TRUE(expected.contains(error)) << wire::to_string(error);
          seen.insert(error);
        }
      }
    }
  }
  EXPECT_TRUE(seen.contains(ErrorCode::kKafkaStorageError));
  EXPECT_TRUE(seen.contains(ErrorCode::kOffsetOutOfRange));
  EXPECT_TRUE(seen.contains(ErrorCode::kFencedLeaderEpoch));
}

TEST_F(FetchTest, ATopicStoredAsZstdIsRefusedToClientsThatCannotReadIt) {
  create_topic(client_, "packed", 1, {{"compression.type", "zstd"}});
  produce(client_, "packed", 0, batch_of({"a"}, 1'000, record::Codec::kZstd));
  EXPECT_EQ(fetch(client_, "packed", 0, 0, 9).error_code, ErrorCode::kUnsupportedCompressionType);
  EXPECT_EQ(fetch(client_, "packed", 0, 0, 10).error_code, ErrorCode::kNone);
}

// --- how much ------------------------------------------------------------------------------------

TEST_F(FetchTest, TheFirstBatchIsReturnedHoweverLargeItIs) {
  append(0, 100);
  append(0, 100);
  FetchRequest request = fetch_request("t", 0, 0);
  request.max_bytes = 1;
  request.topics[0].partitions[0].partition_max_bytes = 1;
  EXPECT_EQ(records_in(client_.call<FetchResponse>(request).responses[0].partitions[0]).size(),
            100u);
  request.max_bytes = 0;
  request.topics[0].partitions[0].partition_max_bytes = 0;
  EXPECT_EQ(records_in(client_.call<FetchResponse>(request).responses[0].partitions[0]).size(),
            100u);
}

TEST_F(FetchTest, OnlyTheFirstPartitionWithRecordsMayExceedTheLimit) {
  append(1, 100);
  append(2, 100);
  FetchRequest request = fetch_request("t", 0, 0);
  request.max_bytes = 10;
  auto& partitions = request.topics[0].partitions;
  partitions.push_back(partitions[0]);
  partitions.push_back(partitions[0]);
  for (int32_t i = 0; i < 3; ++i) partitions[static_cast<size_t>(i)].partition = i;
  const auto answer = client_.call<FetchResponse>(request).responses[0].partitions;
  EXPECT_EQ(bytes_of(answer[0]), 0u);
  EXPECT_EQ(records_in(answer[1]).size(), 100u);
  EXPECT_EQ(bytes_of(answer[2]), 0u);
  EXPECT_EQ(answer[2].error_code, ErrorCode::kNone);
}

TEST_F(FetchTest, ThePartitionLimitHoldsBackFurtherBatches) {
  for (int i = 0; i < 10; ++i) append(0, 10);
  FetchRequest request = fetch_request("t", 0, 0);
  const auto batch =
      static_cast<int32_t>(batch_of(std::vector<std::string>(10, "0123456789")).size());
  request.topics[0].partitions[0].partition_max_bytes = 3 * batch + 1;
  EXPECT_EQ(records_in(client_.call<FetchResponse>(request).responses[0].partitions[0]).size(),
            30u);
}

// --- waiting -------------------------------------------------------------------------------------

TEST_F(FetchTest, WaitsForMinBytesNoLongerThanMaxWait) {
  client_.send(waiting(0, 500, 1), 12);
  EXPECT_FALSE(client_.take_frame());
  harness_.advance(Duration::milliseconds(499));
  EXPECT_FALSE(client_.take_frame()) << "a client that gets nothing at once would spin";
  harness_.advance(Duration::milliseconds(2));
  const auto answer = client_.take<FetchResponse>(12);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->responses[0].partitions[0].error_code, ErrorCode::kNone);
}

TEST_F(FetchTest, AnAppendWakesWhoeverWaits) {
  client_.send(waiting(0, 60'000, 1), 12);
  TestClient producer(harness_);
  produce(producer, "t", 0, batch_of({"a"}));
  const auto answer = client_.take<FetchResponse>(12);
  ASSERT_TRUE(answer) << "no time may pass between the append and the answer";
  EXPECT_EQ(records_in(answer->responses[0].partitions[0]).size(), 1u);
}

TEST_F(FetchTest, AnAppendToAnotherPartitionWakesNobody) {
  client_.send(waiting(0, 60'000, 1), 12);
  TestClient producer(harness_);
  produce(producer, "t", 1, batch_of({"a"}));
  EXPECT_FALSE(client_.take_frame());
}

TEST_F(FetchTest, WaitsUntilThereIsEnough) {
  TestClient producer(harness_);
  const auto size = static_cast<int32_t>(batch_of({"a"}).size());
  client_.send(waiting(0, 60'000, 3 * size), 12);
  produce(producer, "t", 0, batch_of({"a"}));
  produce(producer, "t", 0, batch_of({"b"}));
  EXPECT_FALSE(client_.take_frame());
  produce(producer, "t", 0, batch_of({"c"}));
  const auto answer = client_.take<FetchResponse>(12);
  ASSERT_TRUE(answer);
  EXPECT_EQ(records_in(answer->responses[0].partitions[0]).size(), 3u);
}

// Only whole batches are handed out, so a minimum that equals the limit is never quite reached.
TEST_F(FetchTest, WhatTheLimitsDoNotAllowIsNotWaitedFor) {
  const auto batch =
      static_cast<int32_t>(batch_of(std::vector<std::string>(10, "0123456789")).size());
  for (int i = 0; i < 10; ++i) append(0, 10);
  FetchRequest request = waiting(0, 60'000, 4 * batch - 1);
  request.topics[0].partitions[0].partition_max_bytes = 4 * batch - 1;
  client_.send(request, 12);
  const auto by_partition = client_.take<FetchResponse>(12);
  ASSERT_TRUE(by_partition) << "a consumer that lags would crawl";
  EXPECT_EQ(records_in(by_partition->responses[0].partitions[0]).size(), 30u);

  request = waiting(0, 60'000, 1'000'000);
  request.max_bytes = 4 * batch - 1;
  client_.send(request, 12);
  const auto by_request = client_.take<FetchResponse>(12);
  ASSERT_TRUE(by_request);
  EXPECT_EQ(records_in(by_request->responses[0].partitions[0]).size(), 30u);

  request.topics[0].partitions[0].fetch_offset = 80;  // all that is left, and less than asked for
  request.max_bytes = 1'000'000;
  client_.send(request, 12);
  EXPECT_FALSE(client_.take_frame());
}

TEST_F(FetchTest, APartitionThatFoundNoRoomIsReasonEnoughToAnswer) {
  append(0, 10);
  append(1, 100);
  FetchRequest request = waiting(0, 60'000, 1'000'000);
  request.max_bytes = 500;
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions[1].partition = 1;
  client_.send(request, 12);
  const auto answer = client_.take<FetchResponse>(12);
  ASSERT_TRUE(answer);
  EXPECT_EQ(records_in(answer->responses[0].partitions[0]).size(), 10u);
  EXPECT_EQ(bytes_of(answer->responses[0].partitions[1]), 0u);
}

TEST_F(FetchTest, AnErrorIsAnsweredAtOnce) {
  FetchRequest request = waiting(99, 60'000, 1);
  client_.send(request, 12);
  EXPECT_TRUE(client_.take<FetchResponse>(12));
  request.topics[0].topic = "missing";
  client_.send(request, 12);
  EXPECT_TRUE(client_.take<FetchResponse>(12));
}

TEST_F(FetchTest, AFetchOfNothingIsAnsweredAtOnce) {
  FetchRequest request;
  request.max_wait_ms = 60'000;
  request.min_bytes = 1;
  client_.send(request, 12);
  EXPECT_TRUE(client_.take<FetchResponse>(12));
}

TEST_F(FetchTest, ADeletedTopicAnswersWhoeverWaitsForIt) {
  client_.send(waiting(0, 60'000, 1), 12);
  TestClient admin(harness_);
  wire::DeleteTopicsRequest request;
  request.topic_names = {"t"};
  admin.call<wire::DeleteTopicsResponse>(request, 5);
  const auto answer = client_.take<FetchResponse>(12);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->responses[0].partitions[0].error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(FetchTest, AClientThatGoesAwayIsForgotten) {
  TestClient other(harness_);
  other.send(waiting(0, 1'000, 1), 12);
  client_.send(waiting(0, 1'000, 1), 12);
  client_.disconnect();
  TestClient producer(harness_);
  EXPECT_EQ(produce(producer, "t", 0, batch_of({"a"})).error_code, ErrorCode::kNone);
  EXPECT_TRUE(other.take<FetchResponse>(12)) << "and nobody else with it";
  harness_.advance(Duration::seconds(2));
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
}

// --- sessions (KIP-227) --------------------------------------------------------------------------

TEST_F(FetchTest, NoSessionIsEverGivenOut) {
  append(0, 1);
  for (const int32_t epoch : {0, -1}) {
    FetchRequest request = fetch_request("t", 0, 0);
    request.session_epoch = epoch;
    const auto answer = client_.call<FetchResponse>(request);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone);
    EXPECT_EQ(answer.session_id, 0);
    EXPECT_EQ(records_in(answer.responses[0].partitions[0]).size(), 1u);
  }
}

TEST_F(FetchTest, ASessionOfAnotherBrokerIsNotFound) {
  FetchRequest request = fetch_request("t", 0, 0);
  request.session_id = 1'234;
  request.session_epoch = 1;
  request.max_wait_ms = 60'000;
  request.min_bytes = 1;
  for (int version = 7; version <= 12; ++version) {
    client_.send(request, version);
    const auto answer = client_.take<FetchResponse>(version);
    ASSERT_TRUE(answer) << version;
    EXPECT_EQ(answer->error_code, ErrorCode::kFetchSessionIdNotFound) << version;
    EXPECT_TRUE(answer->responses.empty()) << version;
  }
}

TEST_F(FetchTest, ASessionOfAnotherBrokerCanBeClosedOrReplaced) {
  append(0, 1);
  for (const int32_t epoch : {0, -1}) {
    FetchRequest request = fetch_request("t", 0, 0);
    request.session_id = 1'234;
    request.session_epoch = epoch;
    const auto answer = client_.call<FetchResponse>(request);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone);
    EXPECT_EQ(records_in(answer.responses[0].partitions[0]).size(), 1u);
  }
}

}  // namespace
}  // namespace magpie::node::testing
