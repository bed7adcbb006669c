#include "group/sync.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

// Two members that have joined and not yet synced; the first leads.
struct Joined {
  std::string leader;
  std::string follower;
};

Joined join_two(TestBench& bench) {
  const ReplyToken a = bench.send(joining("g", "a"));
  const ReplyToken b = bench.send(joining("g", "b"));
  bench.advance(Duration::milliseconds(6'000));
  return {bench.reply<JoinGroupReply>(a).member_id, bench.reply<JoinGroupReply>(b).member_id};
}

GroupError sync_error(TestBench& bench, SyncGroup request) {
  return bench.ask<SyncGroupReply>(std::move(request)).error;
}

// Pitfall: clients fail on an assignment that is missing or altered.
TEST(Sync, TheLeadersBytesArriveAsTheyWereSent) {
  TestBench bench;
  const Joined members = join_two(bench);
  const std::string odd("\x00\xff\x7f any bytes \n", 14);
  const ReplyToken follower = bench.send(syncing("g", members.follower, 1));
  EXPECT_FALSE(bench.is_answered(follower));
  const ReplyToken leader = bench.send(
      syncing("g", members.leader, 1, {{members.follower, bytes(odd)}, {"stranger", bytes("x")}}));
  EXPECT_EQ(bench.reply<SyncGroupReply>(follower).assignment.text(), odd);
  EXPECT_EQ(bench.reply<SyncGroupReply>(follower).protocol_type, "consumer");
  EXPECT_EQ(bench.reply<SyncGroupReply>(follower).protocol_name, "range");
  // Forgotten by the leader: an empty assignment, not an error.
  EXPECT_EQ(bench.reply<SyncGroupReply>(leader).error, GroupError::kNone);
  EXPECT_EQ(bench.reply<SyncGroupReply>(leader).assignment.size(), 0u);
  EXPECT_EQ(state_of(bench, "g"), "Stable");
}

TEST(Sync, NobodyIsToldBeforeTheAssignmentsAreDurable) {
  TestBench bench;
  bench.holds_appends = true;
  const Joined members = join_two(bench);
  const ReplyToken follower = bench.send(syncing("g", members.follower, 1));
  const ReplyToken leader =
      bench.send(syncing("g", members.leader, 1, {{members.follower, bytes("f")}}));
  EXPECT_FALSE(bench.is_answered(leader));
  EXPECT_FALSE(bench.is_answered(follower));
  EXPECT_EQ(state_of(bench, "g"), "CompletingRebalance");
  bench.settle();
  EXPECT_EQ(bench.reply<SyncGroupReply>(leader).error, GroupError::kNone);
  EXPECT_EQ(bench.reply<SyncGroupReply>(follower).assignment.text(), "f");
}

TEST(Sync, AssignmentsThatCannotBeStoredBeginARebalance) {
  const std::vector<std::pair<AppendFailure, GroupError>> cases = {
      {AppendFailure::kNotDurable, GroupError::kCoordinatorNotAvailable},
      {AppendFailure::kNotLeader, GroupError::kNotCoordinator},
      {AppendFailure::kTooLarge, GroupError::kUnknownServerError}};
  for (const auto& [failure, error] : cases) {
    TestBench bench;
    const Joined members = join_two(bench);
    bench.holds_appends = true;
    const ReplyToken follower = bench.send(syncing("g", members.follower, 1));
    const ReplyToken leader = bench.send(syncing("g", members.leader, 1));
    bench.fail(failure);
    EXPECT_EQ(bench.reply<SyncGroupReply>(leader).error, error);
    EXPECT_EQ(bench.reply<SyncGroupReply>(follower).error, error);
    EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
    EXPECT_EQ(bench.coordinator->durable().find("g"), nullptr);
  }
}

TEST(Sync, ARebalanceMeanwhileSendsTheWaitingBackToJoin) {
  TestBench bench;
  const Joined members = join_two(bench);
  bench.holds_appends = true;
  const ReplyToken leader = bench.send(syncing("g", members.leader, 1));
  bench.send(joining("g", "c"));
  EXPECT_EQ(bench.reply<SyncGroupReply>(leader).error, GroupError::kRebalanceInProgress);
  bench.settle();  // too late to matter
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
}

TEST(Sync, ARepeatedSyncOfTheLeaderStoresNothingAnew) {
  TestBench bench;
  const Joined members = join_two(bench);
  bench.holds_appends = true;
  const ReplyToken first = bench.send(syncing("g", members.leader, 1));
  const ReplyToken second = bench.send(syncing("g", members.leader, 1));
  EXPECT_EQ(bench.undecided.size(), 1u);
  EXPECT_EQ(bench.reply<SyncGroupReply>(first).error, GroupError::kRebalanceInProgress);
  bench.settle();
  EXPECT_EQ(bench.reply<SyncGroupReply>(second).error, GroupError::kNone);
}

TEST(Sync, AStableGroupAnswersAtOnce) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const auto reply = bench.ask<SyncGroupReply>(syncing("g", group.members[1], group.generation));
  EXPECT_EQ(reply.assignment.text(), "for " + group.members[1]);
}

TEST(Sync, OldGenerationsAndStrangersAreFenced) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  const std::string& member = group.members[0];
  EXPECT_EQ(sync_error(bench, syncing("", member, 1)), GroupError::kInvalidGroupId);
  EXPECT_EQ(sync_error(bench, syncing("h", member, 1)), GroupError::kUnknownMemberId);
  EXPECT_EQ(sync_error(bench, syncing("g", "stranger", 1)), GroupError::kUnknownMemberId);
  EXPECT_EQ(sync_error(bench, syncing("g", member, 0)), GroupError::kIllegalGeneration);
  EXPECT_EQ(sync_error(bench, syncing("g", member, 2)), GroupError::kIllegalGeneration);
}

// Version 5.
TEST(Sync, AProtocolThatIsNotTheGroupsIsInconsistent) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  SyncGroup request = syncing("g", group.members[0], 1);
  request.protocol_type = "connect";
  EXPECT_EQ(sync_error(bench, request), GroupError::kInconsistentGroupProtocol);
  request.protocol_type = "consumer";
  request.protocol_name = "sticky";
  EXPECT_EQ(sync_error(bench, request), GroupError::kInconsistentGroupProtocol);
  request.protocol_name = "range";
  EXPECT_EQ(sync_error(bench, request), GroupError::kNone);
}

TEST(Sync, DuringTheJoiningPhaseMembersAreSentBackToJoin) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  bench.send(joining("g", "a", group.members[0]));
  EXPECT_EQ(sync_error(bench, syncing("g", group.members[1], group.generation)),
            GroupError::kRebalanceInProgress);
}

TEST(Sync, WithoutRoomForAnAppendTheLeaderTriesAgain) {
  GroupConfig config;
  config.limits.pending_appends = 1;
  TestBench bench(config);
  bench.holds_appends = true;
  const Joined members = join_two(bench);
  bench.send(committing("other", "", -1, {"orders", 0}, 5));
  EXPECT_EQ(sync_error(bench, syncing("g", members.leader, 1)),
            GroupError::kCoordinatorNotAvailable);
  bench.settle();
  const ReplyToken again = bench.send(syncing("g", members.leader, 1));
  bench.settle();
  EXPECT_EQ(bench.reply<SyncGroupReply>(again).error, GroupError::kNone);
}

TEST(Sync, WhoWaitedLongerThanItsSessionHasANewOneAfterwards) {
  TestBench bench;
  const Joined members = join_two(bench);
  const ReplyToken follower = bench.send(syncing("g", members.follower, 1));
  for (int i = 0; i < 4; ++i) {
    bench.advance(Duration::milliseconds(5'000));
    bench.send(beating("g", members.leader, 1));
  }
  bench.send(syncing("g", members.leader, 1));
  EXPECT_EQ(bench.reply<SyncGroupReply>(follower).error, GroupError::kNone);
  bench.advance(Duration::milliseconds(9'999));
  EXPECT_EQ(state_of(bench, "g"), "Stable");
  bench.advance(Duration::milliseconds(1));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
}

TEST(Heartbeat, TellsHowTheGroupStands) {
  TestBench bench;
  const auto beat = [&](const Heartbeat& request) {
    return bench.ask<HeartbeatReply>(request).error;
  };
  const Joined members = join_two(bench);
  // Members begin to send heartbeats as soon as they have joined.
  EXPECT_EQ(beat(beating("g", members.leader, 1)), GroupError::kNone);
  bench.send(syncing("g", members.follower, 1));
  bench.send(syncing("g", members.leader, 1));
  EXPECT_EQ(beat(beating("g", members.leader, 1)), GroupError::kNone);
  EXPECT_EQ(beat(beating("g", members.leader, 0)), GroupError::kIllegalGeneration);
  EXPECT_EQ(beat(beating("g", "stranger", 1)), GroupError::kUnknownMemberId);
  EXPECT_EQ(beat(beating("h", members.leader, 1)), GroupError::kUnknownMemberId);
  EXPECT_EQ(beat(beating("", members.leader, 1)), GroupError::kInvalidGroupId);
  bench.send(joining("g", "c"));
  EXPECT_EQ(beat(beating("g", members.leader, 1)), GroupError::kRebalanceInProgress);
}

}  // namespace
}  // namespace magpie::group
