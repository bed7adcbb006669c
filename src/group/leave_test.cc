#include "group/leave.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

TEST(Leave, TheOthersRebalance) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const auto reply = bench.ask<LeaveGroupReply>(leaving("g", group.members[0]));
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.members.at(0).error, GroupError::kNone);
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
  const ReplyToken b = bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(b).leader, group.members[1]);
}

TEST(Leave, TheLastMemberLeavesAnEmptyGroupWithItsPositions) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  bench.send(committing("g", group.members[0], group.generation, {"orders", 0}, 42));
  bench.send(leaving("g", group.members[0]));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  EXPECT_EQ(position(bench, "g", {"orders", 0}), 42);
  bench.restart();
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  EXPECT_EQ(bench.coordinator->describe("g").generation, group.generation + 1);
}

TEST(Leave, AGroupThatNeverBecameStableLeavesNoTrace) {
  TestBench bench;
  const ReplyToken join = bench.send(joining("g", "a"));
  bench.advance(Duration::milliseconds(3'000));
  bench.send(leaving("g", bench.reply<JoinGroupReply>(join).member_id));
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  EXPECT_TRUE(bench.log.empty());
}

TEST(Leave, StrangersAreToldSo) {
  TestBench bench;
  EXPECT_EQ(bench.ask<LeaveGroupReply>(leaving("g", "a")).members.at(0).error,
            GroupError::kUnknownMemberId);
  form_group(bench, "g", {"a"});
  EXPECT_EQ(bench.ask<LeaveGroupReply>(leaving("g", "x")).members.at(0).error,
            GroupError::kUnknownMemberId);
  EXPECT_EQ(bench.ask<LeaveGroupReply>(leaving("", "a")).error, GroupError::kInvalidGroupId);
  EXPECT_EQ(state_of(bench, "g"), "Stable");
}

TEST(Leave, ParkedRequestsOfTheOneWhoLeavesAreAnswered) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken join = bench.send(joining("g", "a", group.members[0]));
  bench.send(leaving("g", group.members[0]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(join).error, GroupError::kUnknownMemberId);
  const ReplyToken again = bench.send(joining("g", "b", group.members[1]));
  const int32_t generation = bench.reply<JoinGroupReply>(again).generation;
  bench.holds_appends = true;
  const ReplyToken sync = bench.send(syncing("g", group.members[1], generation));
  bench.send(leaving("g", group.members[1]));
  EXPECT_EQ(bench.reply<SyncGroupReply>(sync).error, GroupError::kUnknownMemberId);
}

TEST(Leave, AnIdThatWasGivenOutCanBeReturned) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  JoinGroup request = joining("g", "b");
  request.requires_member_id = true;
  const std::string pending = bench.ask<JoinGroupReply>(request).member_id;
  const ReplyToken rejoin = bench.send(joining("g", "a", group.members[0]));
  EXPECT_FALSE(bench.is_answered(rejoin));  // the group waits for b
  EXPECT_EQ(bench.ask<LeaveGroupReply>(leaving("g", pending)).members.at(0).error,
            GroupError::kNone);
  EXPECT_EQ(bench.reply<JoinGroupReply>(rejoin).error, GroupError::kNone);
}

// Version 3: kafka-consumer-groups removes static members by instance id.
TEST(Leave, SeveralMembersAtOnceEachWithItsOwnError) {
  TestBench bench;
  const FormedGroup group = form_group_of(
      bench, "g", {joining_static("g", "i1"), joining_static("g", "i2"), joining("g", "c")});
  LeaveGroup request;
  request.group_id = "g";
  request.members = {{"", "i1", "maintenance"},
                     {"", "i3", ""},
                     {group.members[2], "i2", ""},
                     {group.members[2], std::nullopt, ""}};
  const auto reply = bench.ask<LeaveGroupReply>(request);
  ASSERT_EQ(reply.members.size(), 4u);
  EXPECT_EQ(reply.members[0].error, GroupError::kNone);
  EXPECT_EQ(reply.members[0].instance_id, "i1");
  EXPECT_EQ(reply.members[1].error, GroupError::kUnknownMemberId);
  EXPECT_EQ(reply.members[2].error, GroupError::kFencedInstanceId);
  EXPECT_EQ(reply.members[3].error, GroupError::kNone);
  EXPECT_EQ(bench.coordinator->describe("g").members.size(), 1u);
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
}

}  // namespace
}  // namespace magpie::group
