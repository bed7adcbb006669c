// Consumer groups over the wire. The state machine itself is tested in src/group; here it is about
// versions, shapes, and what a restart keeps.
#include <gtest/gtest.h>

#include "node/testing/topics.h"
#include "wire/create_topics.h"
#include "wire/delete_groups.h"
#include "wire/delete_topics.h"
#include "wire/describe_groups.h"
#include "wire/find_coordinator.h"
#include "wire/heartbeat.h"
#include "wire/join_group.h"
#include "wire/leave_group.h"
#include "wire/list_groups.h"
#include "wire/offset_commit.h"
#include "wire/offset_delete.h"
#include "wire/offset_fetch.h"
#include "wire/sync_group.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class GroupsTest : public ::testing::Test {
 protected:
  GroupsTest() {
    harness_.boot();
    create_topic(client_, "t", 3);
  }

  static wire::JoinGroupRequest join_request(const std::string& member_id = "") {
    wire::JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 20'000;
    request.member_id = member_id;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Buffer::copy_of("subscription")});
    return request;
  }
  // The only member joins; from version 4 on in two steps.
  wire::JoinGroupResponse join(int version = 9) {
    auto answer = client_.call<wire::JoinGroupResponse>(join_request(), version);
    if (version >= 4) {
      EXPECT_EQ(answer.error_code, ErrorCode::kMemberIdRequired) << version;
      answer = client_.call<wire::JoinGroupResponse>(join_request(answer.member_id), version);
    }
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
    return answer;
  }
  wire::SyncGroupResponse sync(const wire::JoinGroupResponse& joined, const std::string& bytes,
                               int version = 5) {
    wire::SyncGroupRequest request;
    request.group_id = "g";
    request.generation_id = joined.generation_id;
    request.member_id = joined.member_id;
    request.assignments.push_back({joined.member_id, Buffer::copy_of(bytes)});
    return client_.call<wire::SyncGroupResponse>(request, version);
  }
  ErrorCode leave(const std::string& member_id, int version = 5) {
    wire::LeaveGroupRequest request;
    request.group_id = "g";
    if (version < 3) request.member_id = member_id;
    if (version >= 3) request.members.push_back({member_id, std::nullopt, std::nullopt});
    const auto answer = client_.call<wire::LeaveGroupResponse>(request, version);
    if (version < 3 || answer.members.empty()) return answer.error_code;
    return answer.members[0].error_code;
  }
  ErrorCode commit(int64_t offset, int version = 8, int32_t generation = -1,
                   const std::string& member = "", int32_t partition = 0) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = generation;
    request.member_id = member;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({partition, offset, 3, "a note"});
    return client_.call<wire::OffsetCommitResponse>(request, version)
        .topics.at(0)
        .partitions.at(0)
        .error_code;
  }
  // The committed position of partition 0, in versions for one group.
  wire::OffsetFetchResponse::Partition position(int version = 7) {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace().push_back({"t", {0}});
    return client_.call<wire::OffsetFetchResponse>(request, version).topics.at(0).partitions.at(0);
  }
  void restart() {
    harness_.crash();
    harness_.boot();
    client_.forget_connection();
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

// --- FindCoordinator -----------------------------------------------------------------------------

TEST_F(GroupsTest, TheCoordinatorIsFoundInEveryVersion) {
  for (int version = 0; version <= 4; ++version) {
    wire::FindCoordinatorRequest request;
    request.key = "g";
    request.coordinator_keys = {"g", "h"};
    const auto answer = client_.call<wire::FindCoordinatorResponse>(request, version);
    if (version < 4) {
      EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
      EXPECT_EQ(answer.node_id, 1) << version;
      EXPECT_EQ(answer.port, 9092) << version;
      continue;
    }
    ASSERT_EQ(answer.coordinators.size(), 2u);
    EXPECT_EQ(answer.coordinators[1].key, "h");
    EXPECT_EQ(answer.coordinators[1].node_id, 1);
  }
}

TEST_F(GroupsTest, ThereIsNoCoordinatorForTransactions) {
  wire::FindCoordinatorRequest request;
  request.key_type = 1;
  request.coordinator_keys = {"tx"};
  EXPECT_EQ(client_.call<wire::FindCoordinatorResponse>(request).coordinators[0].error_code,
            ErrorCode::kUnsupportedVersion);
  request.key_type = 7;
  EXPECT_EQ(client_.call<wire::FindCoordinatorResponse>(request).coordinators[0].error_code,
            ErrorCode::kInvalidRequest);
}

// --- membership ----------------------------------------------------------------------------------

TEST_F(GroupsTest, EveryVersionOfJoiningLeadsToAMemberThatLeads) {
  for (int version = 0; version <= 9; ++version) {
    const auto joined = join(version);
    EXPECT_EQ(joined.leader, joined.member_id) << version;
    EXPECT_NE(joined.member_id, "") << version;
    EXPECT_EQ(joined.protocol_name, "range") << version;
    ASSERT_EQ(joined.members.size(), 1u) << version;
    EXPECT_EQ(joined.members[0].metadata.text(), "subscription") << version;
    EXPECT_EQ(leave(joined.member_id), ErrorCode::kNone) << version;
  }
}

TEST_F(GroupsTest, AnAssignmentComesBackByteForByteInEveryVersion) {
  std::string opaque("\0\x01\xff not of the consumer protocol", 34);
  for (int version = 0; version <= 5; ++version) {
    const auto joined = join();
    const auto synced = sync(joined, opaque, version);
    EXPECT_EQ(synced.error_code, ErrorCode::kNone) << version;
    EXPECT_EQ(synced.assignment.text(), opaque) << version;
    EXPECT_EQ(leave(joined.member_id), ErrorCode::kNone) << version;
  }
}

TEST_F(GroupsTest, AnAssignmentThatWasRefusedIsEmptyAndNotMissing) {
  auto joined = join();
  joined.generation_id += 1;
  for (int version = 0; version <= 5; ++version) {
    const auto synced = sync(joined, "x", version);
    EXPECT_EQ(synced.error_code, ErrorCode::kIllegalGeneration) << version;
    EXPECT_EQ(synced.assignment.size(), 0u) << version;
  }
}

TEST_F(GroupsTest, SeveralMembersJoinAtOnceAndShareOneGeneration) {
  harness_.crash();
  harness_.config.group_initial_rebalance_delay = Duration::milliseconds(3'000);
  harness_.boot();
  client_.forget_connection();
  std::vector<std::unique_ptr<TestClient>> members;
  for (int i = 0; i < 4; ++i) {
    members.push_back(std::make_unique<TestClient>(harness_, "m" + std::to_string(i)));
    const auto id = members.back()->call<wire::JoinGroupResponse>(join_request(), 5).member_id;
    members.back()->send(join_request(id), 5);
  }
  harness_.advance(Duration::seconds(15));
  int leaders = 0;
  for (const auto& member : members) {
    const auto joined = member->take<wire::JoinGroupResponse>(5);
    ASSERT_TRUE(joined);
    EXPECT_EQ(joined->error_code, ErrorCode::kNone);
    EXPECT_EQ(joined->generation_id, 1);
    EXPECT_EQ(joined->members.size(), joined->leader == joined->member_id ? 4u : 0u);
    leaders += joined->leader == joined->member_id ? 1 : 0;
  }
  EXPECT_EQ(leaders, 1);
}

TEST_F(GroupsTest, AStaticMemberComesBackUnderItsNameWithoutARebalance) {
  auto request = join_request();
  request.group_instance_id = "instance";
  const auto first = client_.call<wire::JoinGroupResponse>(request, 9);
  ASSERT_EQ(first.error_code, ErrorCode::kNone) << "it needs no second step";
  sync(first, "share");
  const auto second = client_.call<wire::JoinGroupResponse>(request, 9);
  EXPECT_EQ(second.generation_id, first.generation_id);
  EXPECT_NE(second.member_id, first.member_id);
  wire::HeartbeatRequest beat;
  beat.group_id = "g";
  beat.generation_id = first.generation_id;
  beat.member_id = first.member_id;
  beat.group_instance_id = "instance";
  EXPECT_EQ(client_.call<wire::HeartbeatResponse>(beat).error_code, ErrorCode::kFencedInstanceId);
}

TEST_F(GroupsTest, HeartbeatsAndLeavingAreAnsweredInEveryVersion) {
  const auto joined = join();
  sync(joined, "share");
  wire::HeartbeatRequest beat;
  beat.group_id = "g";
  beat.generation_id = joined.generation_id;
  beat.member_id = joined.member_id;
  for (int version = 0; version <= 4; ++version) {
    EXPECT_EQ(client_.call<wire::HeartbeatResponse>(beat, version).error_code, ErrorCode::kNone);
  }
  beat.member_id = "stranger";
  EXPECT_EQ(client_.call<wire::HeartbeatResponse>(beat).error_code, ErrorCode::kUnknownMemberId);
  for (int version = 0; version <= 5; ++version) {
    EXPECT_EQ(leave("stranger", version), ErrorCode::kUnknownMemberId) << version;
  }
  EXPECT_EQ(leave(joined.member_id, 0), ErrorCode::kNone);
}

// --- positions -----------------------------------------------------------------------------------

TEST_F(GroupsTest, APositionComesBackWithItsNoteInEveryVersion) {
  for (int version = 2; version <= 8; ++version) {
    EXPECT_EQ(commit(version, version), ErrorCode::kNone);
    for (int reading = 1; reading <= 7; ++reading) {
      EXPECT_EQ(position(reading).committed_offset, version) << reading;
      EXPECT_EQ(position(reading).metadata, "a note") << reading;
      EXPECT_EQ(position(reading).committed_leader_epoch, version >= 6 && reading >= 5 ? 3 : -1)
          << version << " " << reading;
    }
  }
}

TEST_F(GroupsTest, SeveralGroupsAreReadAtOnceFromVersion8On) {
  commit(5);
  wire::OffsetFetchRequest request;
  auto& group = request.groups.emplace_back();
  group.group_id = "g";
  group.topics.emplace().push_back({"t", {}, {0, 1}});
  request.groups.emplace_back().group_id = "nobody";
  const auto answer = client_.call<wire::OffsetFetchResponse>(request, 8);
  ASSERT_EQ(answer.groups.size(), 2u);
  ASSERT_EQ(answer.groups[0].topics.size(), 1u);
  EXPECT_EQ(answer.groups[0].topics[0].partitions[0].committed_offset, 5);
  EXPECT_EQ(answer.groups[0].topics[0].partitions[1].committed_offset, -1);
  EXPECT_TRUE(answer.groups[1].topics.empty());
}

TEST_F(GroupsTest, NullTopicsMeanEveryPositionFromVersion2On) {
  commit(5);
  commit(6, 8, -1, "", 2);
  wire::OffsetFetchRequest request;
  request.group_id = "g";
  for (int version = 2; version <= 7; ++version) {
    const auto answer = client_.call<wire::OffsetFetchResponse>(request, version);
    ASSERT_EQ(answer.topics.size(), 1u) << version;
    EXPECT_EQ(answer.topics[0].partitions.size(), 2u) << version;
  }
}

TEST_F(GroupsTest, CommitsAreFencedByMemberAndGeneration) {
  const auto joined = join();
  sync(joined, "share");
  EXPECT_EQ(commit(1, 8, joined.generation_id, joined.member_id), ErrorCode::kNone);
  EXPECT_EQ(commit(2, 8, joined.generation_id + 1, joined.member_id),
            ErrorCode::kIllegalGeneration);
  EXPECT_EQ(commit(2, 8, joined.generation_id, "stranger"), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(commit(2), ErrorCode::kUnknownMemberId) << "a group with members takes no outsiders";
  EXPECT_EQ(position().committed_offset, 1);
}

TEST_F(GroupsTest, PartitionsThatDoNotExistTakeNoPosition) {
  EXPECT_EQ(commit(1, 8, -1, "", 3), ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(commit(1, 8, -1, "", -1), ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(GroupsTest, ARetentionTimeOfMinusOneOrForeverIsAccepted) {
  for (const int64_t retention : {int64_t{-1}, INT64_MAX}) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.retention_time_ms = retention;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({0, 9, -1, std::nullopt});
    const auto answer = client_.call<wire::OffsetCommitResponse>(request, 4);
    EXPECT_EQ(answer.topics[0].partitions[0].error_code, ErrorCode::kNone);
    EXPECT_EQ(position().committed_offset, 9);
    EXPECT_EQ(position().metadata, "") << "no note comes back as an empty one";
  }
}

TEST_F(GroupsTest, PositionsSurviveACrash) {
  commit(7);
  restart();
  EXPECT_EQ(position().committed_offset, 7);
  EXPECT_EQ(position().metadata, "a note");
}

TEST_F(GroupsTest, PositionsOfADeletedTopicAreForgotten) {
  commit(7);
  wire::DeleteTopicsRequest request;
  request.topic_names = {"t"};
  client_.call<wire::DeleteTopicsResponse>(request, 5);
  create_topic(client_, "t");
  EXPECT_EQ(position().committed_offset, -1) << "the topic of today is another one";
}

TEST_F(GroupsTest, WhileGroupsAreLoadingClientsAreSentAwayWithACodeAllOfThemKnow) {
  commit(7);
  harness_.crash();
  harness_.boot_until_serving();
  harness_.disk.hold(true);
  client_.forget_connection();
  ASSERT_EQ(harness_.phase(), Phase::kRunning);
  EXPECT_EQ(client_.call<wire::JoinGroupResponse>(join_request(), 4).error_code,
            ErrorCode::kNotCoordinator);
  EXPECT_EQ(commit(8), ErrorCode::kNotCoordinator);
  wire::OffsetFetchRequest request;
  request.group_id = "g";
  request.topics.emplace().push_back({"t", {0}});
  EXPECT_EQ(client_.call<wire::OffsetFetchResponse>(request, 7).error_code,
            ErrorCode::kNotCoordinator);
  EXPECT_EQ(position(1).error_code, ErrorCode::kNotCoordinator) << "no place but the partition";
  wire::OffsetFetchRequest several;
  several.groups.emplace_back().group_id = "g";
  EXPECT_EQ(client_.call<wire::OffsetFetchResponse>(several, 8).groups.at(0).error_code,
            ErrorCode::kNotCoordinator);
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_EQ(position().committed_offset, 7);
}

// --- administration ------------------------------------------------------------------------------

TEST_F(GroupsTest, AGroupIsDescribedInEveryVersion) {
  const auto joined = join();
  sync(joined, "share");
  wire::DescribeGroupsRequest request;
  request.groups = {"g", "nobody"};
  for (int version = 0; version <= 6; ++version) {
    const auto answer = client_.call<wire::DescribeGroupsResponse>(request, version);
    ASSERT_EQ(answer.groups.size(), 2u) << version;
    const auto& group = answer.groups[0];
    EXPECT_EQ(group.group_state, "Stable") << version;
    EXPECT_EQ(group.protocol_type, "consumer") << version;
    EXPECT_EQ(group.protocol_data, "range") << version;
    ASSERT_EQ(group.members.size(), 1u) << version;
    EXPECT_EQ(group.members[0].member_id, joined.member_id) << version;
    EXPECT_EQ(group.members[0].client_id, "test") << version;
    EXPECT_EQ(group.members[0].client_host, "/127.0.0.1") << version;
    EXPECT_EQ(group.members[0].member_assignment.text(), "share") << version;
    EXPECT_EQ(answer.groups[1].group_state, "Dead") << version;
    EXPECT_EQ(answer.groups[1].error_code,
              version >= 6 ? ErrorCode::kGroupIdNotFound : ErrorCode::kNone)
        << version;
  }
}

TEST_F(GroupsTest, GroupsAreListedByStateAndType) {
  const auto joined = join();
  sync(joined, "share");
  for (int version = 0; version <= 5; ++version) {
    const auto answer = client_.call<wire::ListGroupsResponse>(wire::ListGroupsRequest(), version);
    ASSERT_EQ(answer.groups.size(), 1u) << version;
    EXPECT_EQ(answer.groups[0].group_id, "g");
    EXPECT_EQ(answer.groups[0].group_state, version >= 4 ? "Stable" : "");
    EXPECT_EQ(answer.groups[0].group_type, version >= 5 ? "classic" : "");
  }
  wire::ListGroupsRequest request;
  request.states_filter = {"Empty"};
  EXPECT_TRUE(client_.call<wire::ListGroupsResponse>(request).groups.empty());
  request.states_filter = {"stable"};
  EXPECT_EQ(client_.call<wire::ListGroupsResponse>(request).groups.size(), 1u);
  request.types_filter = {"consumer"};
  EXPECT_TRUE(client_.call<wire::ListGroupsResponse>(request).groups.empty());
  request.types_filter = {"Classic"};
  EXPECT_EQ(client_.call<wire::ListGroupsResponse>(request).groups.size(), 1u);
}

TEST_F(GroupsTest, OnlyEmptyGroupsAreDeletedAndEachOneIsAnswered) {
  const auto joined = join();
  sync(joined, "share");
  wire::DeleteGroupsRequest request;
  request.groups_names = {"nobody", "g"};
  auto answer = client_.call<wire::DeleteGroupsResponse>(request);
  ASSERT_EQ(answer.results.size(), 2u);
  EXPECT_EQ(answer.results[0].error_code, ErrorCode::kGroupIdNotFound);
  EXPECT_EQ(answer.results[1].error_code, ErrorCode::kNonEmptyGroup);
  leave(joined.member_id);
  answer = client_.call<wire::DeleteGroupsResponse>(request);
  EXPECT_EQ(answer.results[1].error_code, ErrorCode::kNone);
}

TEST_F(GroupsTest, SinglePositionsCanBeDeleted) {
  commit(5);
  wire::OffsetDeleteRequest request;
  request.group_id = "g";
  request.topics.push_back({"t", {{0}, {9}}});
  const auto answer = client_.call<wire::OffsetDeleteResponse>(request);
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  ASSERT_EQ(answer.topics.size(), 1u);
  ASSERT_EQ(answer.topics[0].partitions.size(), 2u);
  EXPECT_EQ(answer.topics[0].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(position().committed_offset, -1);
  request.group_id = "nobody";
  EXPECT_EQ(client_.call<wire::OffsetDeleteResponse>(request).error_code,
            ErrorCode::kGroupIdNotFound);
}

}  // namespace
}  // namespace magpie::node::testing
