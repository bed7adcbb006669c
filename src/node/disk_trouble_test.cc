// What clients and operators see while the disk refuses to write or has lost bytes.
#include <gtest/gtest.h>

#include "node/testing/topics.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/incremental_alter_configs.h"
#include "wire/init_producer_id.h"
#include "wire/join_group.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"
#include "wire/offset_commit.h"
#include "wire/offset_fetch.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class DiskTroubleTest : public ::testing::Test {
 protected:
  DiskTroubleTest() {
    harness_.boot();
    create_topic(client_, "t");
    produce(client_, "t", 0, batch_of({"a", "b"}));
    EXPECT_EQ(commit(1), ErrorCode::kNone);
  }

  void refuse_writes() {
    harness_.disk.set_write_error(Error{ErrorKind::kNoSpace, "no space left on device"});
  }
  void heal() {
    harness_.disk.set_write_error(std::nullopt);
    harness_.advance(Duration::seconds(10));
  }
  void restart() {
    harness_.crash();
    harness_.boot();
    client_.forget_connection();
  }
  ErrorCode commit(int64_t offset) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({0, offset, -1, std::nullopt});
    return client_.call<wire::OffsetCommitResponse>(request)
        .topics.at(0)
        .partitions.at(0)
        .error_code;
  }
  wire::OffsetFetchResponse position() {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace().push_back({"t", {0}});
    return client_.call<wire::OffsetFetchResponse>(request, 7);
  }
  std::string& groups_log() {
    return harness_.disk.files().at("topics/__consumer_offsets-0/00000000000000000000.log");
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(DiskTroubleTest, PositionsAreNotAcknowledgedAndTheFormerOnesStay) {
  refuse_writes();
  EXPECT_EQ(commit(2), ErrorCode::kCoordinatorNotAvailable) << "clients try again";
  EXPECT_EQ(position().topics.at(0).partitions.at(0).committed_offset, 1);
  heal();
  EXPECT_EQ(commit(2), ErrorCode::kNone);
  restart();
  EXPECT_EQ(position().topics.at(0).partitions.at(0).committed_offset, 2);
}

TEST_F(DiskTroubleTest, AdministrationIsRefusedAndChangesNothing) {
  refuse_writes();
  wire::CreateTopicsRequest create;
  create.topics.emplace_back().name = "u";
  create.topics[0].num_partitions = 1;
  create.topics[0].replication_factor = 1;
  EXPECT_EQ(client_.call<wire::CreateTopicsResponse>(create).topics.at(0).error_code,
            ErrorCode::kKafkaStorageError);
  wire::DeleteTopicsRequest remove;
  remove.topic_names = {"t"};
  EXPECT_EQ(client_.call<wire::DeleteTopicsResponse>(remove, 5).responses.at(0).error_code,
            ErrorCode::kKafkaStorageError);
  wire::CreatePartitionsRequest grow;
  grow.topics.push_back({"t", 2, std::nullopt});
  EXPECT_EQ(client_.call<wire::CreatePartitionsResponse>(grow).results.at(0).error_code,
            ErrorCode::kKafkaStorageError);
  wire::IncrementalAlterConfigsRequest alter;
  alter.resources.push_back({2, "t", {{"segment.ms", 0, "60000"}}});
  EXPECT_EQ(client_.call<wire::IncrementalAlterConfigsResponse>(alter).responses.at(0).error_code,
            ErrorCode::kKafkaStorageError);
  heal();
  EXPECT_EQ(client_.call<wire::CreateTopicsResponse>(create).topics.at(0).error_code,
            ErrorCode::kNone);
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 2u);
}

TEST_F(DiskTroubleTest, ADeletionOfRecordsThatCannotBeStoredIsAnError) {
  refuse_writes();
  wire::DeleteRecordsRequest request;
  request.topics.push_back({"t", {{0, 1}}});
  const auto answer = client_.call<wire::DeleteRecordsResponse>(request);
  EXPECT_EQ(answer.topics[0].partitions[0].error_code, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(answer.topics[0].partitions[0].low_watermark, -1);
  EXPECT_EQ(fetch(client_, "t", 0, 0).log_start_offset, 0);
}

TEST_F(DiskTroubleTest, ProducerIdsRunOutAndComeBack) {
  refuse_writes();
  ErrorCode error = ErrorCode::kNone;
  for (int i = 0; i < 5'000 && error == ErrorCode::kNone; ++i) {
    error = client_.call<wire::InitProducerIdResponse>(wire::InitProducerIdRequest()).error_code;
  }
  EXPECT_EQ(error, ErrorCode::kCoordinatorLoadInProgress) << "every client tries that again";
  heal();
  client_.call<wire::InitProducerIdResponse>(wire::InitProducerIdRequest());
  EXPECT_EQ(client_.call<wire::InitProducerIdResponse>(wire::InitProducerIdRequest()).error_code,
            ErrorCode::kNone);
}

TEST_F(DiskTroubleTest, TheOperatorIsToldAndToldWhenItIsOver) {
  EXPECT_EQ(harness_.http("GET", "/readyz").status, 200);
  refuse_writes();
  produce(client_, "t", 0, batch_of({"c"}));
  const auto trouble = harness_.http("GET", "/readyz");
  EXPECT_EQ(trouble.status, 503);
  EXPECT_NE(trouble.body.find("no space left on device"), std::string::npos) << trouble.body;
  EXPECT_TRUE(harness_.has_logged("storage_failed"));
  const std::string topic = harness_.http("GET", "/v1/topics/t").body;
  EXPECT_NE(topic.find("no space left on device"), std::string::npos) << topic;
  heal();
  EXPECT_EQ(harness_.http("GET", "/readyz").status, 200);
  EXPECT_TRUE(harness_.has_logged("storage_recovered"));
}

TEST_F(DiskTroubleTest, ALookUpThatMeetsRottenBytesIsAnError) {
  harness_.config.limits.recent_batches_bytes = 1;
  restart();
  harness_.disk.files().at("topics/t-0/00000000000000000000.log")[70] ^= 1;
  wire::ListOffsetsRequest request;
  request.topics.push_back({"t", {{0, -1, 500}}});
  const auto answer = client_.call<wire::ListOffsetsResponse>(request).topics[0].partitions[0];
  EXPECT_EQ(answer.error_code, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(answer.offset, -1);
}

// Half of the positions would make consumers skip records or read them again without a word.
TEST_F(DiskTroubleTest, GroupsAreNotServedFromDamagedRecords) {
  commit(2);
  harness_.crash();
  groups_log()[20] ^= 1;
  harness_.boot();
  client_.forget_connection();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_EQ(position().error_code, ErrorCode::kNotCoordinator);
  EXPECT_EQ(commit(3), ErrorCode::kNotCoordinator);
  EXPECT_EQ(harness_.http("GET", "/readyz").status, 503);
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 2u) << "topics are served all the same";
}

// A record that is whole but is not one of a group: written by something newer, or by a mistake.
TEST_F(DiskTroubleTest, GroupsAreNotServedFromRecordsNobodyUnderstands) {
  harness_.crash();
  const record::BatchHeader first = record::parse_header(
      std::as_bytes(std::span(groups_log().data(), record::kBatchHeaderBytes)));
  Buffer batch = Buffer::copy_of(batch_of({"not a position"}).text());
  record::stamp(batch.mutable_bytes(), first.next_offset(), first.leader_epoch);
  groups_log() = groups_log().substr(0, first.size_bytes()) + std::string(batch.text());
  harness_.boot();
  client_.forget_connection();
  EXPECT_EQ(position().error_code, ErrorCode::kNotCoordinator);
  const auto ready = harness_.http("GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("offset 1"), std::string::npos) << ready.body;
}

TEST_F(DiskTroubleTest, AStartOnAFullDiskWaitsForRoom) {
  harness_.crash();
  refuse_writes();
  harness_.boot();
  client_.forget_connection();
  EXPECT_EQ(harness_.phase(), Phase::kStarting) << "a new epoch must be durable before it is used";
  heal();
  EXPECT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 2u);
}

TEST_F(DiskTroubleTest, AFirstStartThatRunsOutOfDiskHalfWayGoesOnWhenThereIsRoom) {
  NodeHarness harness;
  harness.boot_until([&] { return harness.has_logged("state_read"); });
  harness.disk.set_write_error(Error{ErrorKind::kNoSpace, "no space left on device"});
  harness.settle();
  harness.advance(Duration::seconds(60));
  EXPECT_EQ(harness.phase(), Phase::kStarting);
  harness.disk.set_write_error(std::nullopt);
  harness.advance(Duration::seconds(10));
  EXPECT_EQ(harness.phase(), Phase::kRunning);
}

}  // namespace
}  // namespace magpie::node::testing
