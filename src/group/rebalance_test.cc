#include "group/rebalance.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

constexpr Duration millis(int64_t n) {
  return Duration::milliseconds(n);
}

TEST(Rebalance, TheFirstOneWaitsForMoreMembersToCome) {
  TestBench bench;
  const ReplyToken a = bench.send(joining("g", "a"));
  bench.advance(millis(2'999));
  EXPECT_FALSE(bench.is_answered(a));
  bench.advance(millis(1));
  EXPECT_TRUE(bench.is_answered(a));
}

TEST(Rebalance, EachNewMemberExtendsTheFirstWaitByOneDelay) {
  TestBench bench;
  const ReplyToken a = bench.send(joining("g", "a"));
  bench.advance(millis(1'000));
  bench.send(joining("g", "b"));
  bench.advance(millis(2'000));
  EXPECT_FALSE(bench.is_answered(a));
  bench.advance(millis(3'000));
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).members.size(), 2u);
}

TEST(Rebalance, TheFirstWaitEndsWithTheRebalanceTimeout) {
  TestBench bench;
  JoinGroup first = joining("g", "a");
  first.rebalance_timeout_ms = 8'000;
  const ReplyToken a = bench.send(first);
  for (int i = 0; i < 7; ++i) {
    bench.advance(millis(1'000));
    JoinGroup more = joining("g", "b" + std::to_string(i));
    more.rebalance_timeout_ms = 8'000;
    bench.send(more);
  }
  EXPECT_FALSE(bench.is_answered(a));
  bench.advance(millis(1'000));
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).members.size(), 8u);
}

TEST(Rebalance, WithoutADelayTheFirstMemberIsAnsweredAtTheNextTick) {
  GroupConfig config;
  config.initial_rebalance_delay = Duration{};
  TestBench bench(config);
  const ReplyToken a = bench.send(joining("g", "a"));
  EXPECT_EQ(bench.coordinator->next_deadline(), bench.now.instant);
  bench.advance(Duration{});
  EXPECT_TRUE(bench.is_answered(a));
}

TEST(Rebalance, ALaterOneEndsAsSoonAsEverybodyHasJoined) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken c = bench.send(joining("g", "c"));
  bench.send(joining("g", "a", group.members[0]));
  EXPECT_FALSE(bench.is_answered(c));
  bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(c).generation, 2);
}

TEST(Rebalance, WhoDoesNotRejoinWithinTheRebalanceTimeoutIsRemoved) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken c = bench.send(joining("g", "c"));
  bench.send(joining("g", "a", group.members[0]));
  for (int i = 0; i < 12; ++i) {  // b lives and does not rejoin
    EXPECT_FALSE(bench.is_answered(c));
    bench.send(beating("g", group.members[1], group.generation));
    bench.advance(millis(5'000));
  }
  EXPECT_EQ(bench.reply<JoinGroupReply>(c).error, GroupError::kNone);
  EXPECT_EQ(bench.coordinator->describe("g").members.size(), 2u);
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", group.members[1], 1)).error,
            GroupError::kUnknownMemberId);
}

TEST(Rebalance, TheLeadersPlaceGoesToAMemberThatJoined) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b", "c"});
  bench.send(leaving("g", group.members[0]));
  const ReplyToken b = bench.send(joining("g", "b", group.members[1]));
  const ReplyToken late = bench.send(joining("g", "c", group.members[2]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(b).leader, group.members[1]);
  EXPECT_EQ(bench.reply<JoinGroupReply>(late).leader, group.members[1]);
}

TEST(Rebalance, ASilentMemberIsRemovedAfterItsSessionTimeout) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  bench.advance(millis(6'000));
  bench.send(beating("g", group.members[0], group.generation));
  bench.advance(millis(3'999));
  EXPECT_EQ(state_of(bench, "g"), "Stable");
  bench.advance(millis(1));
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
  EXPECT_EQ(bench.coordinator->describe("g").members.size(), 1u);
  EXPECT_EQ(bench.coordinator->statistics().members_expired, 1u);
}

TEST(Rebalance, ACommitKeepsTheSession) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  for (int i = 0; i < 5; ++i) {
    bench.advance(millis(9'000));
    bench.send(committing("g", group.members[0], group.generation, {"orders", 0}, i));
  }
  EXPECT_EQ(state_of(bench, "g"), "Stable");
}

TEST(Rebalance, AMemberThatIsKeptWaitingIsNotSilent) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken a = bench.send(joining("g", "a", group.members[0]));
  for (int i = 0; i < 6; ++i) {
    bench.advance(millis(9'000));
    bench.send(beating("g", group.members[1], group.generation));
  }
  EXPECT_FALSE(bench.is_answered(a));
  bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).error, GroupError::kNone);
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).members.size(), 2u);
}

TEST(Rebalance, ANewMembersJoinIsGivenUpAfterItsOwnTimeout) {
  TestBench bench;
  JoinGroup patient = joining("g", "a");
  patient.rebalance_timeout_ms = 3'600'000;
  patient.session_timeout_ms = 1'800'000;
  const FormedGroup group = form_group_of(bench, "g", {patient});
  const ReplyToken b = bench.send(joining("g", "b"));
  bench.advance(millis(299'999));
  EXPECT_FALSE(bench.is_answered(b));
  bench.advance(millis(1));
  EXPECT_EQ(bench.reply<JoinGroupReply>(b).error, GroupError::kUnknownMemberId);
  EXPECT_EQ(bench.coordinator->describe("g").members.size(), 1u);
}

TEST(Rebalance, WhoNeverAsksForItsAssignmentIsRemoved) {
  TestBench bench;
  const ReplyToken a = bench.send(joining("g", "a"));
  const ReplyToken b = bench.send(joining("g", "b"));
  bench.advance(millis(6'000));
  const std::string leader = bench.reply<JoinGroupReply>(a).member_id;
  const std::string follower = bench.reply<JoinGroupReply>(b).member_id;
  bench.send(syncing("g", leader, 1, {{leader, bytes("l")}, {follower, bytes("f")}}));
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(state_of(bench, "g"), "Stable");
    bench.send(beating("g", leader, 1));
    bench.send(beating("g", follower, 1));
    bench.advance(millis(5'000));
  }
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", follower, 1)).error,
            GroupError::kUnknownMemberId);
}

TEST(Rebalance, ALeaderThatNeverSyncsIsRemovedAndTheOthersBeginAgain) {
  TestBench bench;
  const ReplyToken a = bench.send(joining("g", "a"));
  const ReplyToken b = bench.send(joining("g", "b"));
  bench.advance(millis(6'000));
  const std::string leader = bench.reply<JoinGroupReply>(a).member_id;
  const std::string follower = bench.reply<JoinGroupReply>(b).member_id;
  const ReplyToken sync = bench.send(syncing("g", follower, 1));
  bench.advance(millis(10'000));  // the leader's session ends
  EXPECT_EQ(bench.reply<SyncGroupReply>(sync).error, GroupError::kRebalanceInProgress);
  const ReplyToken again = bench.send(joining("g", "b", follower));
  EXPECT_EQ(bench.reply<JoinGroupReply>(again).leader, follower);
}

TEST(Rebalance, VersionZeroHasTheSessionTimeoutForRejoining) {
  TestBench bench;
  JoinGroup old = joining("g", "a");
  old.rebalance_timeout_ms = -1;
  JoinGroup other = old;
  other.client_id = "b";
  const FormedGroup group = form_group_of(bench, "g", {old, other});
  old.member_id = group.members[0];
  const ReplyToken a = bench.send(old);
  bench.advance(millis(5'000));
  bench.send(beating("g", group.members[1], group.generation));
  bench.advance(millis(4'999));
  EXPECT_FALSE(bench.is_answered(a));
  bench.advance(millis(1));
  EXPECT_TRUE(bench.is_answered(a));
}

TEST(Rebalance, WaitsNoLongerForAnIdThatExpired) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  JoinGroup pending = joining("g", "b");
  pending.requires_member_id = true;
  bench.send(pending);
  const ReplyToken rejoin = bench.send(joining("g", "a", group.members[0]));
  bench.advance(millis(9'999));
  EXPECT_FALSE(bench.is_answered(rejoin));
  bench.advance(millis(1));
  EXPECT_EQ(bench.reply<JoinGroupReply>(rejoin).error, GroupError::kNone);
}

// The client side is cooperative: it keeps consuming while it rejoins, and needs to be told of the
// rebalance by heartbeats and to be allowed to commit until the new generation begins (KIP-429).
TEST(Rebalance, CooperativeMembersCommitWhileTheyRejoin) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  bench.send(joining("g", "c"));
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", group.members[0], 1)).error,
            GroupError::kRebalanceInProgress);
  const auto commit = [&] {
    return bench.ask<OffsetCommitReply>(committing("g", group.members[0], 1, {"orders", 0}, 9))
        .positions.at(0)
        .error;
  };
  EXPECT_EQ(commit(), GroupError::kNone);
  bench.send(joining("g", "a", group.members[0]));
  EXPECT_EQ(commit(), GroupError::kNone);
  bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(commit(), GroupError::kIllegalGeneration);
}

}  // namespace
}  // namespace magpie::group
