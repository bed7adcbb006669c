// ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where a log begins, ends, and was when.
#include <gtest/gtest.h>

#include "node/testing/topics.h"
#include "record/builder.h"
#include "wire/delete_records.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"
#include "wire/offset_for_leader_epoch.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

constexpr int64_t kLatest = -1;
constexpr int64_t kEarliest = -2;
constexpr int64_t kLargestTimestamp = -3;

class OffsetsTest : public ::testing::Test {
 protected:
  OffsetsTest() {
    harness_.boot();
    create_topic(client_, "t", 2);
  }

  // One batch with records of these times.
  void append(const std::vector<int64_t>& times, int32_t partition = 0) {
    record::BatchBuilder builder;
    for (const int64_t time : times) builder.add({time, "key", "value"});
    ASSERT_EQ(produce(client_, "t", partition, builder.build()).error_code, ErrorCode::kNone);
  }
  wire::ListOffsetsResponse::Partition look_up(int64_t timestamp, int version = 7,
                                               int32_t partition = 0, int32_t epoch = -1) {
    wire::ListOffsetsRequest request;
    request.replica_id = -1;
    request.topics.push_back({"t", {{partition, epoch, timestamp}}});
    const auto response = client_.call<wire::ListOffsetsResponse>(request, version);
    EXPECT_EQ(response.topics.size(), 1u);
    EXPECT_EQ(response.topics[0].partitions.size(), 1u);
    return response.topics[0].partitions[0];
  }
  wire::DeleteRecordsResponse::Partition delete_before(int64_t offset, int version = 2) {
    wire::DeleteRecordsRequest request;
    request.topics.push_back({"t", {{0, offset}}});
    return client_.call<wire::DeleteRecordsResponse>(request, version).topics[0].partitions[0];
  }
  wire::OffsetForLeaderEpochResponse::Partition end_of(int32_t epoch, int32_t current = -1,
                                                       int version = 4) {
    wire::OffsetForLeaderEpochRequest request;
    request.topics.push_back({"t", {{0, current, epoch}}});
    return client_.call<wire::OffsetForLeaderEpochResponse>(request, version)
        .topics[0]
        .partitions[0];
  }
  int32_t epoch() {
    wire::MetadataRequest request;
    request.topics.emplace().push_back({{}, "t"});
    return client_.call<wire::MetadataResponse>(request).topics[0].partitions[0].leader_epoch;
  }
  void restart() {
    harness_.crash();
    harness_.boot();
    client_.forget_connection();
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(OffsetsTest, EarliestAndLatestInEveryVersion) {
  append({1'000, 2'000, 3'000});
  for (int version = 1; version <= 7; ++version) {
    EXPECT_EQ(look_up(kLatest, version).offset, 3) << version;
    EXPECT_EQ(look_up(kEarliest, version).offset, 0) << version;
    EXPECT_EQ(look_up(kLatest, version).timestamp, -1) << version;
  }
}

TEST_F(OffsetsTest, AnEmptyPartitionBeginsAndEndsAtZero) {
  EXPECT_EQ(look_up(kLatest).offset, 0);
  EXPECT_EQ(look_up(kEarliest).offset, 0);
  EXPECT_EQ(look_up(kLargestTimestamp).offset, -1);
  EXPECT_EQ(look_up(0).offset, -1);
}

TEST_F(OffsetsTest, LatestIsNotBeyondWhatIsDurable) {
  append({1'000});
  harness_.disk.hold(true);
  TestClient producer(harness_);
  producer.send(produce_request("t", 0, batch_of({"a"})), 9);
  EXPECT_EQ(look_up(kLatest).offset, 1);
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(look_up(kLatest).offset, 2);
}

TEST_F(OffsetsTest, ATimeFindsTheFirstRecordAtOrAfterIt) {
  append({1'000, 2'000});
  append({3'000, 2'500, 4'000});
  const auto expect = [&](int64_t time, int64_t offset, int64_t timestamp) {
    const auto found = look_up(time);
    EXPECT_EQ(found.error_code, ErrorCode::kNone);
    EXPECT_EQ(found.offset, offset) << time;
    EXPECT_EQ(found.timestamp, timestamp) << time;
  };
  expect(0, 0, 1'000);
  expect(1'000, 0, 1'000);
  expect(1'001, 1, 2'000);
  expect(2'001, 2, 3'000);
  expect(3'001, 4, 4'000);
  expect(4'001, -1, -1);
}

TEST_F(OffsetsTest, TheLargestTimestampIsFoundWhereverItIs) {
  append({1'000, 9'000, 2'000});
  append({3'000});
  const auto found = look_up(kLargestTimestamp);
  EXPECT_EQ(found.offset, 1);
  EXPECT_EQ(found.timestamp, 9'000);
}

TEST_F(OffsetsTest, TimestampsThatMeanNothingHereAreRefused) {
  for (const int64_t special : {int64_t{-4}, int64_t{-5}, int64_t{-6}, INT64_MIN}) {
    EXPECT_EQ(look_up(special).error_code, ErrorCode::kUnsupportedVersion) << special;
  }
}

TEST_F(OffsetsTest, FoundOffsetsCarryTheEpochTheyWereWrittenIn) {
  append({1'000});
  const int32_t first = epoch();
  restart();
  append({2'000});
  EXPECT_EQ(look_up(kEarliest).leader_epoch, first);
  EXPECT_EQ(look_up(2'000).leader_epoch, epoch());
  EXPECT_EQ(look_up(kLatest).leader_epoch, epoch());
}

TEST_F(OffsetsTest, LookUpsAreFencedByTheEpoch) {
  EXPECT_EQ(look_up(kLatest, 7, 0, epoch()).error_code, ErrorCode::kNone);
  EXPECT_EQ(look_up(kLatest, 7, 0, epoch() + 1).error_code, ErrorCode::kUnknownLeaderEpoch);
  restart();
  EXPECT_EQ(look_up(kLatest, 7, 0, epoch() - 1).error_code, ErrorCode::kFencedLeaderEpoch);
  EXPECT_EQ(look_up(kLatest, 7, 5).error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(OffsetsTest, SeveralPartitionsAreAnsweredInTheOrderOfTheRequest) {
  append({1'000}, 1);
  wire::ListOffsetsRequest request;
  request.topics.push_back({"t", {{1, -1, 500}, {0, -1, kLatest}, {9, -1, kLatest}, {1, -1, -2}}});
  request.topics.push_back({"missing", {{0, -1, kLatest}}});
  const auto response = client_.call<wire::ListOffsetsResponse>(request);
  ASSERT_EQ(response.topics.size(), 2u);
  const auto& partitions = response.topics[0].partitions;
  ASSERT_EQ(partitions.size(), 4u);
  EXPECT_EQ(partitions[0].partition_index, 1);
  EXPECT_EQ(partitions[0].offset, 0);
  EXPECT_EQ(partitions[0].timestamp, 1'000);
  EXPECT_EQ(partitions[2].error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(partitions[2].offset, -1);
  EXPECT_EQ(response.topics[1].partitions[0].error_code, ErrorCode::kUnknownTopicOrPartition);
}

// --- OffsetForLeaderEpoch ------------------------------------------------------------------------

TEST_F(OffsetsTest, AnEpochEndsWhereTheNextOneThatWroteBegins) {
  append({1'000, 1'000});
  const int32_t first = epoch();
  restart();  // an epoch that writes nothing
  restart();
  append({1'000});
  const int32_t third = epoch();
  ASSERT_EQ(third, first + 2);
  for (int version = 2; version <= 4; ++version) {
    EXPECT_EQ(end_of(first, -1, version).leader_epoch, first) << version;
    EXPECT_EQ(end_of(first, -1, version).end_offset, 2) << version;
    EXPECT_EQ(end_of(third, -1, version).leader_epoch, third) << version;
    EXPECT_EQ(end_of(third, -1, version).end_offset, 3) << version;
  }
  EXPECT_EQ(end_of(first + 1).leader_epoch, first) << "the largest one that is not larger";
  EXPECT_EQ(end_of(first + 1).end_offset, 2);
}

TEST_F(OffsetsTest, AnEpochFromTheFutureHasNoEnd) {
  append({1'000});
  const auto answer = end_of(epoch() + 1);
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.leader_epoch, -1);
  EXPECT_EQ(answer.end_offset, -1);
}

TEST_F(OffsetsTest, EveryQuestionAboutAnEpochIsAnswered) {
  append({1'000}, 1);
  wire::OffsetForLeaderEpochRequest request;
  request.topics.push_back({"t", {{1, -1, epoch()}, {0, -1, epoch()}, {7, -1, 0}}});
  request.topics.push_back({"missing", {{0, -1, 0}}});
  const auto answer = client_.call<wire::OffsetForLeaderEpochResponse>(request).topics;
  ASSERT_EQ(answer.size(), 2u);
  ASSERT_EQ(answer[0].partitions.size(), 3u);
  EXPECT_EQ(answer[0].partitions[0].partition, 1);
  EXPECT_EQ(answer[0].partitions[0].end_offset, 1);
  EXPECT_EQ(answer[0].partitions[1].partition, 0);
  EXPECT_EQ(answer[0].partitions[1].end_offset, 0);
  EXPECT_EQ(answer[0].partitions[2].partition, 7);
  EXPECT_EQ(answer[0].partitions[2].error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(answer[1].topic, "missing");
  EXPECT_EQ(answer[1].partitions[0].error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(OffsetsTest, QuestionsAboutEpochsAreFencedToo) {
  EXPECT_EQ(end_of(epoch(), epoch()).error_code, ErrorCode::kNone);
  EXPECT_EQ(end_of(epoch(), epoch() + 1).error_code, ErrorCode::kUnknownLeaderEpoch);
  restart();
  EXPECT_EQ(end_of(epoch(), epoch() - 1).error_code, ErrorCode::kFencedLeaderEpoch);
}

// --- DeleteRecords -------------------------------------------------------------------------------

TEST_F(OffsetsTest, DeletingRecordsMovesTheStart) {
  append({1'000, 1'000, 1'000, 1'000});
  for (int version = 0; version <= 2; ++version) {
    const auto answer = delete_before(version + 1, version);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
    EXPECT_EQ(answer.low_watermark, version + 1) << version;
    EXPECT_EQ(look_up(kEarliest).offset, version + 1) << version;
  }
  EXPECT_EQ(delete_before(1).low_watermark, 3) << "the start never goes back";
  restart();
  EXPECT_EQ(look_up(kEarliest).offset, 3);
  EXPECT_EQ(look_up(kLatest).offset, 4);
}

TEST_F(OffsetsTest, MinusOneDeletesEverything) {
  append({1'000, 1'000});
  EXPECT_EQ(delete_before(-1).low_watermark, 2);
  EXPECT_EQ(look_up(kEarliest).offset, 2);
  append({1'000});
  EXPECT_EQ(look_up(kLatest).offset, 3);
}

TEST_F(OffsetsTest, DeletingBeyondTheEndIsOutOfRangeAndDeletesNothing) {
  append({1'000, 1'000});
  for (const int64_t offset : {int64_t{3}, int64_t{-2}, INT64_MAX, INT64_MIN}) {
    const auto answer = delete_before(offset);
    EXPECT_EQ(answer.error_code, ErrorCode::kOffsetOutOfRange) << offset;
    EXPECT_EQ(answer.low_watermark, -1) << offset;
  }
  EXPECT_EQ(look_up(kEarliest).offset, 0);
}

TEST_F(OffsetsTest, DeletingFromWhatDoesNotExistIsNamed) {
  wire::DeleteRecordsRequest request;
  request.topics = {{"t", {{7, 0}}}, {"missing", {{0, 0}}}};
  const auto response = client_.call<wire::DeleteRecordsResponse>(request);
  ASSERT_EQ(response.topics.size(), 2u);
  for (const auto& topic : response.topics) {
    EXPECT_EQ(topic.partitions[0].error_code, ErrorCode::kUnknownTopicOrPartition) << topic.name;
    EXPECT_EQ(topic.partitions[0].low_watermark, -1) << topic.name;
  }
}

TEST_F(OffsetsTest, ADeletionIsAnsweredOnceItIsDurable) {
  append({1'000, 1'000});
  harness_.disk.hold(true);
  wire::DeleteRecordsRequest request;
  request.topics.push_back({"t", {{0, 1}}});
  client_.send(request, 2);
  EXPECT_FALSE(client_.take_frame());
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_TRUE(client_.take<wire::DeleteRecordsResponse>(2));
}

}  // namespace
}  // namespace magpie::node::testing
