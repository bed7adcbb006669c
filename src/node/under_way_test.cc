// Requests that wait for the disk while the world changes around them: a topic is deleted, the
// client goes, the disk fails.
#include <gtest/gtest.h>

#include "node/testing/topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/list_offsets.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class UnderWayTest : public ::testing::Test {
 protected:
  UnderWayTest() {
    harness_.config.limits.recent_batches_bytes = 1;  // everything is read from the disk
    harness_.boot();
    create_topic(admin_, "t", 2);
    for (const char* value : {"a", "b", "c"}) {
      EXPECT_EQ(produce(admin_, "t", 0, batch_of({value})).error_code, ErrorCode::kNone);
    }
    restart();
  }

  void restart() {
    harness_.crash();
    harness_.boot();
    client_.forget_connection();
    admin_.forget_connection();
  }
  // From now on partition 0 of t hears nothing of its files.
  void hold_partition() { harness_.disk.hold_below("topics/t-0/0"); }
  void release() {
    harness_.disk.hold(false);
    harness_.settle();
  }
  void delete_topic() {
    wire::DeleteTopicsRequest request;
    request.topic_names = {"t"};
    const auto answer = admin_.call<wire::DeleteTopicsResponse>(request, 5);
    ASSERT_EQ(answer.responses.at(0).error_code, ErrorCode::kNone);
  }
  static wire::ListOffsetsRequest by_time() {
    wire::ListOffsetsRequest request;
    request.topics.push_back({"t", {{0, -1, 500}, {1, -1, -1}}});
    return request;
  }

  NodeHarness harness_;
  TestClient client_{harness_};
  TestClient admin_{harness_};
};

TEST_F(UnderWayTest, RecordsAreReadFromTheDisk) {
  hold_partition();
  client_.send(fetch_request("t", 0, 0), 12);
  EXPECT_FALSE(client_.take_frame()) << "this must be a disk read, or the tests here test nothing";
  release();
  const auto answer = client_.take<wire::FetchResponse>(12);
  ASSERT_TRUE(answer);
  EXPECT_EQ(records_in(answer->responses[0].partitions[0]).size(), 3u);
}

TEST_F(UnderWayTest, AFetchOfADeletedTopicIsAnswered) {
  hold_partition();
  wire::FetchRequest request = fetch_request("t", 0, 0);
  request.max_wait_ms = 60'000;
  request.min_bytes = 1;
  client_.send(request, 12);
  EXPECT_FALSE(client_.take_frame());
  delete_topic();
  const auto answer = client_.take<wire::FetchResponse>(12);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->responses[0].partitions[0].error_code, ErrorCode::kNone);
  release();
  EXPECT_FALSE(client_.take_frame()) << "answered twice";
}

TEST_F(UnderWayTest, AProduceToADeletedTopicIsRefused) {
  hold_partition();
  client_.send(produce_request("t", 0, batch_of({"d"})), 9);
  EXPECT_FALSE(client_.take_frame());
  delete_topic();
  const auto answer = client_.take<wire::ProduceResponse>(9);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->responses[0].partition_responses[0].error_code,
            ErrorCode::kNotLeaderOrFollower);
  release();
  EXPECT_FALSE(client_.take_frame()) << "answered twice";
}

TEST_F(UnderWayTest, ALookUpInADeletedTopicIsAnswered) {
  hold_partition();
  client_.send(by_time(), 7);
  EXPECT_FALSE(client_.take_frame());
  delete_topic();
  const auto answer = client_.take<wire::ListOffsetsResponse>(7);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->topics[0].partitions[0].error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(answer->topics[0].partitions[1].error_code, ErrorCode::kNone);
  release();
  EXPECT_FALSE(client_.take_frame()) << "answered twice";
}

TEST_F(UnderWayTest, ALookUpWaitsForTheTopicsThatAreLeft) {
  create_topic(admin_, "u");
  produce(admin_, "u", 0, batch_of({"a"}));
  restart();
  harness_.disk.hold_below("topics/");
  wire::ListOffsetsRequest request = by_time();
  request.topics.push_back({"u", {{0, -1, 500}}});
  client_.send(request, 7);
  EXPECT_FALSE(client_.take_frame());
  wire::DeleteTopicsRequest remove;
  remove.topic_names = {"t"};
  admin_.send(remove, 5);
  EXPECT_FALSE(client_.take_frame()) << "one partition is still being searched";
  release();
  const auto answer = client_.take<wire::ListOffsetsResponse>(7);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->topics[0].partitions[0].error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(answer->topics[1].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer->topics[1].partitions[0].offset, 0);
}

TEST_F(UnderWayTest, ADeletionOfRecordsOfADeletedTopicIsAnswered) {
  harness_.disk.hold_below("topics/t-0/");
  wire::DeleteRecordsRequest request;
  request.topics.push_back({"t", {{0, 2}}});
  client_.send(request, 2);
  EXPECT_FALSE(client_.take_frame());
  delete_topic();
  const auto answer = client_.take<wire::DeleteRecordsResponse>(2);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->topics[0].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer->topics[0].partitions[0].low_watermark, -1);
  release();
  EXPECT_FALSE(client_.take_frame()) << "answered twice";
}

TEST_F(UnderWayTest, ADeletionOfRecordsWaitsForTheTopicsThatAreLeft) {
  create_topic(admin_, "u");
  produce(admin_, "u", 0, batch_of({"a", "b"}));
  harness_.disk.hold_below("topics/");
  wire::DeleteRecordsRequest request;
  request.topics = {{"t", {{0, 2}}}, {"u", {{0, 1}}}};
  client_.send(request, 2);
  wire::DeleteTopicsRequest remove;
  remove.topic_names = {"t"};
  admin_.send(remove, 5);
  EXPECT_FALSE(client_.take_frame()) << "one partition is still under way";
  release();
  const auto answer = client_.take<wire::DeleteRecordsResponse>(2);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->topics[0].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer->topics[1].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer->topics[1].partitions[0].low_watermark, 1);
}

TEST_F(UnderWayTest, APartitionIsCountedOnceHoweverOftenItsStartMoves) {
  create_topic(admin_, "u");
  produce(admin_, "u", 0, batch_of({"a", "b"}));
  harness_.disk.hold_below("topics/u-0/");
  wire::DeleteRecordsRequest request;
  request.topics = {{"t", {{0, 1}}}, {"u", {{0, 1}}}};
  client_.send(request, 2);
  wire::DeleteRecordsRequest again;
  again.topics = {{"t", {{0, 2}}}};
  admin_.call<wire::DeleteRecordsResponse>(again, 2);
  EXPECT_FALSE(client_.take_frame()) << "the other partition is still under way";
  release();
  const auto answer = client_.take<wire::DeleteRecordsResponse>(2);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->topics[1].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer->topics[1].partitions[0].low_watermark, 1);
}

TEST_F(UnderWayTest, AClientThatGoesAwayLeavesNothingBehind) {
  hold_partition();
  client_.send(produce_request("t", 0, batch_of({"d"})), 9);
  client_.send(fetch_request("t", 0, 0), 12);
  client_.send(by_time(), 7);
  client_.disconnect();
  release();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_EQ(fetch(admin_, "t", 0, 3).high_watermark, 4) << "what had begun is stored";
}

TEST_F(UnderWayTest, BytesThatRottedAreAStorageErrorNotAnEmptyAnswer) {
  harness_.disk.files().at("topics/t-0/00000000000000000000.log")[17] ^= 1;
  client_.send(fetch_request("t", 0, 0), 12);
  harness_.settle();
  const auto answer = client_.take<wire::FetchResponse>(12);
  ASSERT_TRUE(answer);
  const auto& partition = answer->responses[0].partitions[0];
  EXPECT_EQ(partition.error_code, ErrorCode::kKafkaStorageError);
  EXPECT_TRUE(!partition.records || size_of(*partition.records) == 0);
}

TEST_F(UnderWayTest, TheRoomLeftIsSharedByReadsThatAreUnderWay) {
  for (int i = 0; i < 10; ++i) {
    produce(admin_, "t", 1, batch_of({std::string(1'000, 'x')}));
    produce(admin_, "t", 0, batch_of({std::string(1'000, 'x')}));
  }
  restart();
  wire::FetchRequest request = fetch_request("t", 0, 3);
  request.max_bytes = 5'000;
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions[1].partition = 1;
  request.topics[0].partitions[1].fetch_offset = 0;
  const auto answer = client_.call<wire::FetchResponse>(request);
  size_t bytes = 0;
  for (const auto& partition : answer.responses[0].partitions) {
    EXPECT_EQ(partition.error_code, ErrorCode::kNone);
    if (partition.records) bytes += size_of(*partition.records);
  }
  EXPECT_GT(bytes, 3'000u);
  EXPECT_LE(bytes, 5'000u);
}

}  // namespace
}  // namespace magpie::node::testing
