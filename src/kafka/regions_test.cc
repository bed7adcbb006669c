// Requests to a node that is one of several: what leaders, followers and others answer.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "kafka/testing/regions_bench.h"
#include "record/builder.h"
#include "record/validate.h"
#include "wire/delete_records.h"
#include "wire/describe_groups.h"
#include "wire/error_code.h"
#include "wire/find_coordinator.h"
#include "wire/heartbeat.h"
#include "wire/list_groups.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"
#include "wire/offset_commit.h"
#include "wire/offset_fetch.h"
#include "wire/offset_for_leader_epoch.h"
#include "wire/produce.h"

namespace magpie::wire {

void PrintTo(ErrorCode code, std::ostream* out) {
  *out << to_string(code);
}

}  // namespace magpie::wire

namespace magpie::kafka {
namespace {

using wire::ErrorCode;
using wire::FetchResponse;

constexpr const char* kTopic = "orders";

class RegionsTest : public ::testing::Test {
 protected:
  // Node 2 leads the topic, node 3 consumer groups; this node has a copy of partition 0.
  RegionsTest() {
    control::FailoverGroup bulk = *control::preset("bulk");
    bulk.name = "bulk";
    bench_.set_group(bulk);
    bench_.create_topic(kTopic, 2, "bulk");
    bench_.lead_in_state("bulk", 2, 5, {});
    bench_.lead_in_state("system", 3, 6, {1});
    bench_.host(kTopic);
  }

  // This node follows in epoch 5 and has `count` records, of which `committed` may be read.
  void follow_with(int count, int committed) {
    bench_.follow(kTopic, 5);
    if (count > 0) bench_.copy_batch(kTopic, 0, count, 5);
    learn(committed);
  }
  void learn(int64_t high_watermark) {
    bench_.call(kTopic, [&](auto& partition, auto& out) {
      partition.learn(bench_.now, Offset{high_watermark}, Offset{0}, out);
    });
  }
  // It leads, node 2 and 3 follow; what it appends is committed at once.
  void lead_alone(int32_t epoch = 7) {
    bench_.lead_in_state("bulk", 1, epoch, {});
    bench_.lead(kTopic, epoch);
  }
  void set_consistency(control::Consistency consistency) {
    control::FailoverGroup group = *bench_.control.state().find_group("bulk");
    group.copies = 1;
    group.consistency = consistency;
    bench_.set_group(group);
  }

  static wire::ProduceRequest produce_request(int32_t index = 0) {
    record::BatchBuilder builder;
    builder.add({.timestamp = 1, .key = "k", .value = "v"});
    wire::ProduceRequest request;
    request.acks = -1;
    auto& topic = request.topic_data.emplace_back();
    topic.name = kTopic;
    topic.partition_data.push_back({index, builder.build()});
    return request;
  }
  wire::ProduceResponse produce(int version, int32_t index = 0) {
    return bench_.call_api<wire::ProduceResponse>(produce_request(index), version);
  }
  wire::ListOffsetsResponse::Partition list_offset(int64_t timestamp, int version = 7,
                                                   int32_t epoch = -1) {
    wire::ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = kTopic;
    topic.partitions.push_back(
        {.partition_index = 0, .current_leader_epoch = epoch, .timestamp = timestamp});
    return bench_.call_api<wire::ListOffsetsResponse>(request, version).topics[0].partitions[0];
  }
  wire::OffsetForLeaderEpochResponse::Partition epoch_end(int32_t epoch, int32_t current = -1) {
    wire::OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = kTopic;
    topic.partitions.push_back(
        {.partition = 0, .current_leader_epoch = current, .leader_epoch = epoch});
    const auto response = bench_.call_api<wire::OffsetForLeaderEpochResponse>(request, 4);
    return response.topics[0].partitions[0];
  }
  FetchResponse::Partition fetch_in_epoch(int64_t offset, int32_t current, int32_t last = -1) {
    wire::FetchRequest request = testing::RegionsBench::fetch_request(kTopic, offset);
    request.topics[0].partitions[0].current_leader_epoch = current;
    request.topics[0].partitions[0].last_fetched_epoch = last;
    return bench_.call_api<FetchResponse>(request, 12).responses[0].partitions[0];
  }
  // A fetch that may wait for a long time; the answer is taken later.
  void park(int64_t offset, int32_t epoch = -1) {
    wire::FetchRequest request = testing::RegionsBench::fetch_request(kTopic, offset, "", 60'000);
    request.topics[0].partitions[0].current_leader_epoch = epoch;
    bench_.send(request, 12);
  }
  std::optional<FetchResponse::Partition> parked() {
    auto response = bench_.take<FetchResponse>(12);
    if (!response) return std::nullopt;
    return response->responses[0].partitions[0];
  }
  // Offset of the first record and of the one after the last; nothing if there are none.
  static std::vector<int64_t> range(const FetchResponse::Partition& answer) {
    if (!answer.records || answer.records->empty()) return {};
    const auto batches = record::split_batches(flatten(*answer.records));
    return {record::parse_header(batches->front().bytes()).base_offset.value,
            record::parse_header(batches->back().bytes()).next_offset().value};
  }

  testing::RegionsBench bench_;
};

using Range = std::vector<int64_t>;

// --- who may answer ------------------------------------------------------------------------------

TEST_F(RegionsTest, ProducingToAFollowerNamesTheLeaderAndItsAddress) {
  follow_with(0, 0);
  const auto response = produce(10);
  const auto& answer = response.responses[0].partition_responses[0];
  EXPECT_EQ(answer.error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(answer.current_leader.leader_id, 2);
  EXPECT_EQ(answer.current_leader.leader_epoch, 5);
  ASSERT_EQ(response.node_endpoints.size(), 1u);
  EXPECT_EQ(response.node_endpoints[0].node_id, 2);
  EXPECT_EQ(response.node_endpoints[0].host, "sh.example");
  EXPECT_EQ(response.node_endpoints[0].rack, "sh");
}

TEST_F(RegionsTest, NoHintInVersionsThatDoNotKnowItOrWithoutALeaderThatLives) {
  follow_with(0, 0);
  EXPECT_EQ(produce(9).responses[0].partition_responses[0].current_leader.leader_id, -1);
  bench_.set_alive(2, false);
  const auto response = produce(11);
  EXPECT_EQ(response.responses[0].partition_responses[0].current_leader.leader_id, -1);
  EXPECT_TRUE(response.node_endpoints.empty());
}

TEST_F(RegionsTest, ANodeThatRefusesNeverNamesItself) {
  bench_.lead_in_state("bulk", 1, 7);  // the copy has not heard of it yet
  const auto response = produce(11);
  const auto& answer = response.responses[0].partition_responses[0];
  EXPECT_EQ(answer.error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(answer.current_leader.leader_id, -1);
}

TEST_F(RegionsTest, APartitionThatIsNotHereIsElsewhereAndNotUnknown) {
  const auto elsewhere = produce(11, 1).responses[0].partition_responses[0];
  EXPECT_EQ(elsewhere.error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(elsewhere.current_leader.leader_id, 2);
  EXPECT_EQ(produce(11, 2).responses[0].partition_responses[0].error_code,
            ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(bench_.fetch("nothing", 0).error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(RegionsTest, OnlyTheLeaderSaysWhereThePartitionAndItsEpochsEnd) {
  follow_with(3, 3);
  EXPECT_EQ(list_offset(-1).error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(epoch_end(5).error_code, ErrorCode::kNotLeaderOrFollower);
  wire::DeleteRecordsRequest request;
  request.topics.push_back({kTopic, {{0, 1}}});
  EXPECT_EQ(
      bench_.call_api<wire::DeleteRecordsResponse>(request, 2).topics[0].partitions[0].error_code,
      ErrorCode::kNotLeaderOrFollower);
}

TEST_F(RegionsTest, TheClientsLeaderEpochIsCheckedOnBothSides) {
  lead_alone(7);
  EXPECT_EQ(fetch_in_epoch(0, 6).error_code, ErrorCode::kFencedLeaderEpoch);
  EXPECT_EQ(fetch_in_epoch(0, 8).error_code, ErrorCode::kUnknownLeaderEpoch);
  EXPECT_EQ(fetch_in_epoch(0, 7).error_code, ErrorCode::kNone);
  EXPECT_EQ(list_offset(-1, 7, 6).error_code, ErrorCode::kFencedLeaderEpoch);
  EXPECT_EQ(epoch_end(5, 8).error_code, ErrorCode::kUnknownLeaderEpoch);
}

TEST_F(RegionsTest, ALeaderWithoutALeaseServesNothing) {
  lead_alone();
  bench_.append(kTopic, 3);
  bench_.call(kTopic, [](auto& partition, auto& out) { partition.hold_commits(true, out); });
  EXPECT_EQ(bench_.fetch(kTopic, 0).error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(list_offset(-1).error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(produce(11).responses[0].partition_responses[0].error_code,
            ErrorCode::kNotEnoughReplicas)
      << "nothing was stored, and the producer is to try again";
}

// The other region never answers; the record may be stored or not.
TEST_F(RegionsTest, AProduceRequestThatWaitsForAnotherRegionIsAnsweredInTime) {
  lead_alone();
  bench_.call(kTopic, [&](auto& partition, auto& out) {
    partition.require(bench_.now, {NodeId{2}}, out);
    partition.member_reconciled(NodeId{2}, Offset{0}, out);
  });
  wire::ProduceRequest request = produce_request();
  request.timeout_ms = 30'000;
  bench_.send(request, 11);
  bench_.advance(Duration::seconds(29));
  EXPECT_FALSE(bench_.take<wire::ProduceResponse>(11));
  bench_.advance(Duration::seconds(1));
  const auto late = bench_.take<wire::ProduceResponse>(11);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->responses[0].partition_responses[0].error_code, ErrorCode::kRequestTimedOut);
  EXPECT_EQ(late->responses[0].partition_responses[0].base_offset, -1);
  bench_.call(kTopic, [](auto& partition, auto& out) {
    partition.member_durable(NodeId{2}, Offset{1}, out);
  });
  EXPECT_FALSE(bench_.take<wire::ProduceResponse>(11)) << "it was answered";
  EXPECT_EQ(range(bench_.fetch(kTopic, 0)), (Range{0, 1})) << "and stored all the same";
}

// --- a term that has just begun ------------------------------------------------------------------

TEST_F(RegionsTest, TheEndIsNotSaidBeforeItIsKnown) {
  follow_with(10, 6);
  bench_.lead(kTopic, 7, {2}, false);
  EXPECT_EQ(list_offset(-1, 7).error_code, ErrorCode::kOffsetNotAvailable);
  EXPECT_EQ(list_offset(-1, 4).error_code, ErrorCode::kLeaderNotAvailable);
  EXPECT_EQ(list_offset(-3, 7).error_code, ErrorCode::kOffsetNotAvailable);
  EXPECT_EQ(list_offset(-2, 7).error_code, ErrorCode::kNone);
  EXPECT_EQ(list_offset(1'000, 7).offset, 0) << "what is known to be committed can be found";
  EXPECT_EQ(list_offset(99'000, 7).error_code, ErrorCode::kOffsetNotAvailable);
}

TEST_F(RegionsTest, AConsumerThatGotFurtherWithTheOldLeaderWaitsForTheNewOne) {
  follow_with(6, 6);
  bench_.copy_batch(kTopic, 6, 4, 5);
  bench_.lead(kTopic, 7, {2}, false);
  EXPECT_EQ(range(bench_.fetch(kTopic, 0)), (Range{0, 6}));
  park(10);
  EXPECT_FALSE(parked());
  bench_.append(kTopic, 2);
  EXPECT_FALSE(parked()) << "the sync set is not known yet";
  bench_.call(kTopic, [&](auto& partition, auto& out) {
    partition.require(bench_.now, {NodeId{2}}, out);
    partition.member_reconciled(NodeId{2}, Offset{12}, out);
  });
  const auto answer = parked();
  ASSERT_TRUE(answer);
  EXPECT_EQ(range(*answer), (Range{10, 12}));
  EXPECT_EQ(list_offset(-1).offset, 12);
}

// The records are in the log long before they may be read: they must reach other regions first.
TEST_F(RegionsTest, AFetchWakesWhenWhatWasThereBecomesReadable) {
  lead_alone();
  bench_.call(kTopic, [&](auto& partition, auto& out) {
    partition.require(bench_.now, {NodeId{2}}, out);
    partition.member_reconciled(NodeId{2}, Offset{0}, out);
  });
  bench_.append(kTopic, 4);
  park(0);
  EXPECT_FALSE(parked());
  bench_.call(kTopic, [](auto& partition, auto& out) {
    partition.member_durable(NodeId{2}, Offset{4}, out);
  });
  const auto answer = parked();
  ASSERT_TRUE(answer);
  EXPECT_EQ(range(*answer), (Range{0, 4}));
}

// --- after a loss --------------------------------------------------------------------------------

class AfterALoss : public RegionsTest {
 protected:
  // The lost leader had given out offsets up to 1000; five records reached this node.
  AfterALoss() {
    follow_with(5, 5);
    bench_.lead_in_state("bulk", 1, 7, {});
    bench_.lead(kTopic, 7, {}, true, 1'000);
  }
};

TEST_F(AfterALoss, AConsumerThatReadWhatWasLostIsNotReset) {
  EXPECT_EQ(bench_.fetch(kTopic, 8).error_code, ErrorCode::kNone);
  EXPECT_EQ(bench_.fetch(kTopic, 1'000).error_code, ErrorCode::kNone);
  EXPECT_EQ(bench_.fetch(kTopic, 1'001).error_code, ErrorCode::kOffsetOutOfRange);
  park(8);
  bench_.append(kTopic, 2);
  const auto answer = parked();
  ASSERT_TRUE(answer);
  EXPECT_EQ(range(*answer), (Range{1'000, 1'002}));
  EXPECT_EQ(range(bench_.fetch(kTopic, 8)), (Range{1'000, 1'002})) << "also afterwards";
}

TEST_F(AfterALoss, AClientThatChecksLearnsWhereTheLogsPart) {
  for (const bool written : {false, true}) {
    if (written) bench_.append(kTopic, 1);
    EXPECT_EQ(epoch_end(5).leader_epoch, 5);
    EXPECT_EQ(epoch_end(5).end_offset, 5);
    EXPECT_EQ(epoch_end(6).end_offset, 5) << "an epoch that nobody here has seen";
    const auto answer = fetch_in_epoch(8, 7, 5);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone);
    EXPECT_EQ(answer.diverging_epoch.epoch, 5);
    EXPECT_EQ(answer.diverging_epoch.end_offset, 5);
    EXPECT_EQ(range(answer), Range{});
  }
}

TEST_F(RegionsTest, AnEpochOfWhichNothingIsLeftEndedWhereTheLogBegins) {
  lead_alone(7);
  EXPECT_EQ(epoch_end(5).end_offset, 0) << "'unknown' would make consumers start over";
  EXPECT_EQ(epoch_end(5).leader_epoch, 5);
  bench_.append(kTopic, 4);
  EXPECT_EQ(epoch_end(5).end_offset, 0);
  EXPECT_EQ(epoch_end(8).end_offset, -1) << "yet to come";
}

// --- followers -----------------------------------------------------------------------------------

TEST_F(RegionsTest, AFollowerServesConsumersUpToItsOwnHighWatermark) {
  bench_.follow(kTopic, 5);
  bench_.copy_batch(kTopic, 0, 4, 5);
  bench_.copy_batch(kTopic, 4, 4, 5);
  learn(4);
  const auto answer = bench_.fetch(kTopic, 0, "bj");
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.high_watermark, 4);
  EXPECT_EQ(range(answer), (Range{0, 4}));
  EXPECT_EQ(bench_.fetch(kTopic, 0, "", 10).error_code, ErrorCode::kNotLeaderOrFollower)
      << "such a consumer was not sent here";
}

TEST_F(RegionsTest, AFollowerThatLagsLetsConsumersWait) {
  follow_with(4, 4);
  park(8);
  EXPECT_FALSE(parked());
  bench_.copy_batch(kTopic, 4, 4, 5);
  bench_.copy_batch(kTopic, 8, 2, 5);
  EXPECT_FALSE(parked());
  learn(10);
  const auto answer = parked();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error_code, ErrorCode::kNone);
  EXPECT_EQ(range(*answer), (Range{8, 10}));
  EXPECT_EQ(fetch_in_epoch(20, 5, 5).diverging_epoch.epoch, -1) << "it may only lag";
}

TEST_F(RegionsTest, BelowAFollowersLogTheLeaderIsAsked) {
  follow_with(4, 4);
  bench_.call(kTopic,
              [&](auto& partition, auto& out) { partition.trim(bench_.now, Offset{4}, out); });
  EXPECT_EQ(bench_.fetch(kTopic, 1).error_code, ErrorCode::kNotLeaderOrFollower);
}

TEST_F(RegionsTest, AFollowerServesNothingIfItIsCutOffOrNotReconciledOrTheGroupIsStrong) {
  follow_with(4, 4);
  bench_.hosted(kTopic).cut_off = true;
  EXPECT_EQ(bench_.fetch(kTopic, 0).error_code, ErrorCode::kNotLeaderOrFollower);
  bench_.hosted(kTopic).cut_off = false;
  EXPECT_EQ(bench_.fetch(kTopic, 0).error_code, ErrorCode::kNone);
  set_consistency(control::Consistency::kStrong);
  EXPECT_EQ(bench_.fetch(kTopic, 0).error_code, ErrorCode::kNotLeaderOrFollower);
  set_consistency(control::Consistency::kPrefix);
  bench_.call(kTopic, [&](auto& partition, auto& out) {
    partition.follow(bench_.now, LeaderEpoch{6}, out);
  });
  EXPECT_EQ(bench_.fetch(kTopic, 0).error_code, ErrorCode::kNotLeaderOrFollower);
}

TEST_F(RegionsTest, AFetchThatWaitsIsAnsweredAtOnceWhenTheRoleChanges) {
  follow_with(4, 4);
  park(4, 5);
  EXPECT_FALSE(parked());
  bench_.call(kTopic, [&](auto& partition, auto& out) {
    partition.follow(bench_.now, LeaderEpoch{7}, out);
  });
  bench_.lead_in_state("bulk", 3, 7, {});
  bench_.role_changed(kTopic);
  const auto answer = parked();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error_code, ErrorCode::kFencedLeaderEpoch);
  EXPECT_EQ(answer->current_leader.leader_id, 3);
  EXPECT_EQ(answer->current_leader.leader_epoch, 7);
}

TEST_F(RegionsTest, AFetchThatMayGoOnWaitingDoes) {
  lead_alone(7);
  park(0);
  bench_.lead(kTopic, 9);
  bench_.role_changed(kTopic);
  EXPECT_FALSE(parked());
  bench_.append(kTopic, 1);
  EXPECT_TRUE(parked());
}

// --- being sent to a follower --------------------------------------------------------------------

class NearReplicas : public RegionsTest {
 protected:
  NearReplicas() {
    lead_alone();
    bench_.append(kTopic, 5);
    bench_.call(kTopic, [](auto& partition, auto& out) {
      partition.member_reconciled(NodeId{3}, Offset{5}, out);
      partition.member_reconciled(NodeId{2}, Offset{2}, out);
    });
  }
};

TEST_F(NearReplicas, AConsumerIsSentToTheCopyInItsRegion) {
  const auto answer = bench_.fetch(kTopic, 0, "gz");
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.preferred_read_replica, 3);
  EXPECT_EQ(range(answer), Range{});
  EXPECT_EQ(answer.high_watermark, 5);
  EXPECT_EQ(bench_.statistics.fetches_sent_to_followers, 1u);
}

TEST_F(NearReplicas, NotIfItStandsHereOrNowhere) {
  for (const char* rack : {"bj", "", "mars"}) {
    EXPECT_EQ(bench_.fetch(kTopic, 0, rack).preferred_read_replica, -1) << rack;
  }
}

TEST_F(NearReplicas, NotToACopyThatDoesNotHoldWhatItWants) {
  EXPECT_EQ(bench_.fetch(kTopic, 3, "sh").preferred_read_replica, -1);
  EXPECT_EQ(bench_.fetch(kTopic, 2, "sh").preferred_read_replica, 2);
  bench_.set_alive(2, false);
  EXPECT_EQ(bench_.fetch(kTopic, 1, "sh").preferred_read_replica, -1);
}

TEST_F(NearReplicas, NotIfTheGroupReadsFromLeadersOnly) {
  set_consistency(control::Consistency::kStrong);
  EXPECT_EQ(bench_.fetch(kTopic, 0, "gz").preferred_read_replica, -1);
}

TEST_F(NearReplicas, WhoComesBackIsServedHere) {
  EXPECT_EQ(bench_.fetch(kTopic, 0, "gz").preferred_read_replica, 3);
  const auto answer = bench_.fetch(kTopic, 0, "gz");
  EXPECT_EQ(answer.preferred_read_replica, -1);
  EXPECT_EQ(range(answer), (Range{0, 5}));
  EXPECT_EQ(bench_.fetch(kTopic, 5, "gz").preferred_read_replica, 3);
}

TEST_F(NearReplicas, AnOffsetThatIsNowhereIsRefusedHere) {
  EXPECT_EQ(bench_.fetch(kTopic, 6, "gz").error_code, ErrorCode::kOffsetOutOfRange);
}

// --- groups --------------------------------------------------------------------------------------

TEST_F(RegionsTest, GroupsAreWhereTheSystemGroupIsLed) {
  wire::FindCoordinatorRequest find;
  find.coordinator_keys = {"g"};
  const auto found = bench_.call_api<wire::FindCoordinatorResponse>(find, 4).coordinators[0];
  EXPECT_EQ(found.node_id, 3);
  EXPECT_EQ(found.host, "gz.example");
  wire::HeartbeatRequest beat;
  beat.group_id = "g";
  EXPECT_EQ(bench_.call_api<wire::HeartbeatResponse>(beat, 4).error_code,
            ErrorCode::kNotCoordinator);
  wire::DescribeGroupsRequest describe;
  describe.groups = {"g"};
  EXPECT_EQ(bench_.call_api<wire::DescribeGroupsResponse>(describe, 5).groups[0].error_code,
            ErrorCode::kNotCoordinator);
  bench_.set_alive(3, false);
  EXPECT_EQ(bench_.call_api<wire::FindCoordinatorResponse>(find, 4).coordinators[0].error_code,
            ErrorCode::kCoordinatorNotAvailable);
}

// Tools ask every broker and take any error but "not yet" for final.
TEST_F(RegionsTest, ABrokerWithoutGroupsListsNoneWithoutAnError) {
  const auto list = [&] {
    return bench_.call_api<wire::ListGroupsResponse>(wire::ListGroupsRequest(), 4).error_code;
  };
  EXPECT_EQ(list(), ErrorCode::kNone);
  bench_.set_alive(3, false);
  EXPECT_EQ(list(), ErrorCode::kCoordinatorNotAvailable);
  bench_.lead_in_state("system", 1, 8);
  EXPECT_EQ(list(), ErrorCode::kCoordinatorLoadInProgress);
}

class Positions : public RegionsTest {
 protected:
  // This node coordinates groups.
  Positions() {
    bench_.create_topic("__consumer_offsets", 1);
    bench_.host("__consumer_offsets");
    bench_.lead_in_state("system", 1, 8, {});
    bench_.lead("__consumer_offsets", 8);
    Broker broker = bench_.broker();
    bench_.groups.begin_loading();
    bench_.groups.finish_loading(broker);
  }
  void commit(int64_t offset, int32_t epoch) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = kTopic;
    topic.partitions.push_back({.partition_index = 0,
                                .committed_offset = offset,
                                .committed_leader_epoch = epoch,
                                .committed_metadata = "note"});
    const auto response = bench_.call_api<wire::OffsetCommitResponse>(request, 8);
    EXPECT_EQ(response.topics[0].partitions[0].error_code, ErrorCode::kNone);
  }
  auto position() {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace().push_back({kTopic, {0}});
    return bench_.call_api<wire::OffsetFetchResponse>(request, 7).topics[0].partitions[0];
  }
  void lead_after_a_loss() {
    follow_with(5, 5);
    bench_.lead_in_state("bulk", 1, 9, {});
    bench_.lead(kTopic, 9, {}, true, 1'000);
    bench_.role_changed(kTopic);
  }
};

TEST_F(Positions, ThatAreLostAreClampedAndReported) {
  commit(8, 5);
  EXPECT_EQ(position().committed_offset, 8) << "the topic is led elsewhere";
  lead_after_a_loss();
  EXPECT_EQ(position().committed_offset, 5);
  EXPECT_EQ(position().committed_leader_epoch, 5);
  EXPECT_EQ(position().metadata, "note");
  EXPECT_TRUE(bench_.has_logged("positions_ahead"));
  EXPECT_EQ(bench_.statistics.positions_ahead, 1u);
  bench_.append(kTopic, 1);
  EXPECT_EQ(position().committed_offset, 5) << "also when the log has grown past it";
}

TEST_F(Positions, WithoutAnEpochAreClampedUntilTheNewEpochHasWritten) {
  commit(8, -1);
  lead_after_a_loss();
  EXPECT_EQ(position().committed_offset, 5);
  bench_.append(kTopic, 1);
  EXPECT_EQ(position().committed_offset, 8);
  EXPECT_EQ(range(bench_.fetch(kTopic, 8)), (Range{1'000, 1'001})) << "nothing is skipped";
}

TEST_F(Positions, ThatAreStillThereStayExact) {
  commit(4, 5);
  lead_after_a_loss();
  EXPECT_EQ(position().committed_offset, 4);
  EXPECT_FALSE(bench_.has_logged("positions_ahead"));
}

// --- metadata ------------------------------------------------------------------------------------

TEST_F(RegionsTest, MetadataSaysTheSameWhicheverNodeIsAsked) {
  follow_with(0, 0);
  wire::MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = {}, .name = kTopic});
  const auto response = bench_.call_api<wire::MetadataResponse>(request, 12);
  EXPECT_EQ(response.brokers.size(), 3u);
  EXPECT_EQ(response.brokers[2].rack, "gz");
  EXPECT_EQ(response.controller_id, 1) << "any node takes requests of administrators";
  const auto& partition = response.topics[0].partitions[0];
  EXPECT_EQ(partition.leader_id, 2);
  EXPECT_EQ(partition.leader_epoch, 5);
  EXPECT_EQ(partition.replica_nodes.size(), 3u);
  EXPECT_EQ(partition.isr_nodes, (std::vector<int32_t>{2}));
}

}  // namespace
}  // namespace magpie::kafka
