#include "group/static_join.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

FormedGroup form_static(TestBench& bench) {
  return form_group_of(bench, "g", {joining_static("g", "i1"), joining_static("g", "i2")});
}

Heartbeat beating_as(const std::string& instance_id, const std::string& member_id) {
  Heartbeat request = beating("g", member_id, 1);
  request.instance_id = instance_id;
  return request;
}

TEST(StaticMember, NeedsNoSecondJoin) {
  TestBench bench;
  const ReplyToken token = bench.send(joining_static("g", "i1"));
  bench.advance(Duration::milliseconds(3'000));
  const auto& reply = bench.reply<JoinGroupReply>(token);
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.member_id.substr(0, 3), "i1-");
  EXPECT_EQ(reply.members.at(0).instance_id, "i1");
}

TEST(StaticMember, ComesBackWithoutARebalance) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  const auto reply = bench.ask<JoinGroupReply>(joining_static("g", "i2"));
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.generation, group.generation);
  EXPECT_NE(reply.member_id, group.members[1]);
  EXPECT_FALSE(reply.skip_assignment);
  EXPECT_TRUE(reply.members.empty());
  EXPECT_EQ(state_of(bench, "g"), "Stable");
  // Its assignment is the one that its former self had.
  EXPECT_EQ(bench.ask<SyncGroupReply>(syncing("g", reply.member_id, 1)).assignment.text(),
            "for " + group.members[1]);
}

TEST(StaticMember, ItsFormerSelfIsFenced) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  bench.send(joining_static("g", "i2"));
  const std::string& old = group.members[1];
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating_as("i2", old)).error, GroupError::kFencedInstanceId);
  SyncGroup sync = syncing("g", old, 1);
  sync.instance_id = "i2";
  EXPECT_EQ(bench.ask<SyncGroupReply>(sync).error, GroupError::kFencedInstanceId);
  OffsetCommit commit = committing("g", old, 1, {"orders", 0}, 1);
  commit.instance_id = "i2";
  EXPECT_EQ(bench.ask<OffsetCommitReply>(commit).positions.at(0).error,
            GroupError::kFencedInstanceId);
  JoinGroup join = joining_static("g", "i2");
  join.member_id = old;
  EXPECT_EQ(bench.ask<JoinGroupReply>(join).error, GroupError::kFencedInstanceId);
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", old, 1)).error, GroupError::kUnknownMemberId);
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating_as("i9", old)).error, GroupError::kUnknownMemberId);
}

// KIP-814.
TEST(StaticMember, ALeaderIsToldToSkipTheAssignment) {
  TestBench bench;
  form_static(bench);
  const auto reply = bench.ask<JoinGroupReply>(joining_static("g", "i1"));
  EXPECT_TRUE(reply.skip_assignment);
  EXPECT_EQ(reply.leader, reply.member_id);
  EXPECT_EQ(reply.members.size(), 2u);
}

TEST(StaticMember, ALeaderBeforeVersion9IsMadeToBelieveItFollows) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  JoinGroup request = joining_static("g", "i1");
  request.supports_skip_assignment = false;
  const auto reply = bench.ask<JoinGroupReply>(request);
  EXPECT_FALSE(reply.skip_assignment);
  EXPECT_EQ(reply.leader, group.members[0]);
  EXPECT_NE(reply.leader, reply.member_id);
  EXPECT_TRUE(reply.members.empty());
  EXPECT_EQ(bench.coordinator->describe("g").leader, reply.member_id);
}

TEST(StaticMember, ItsNewIdIsDurableBeforeItIsTold) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  bench.holds_appends = true;
  const ReplyToken token = bench.send(joining_static("g", "i2"));
  EXPECT_FALSE(bench.is_answered(token));
  // Until then the former self is the member.
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating_as("i2", group.members[1])).error, GroupError::kNone);
  bench.settle();
  const std::string id = bench.reply<JoinGroupReply>(token).member_id;
  bench.restart();
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating_as("i2", id)).error, GroupError::kNone);
}

TEST(StaticMember, ANewIdThatCannotBeStoredChangesNothing) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  bench.holds_appends = true;
  const ReplyToken token = bench.send(joining_static("g", "i2"));
  bench.fail(AppendFailure::kNotLeader);
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).error, GroupError::kNotCoordinator);
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating_as("i2", group.members[1])).error, GroupError::kNone);
}

TEST(StaticMember, SeveralThatComeBackAtOnceAreStoredOneAfterTheOther) {
  TestBench bench;
  form_static(bench);
  bench.holds_appends = true;
  const ReplyToken first = bench.send(joining_static("g", "i1"));
  const ReplyToken second = bench.send(joining_static("g", "i2"));
  EXPECT_EQ(bench.undecided.size(), 1u);
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(bench.reply<JoinGroupReply>(first).error, GroupError::kCoordinatorNotAvailable);
  EXPECT_FALSE(bench.is_answered(second));
  bench.settle();
  EXPECT_EQ(bench.reply<JoinGroupReply>(second).error, GroupError::kNone);
  const std::string id = bench.reply<JoinGroupReply>(second).member_id;
  EXPECT_EQ(bench.coordinator->durable().find("g")->metadata->members.size(), 2u);
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating_as("i2", id)).error, GroupError::kNone);
}

TEST(StaticMember, OfTwoThatWaitForOneInstanceTheLaterWins) {
  TestBench bench;
  form_static(bench);
  bench.holds_appends = true;
  bench.send(joining_static("g", "i1"));
  const ReplyToken earlier = bench.send(joining_static("g", "i2"));
  const ReplyToken later = bench.send(joining_static("g", "i2"));
  EXPECT_EQ(bench.reply<JoinGroupReply>(earlier).error, GroupError::kFencedInstanceId);
  bench.settle();
  EXPECT_EQ(bench.reply<JoinGroupReply>(later).error, GroupError::kNone);
}

TEST(StaticMember, AGroupThatRebalancesMeanwhileTakesItInTheOrdinaryWay) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  bench.holds_appends = true;
  const ReplyToken token = bench.send(joining_static("g", "i2"));
  JoinGroup leader = joining_static("g", "i1");
  leader.member_id = group.members[0];
  const ReplyToken rejoined = bench.send(leader);  // the leader asks for a rebalance
  EXPECT_FALSE(bench.is_answered(rejoined));
  bench.settle();
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).error, GroupError::kNone);
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).generation, 2);
  EXPECT_EQ(bench.reply<JoinGroupReply>(rejoined).generation, 2);
}

TEST(StaticMember, OneThatReplacedItMeanwhileStays) {
  TestBench bench;
  const FormedGroup group = form_static(bench);
  bench.holds_appends = true;
  const ReplyToken earlier = bench.send(joining_static("g", "i2"));
  JoinGroup leader = joining_static("g", "i1");
  leader.member_id = group.members[0];
  bench.send(leader);
  const ReplyToken later = bench.send(joining_static("g", "i2"));
  EXPECT_EQ(bench.reply<JoinGroupReply>(later).generation, 2);
  bench.settle();
  EXPECT_EQ(bench.reply<JoinGroupReply>(earlier).error, GroupError::kFencedInstanceId);
}

TEST(StaticMember, AChangeOfTheChosenProtocolBeginsARebalance) {
  TestBench bench;
  JoinGroup both = joining_static("g", "i1");
  both.protocols = {{"range", bytes("")}, {"sticky", bytes("")}};
  form_group_of(bench, "g", {both});
  both.protocols = {{"sticky", bytes("")}};
  const auto reply = bench.ask<JoinGroupReply>(both);
  EXPECT_EQ(reply.generation, 2);
  EXPECT_EQ(reply.protocol_name, "sticky");
}

TEST(StaticMember, ComingBackWhileTheLeaderAssignsBeginsAgain) {
  TestBench bench;
  const ReplyToken first = bench.send(joining_static("g", "i1"));
  const ReplyToken second = bench.send(joining_static("g", "i2"));
  bench.advance(Duration::milliseconds(6'000));
  const std::string leader = bench.reply<JoinGroupReply>(first).member_id;
  const std::string follower = bench.reply<JoinGroupReply>(second).member_id;
  const ReplyToken sync = bench.send(syncing("g", follower, 1));
  const ReplyToken again = bench.send(joining_static("g", "i2"));
  EXPECT_EQ(bench.reply<SyncGroupReply>(sync).error, GroupError::kFencedInstanceId);
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
  JoinGroup rejoin = joining_static("g", "i1");
  rejoin.member_id = leader;
  bench.send(rejoin);
  EXPECT_EQ(bench.reply<JoinGroupReply>(again).generation, 2);
}

TEST(StaticMember, OneThatIsAwayKeepsItsPlaceForTheSessionTimeout) {
  TestBench bench;
  JoinGroup patient = joining_static("g", "i1");
  patient.session_timeout_ms = 60'000;
  patient.rebalance_timeout_ms = 20'000;
  const FormedGroup group = form_group_of(bench, "g", {patient, joining_static("g", "i2")});
  // i2 asks for a rebalance; i1 is away and not thrown out when the rebalance timeout passes.
  JoinGroup rejoin = joining_static("g", "i2");
  rejoin.member_id = group.members[1];
  rejoin.rebalance_timeout_ms = 20'000;
  rejoin.protocols = {{"range", subscription({"orders", "returns"})}};
  const ReplyToken token = bench.send(rejoin);
  bench.advance(Duration::milliseconds(20'000));
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).leader, group.members[1]);
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).members.size(), 2u);
}

TEST(StaticMember, IfNoneComesBackTheGroupWaitsUntilTheirSessionsEnd) {
  TestBench bench;
  JoinGroup patient = joining_static("g", "i1");
  patient.session_timeout_ms = 100'000;
  patient.rebalance_timeout_ms = 20'000;
  const FormedGroup group = form_group_of(bench, "g", {patient, joining("g", "b")});
  bench.send(leaving("g", group.members[1]));
  bench.advance(Duration::milliseconds(90'000));
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
  bench.advance(Duration::milliseconds(10'000));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
}

TEST(StaticMember, OneThatCameBackHasASessionOfItsOwn) {
  TestBench bench;
  form_static(bench);
  bench.advance(Duration::milliseconds(5'000));
  bench.send(joining_static("g", "i2"));
  bench.advance(Duration::milliseconds(5'000));  // i1 is silent for too long, i2 is not
  EXPECT_EQ(bench.coordinator->describe("g").members.at(0).instance_id, "i2");
  bench.advance(Duration::milliseconds(5'000));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
}

TEST(StaticMember, OneThatComesBackTwiceWhileOthersRejoinIsKeptWaiting) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"b"});
  bench.send(joining_static("g", "i1"));
  const ReplyToken token = bench.send(joining_static("g", "i1"));
  for (int i = 0; i < 4; ++i) {
    bench.advance(Duration::milliseconds(5'000));
    bench.send(beating("g", group.members[0], 1));
  }
  EXPECT_FALSE(bench.is_answered(token));
  bench.send(joining("g", "b", group.members[0]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).error, GroupError::kNone);
}

TEST(StaticMember, AFullGroupStillLetsItComeBack) {
  GroupConfig config;
  config.limits.members_per_group = 2;
  TestBench bench(config);
  form_static(bench);
  EXPECT_EQ(bench.ask<JoinGroupReply>(joining_static("g", "i2")).error, GroupError::kNone);
  EXPECT_EQ(bench.ask<JoinGroupReply>(joining_static("g", "i3")).error,
            GroupError::kGroupMaxSizeReached);
}

}  // namespace
}  // namespace magpie::group
