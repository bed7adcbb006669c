#include "group/removal.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

const TopicPartition kOrders0{"orders", 0};

DeleteGroups deleting(std::vector<std::string> group_ids) {
  return {ReplyToken{}, std::move(group_ids)};
}

TEST(DeleteGroups, EachGroupIsDecidedOnItsOwn) {
  TestBench bench;
  form_group(bench, "busy", {"a"});
  bench.send(committing("idle", "", -1, kOrders0, 5));
  const auto reply = bench.ask<DeleteGroupsReply>(deleting({"busy", "idle", "unknown"}));
  ASSERT_EQ(reply.groups.size(), 3u);
  EXPECT_EQ(reply.groups[0].error, GroupError::kNonEmptyGroup);
  EXPECT_EQ(reply.groups[1].error, GroupError::kNone);
  EXPECT_EQ(reply.groups[2].error, GroupError::kGroupIdNotFound);
  EXPECT_EQ(state_of(bench, "busy"), "Stable");
  EXPECT_EQ(state_of(bench, "idle"), "Dead");
  bench.restart();
  EXPECT_EQ(state_of(bench, "idle"), "Dead");
  EXPECT_EQ(position(bench, "idle", kOrders0), -1);
}

TEST(DeleteGroups, AGroupWhoseMembersLeftIsForgottenWithItsGeneration) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  bench.send(committing("g", group.members[0], 1, kOrders0, 5));
  bench.send(leaving("g", group.members[0]));
  EXPECT_EQ(bench.ask<DeleteGroupsReply>(deleting({"g"})).groups.at(0).error, GroupError::kNone);
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
  EXPECT_EQ(form_group(bench, "g", {"a"}).generation, 1);
}

TEST(DeleteGroups, IsAnsweredWhenTheLastRemovalIsDecided) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 5));
  bench.send(committing("h", "", -1, kOrders0, 5));
  bench.holds_appends = true;
  const ReplyToken token = bench.send(deleting({"g", "h"}));
  bench.settle_one();
  EXPECT_FALSE(bench.is_answered(token));
  bench.fail(AppendFailure::kNotDurable);
  const auto& reply = bench.reply<DeleteGroupsReply>(token);
  EXPECT_EQ(reply.groups.at(0).error, GroupError::kNone);
  EXPECT_EQ(reply.groups.at(1).error, GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  EXPECT_EQ(state_of(bench, "h"), "Empty");
  EXPECT_EQ(position(bench, "h", kOrders0), 5);
}

TEST(DeleteGroups, WhileTheRemovalIsWrittenTheGroupServesNobody) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 5));
  bench.holds_appends = true;
  bench.send(deleting({"g"}));
  EXPECT_EQ(bench.ask<JoinGroupReply>(joining("g", "a")).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(bench.ask<JoinGroupReply>(joining("g", "a", "a-1")).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(bench.ask<SyncGroupReply>(syncing("g", "a-1", 1)).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", "a-1", 1)).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(bench.ask<LeaveGroupReply>(leaving("g", "a-1")).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(
      bench.ask<OffsetCommitReply>(committing("g", "", -1, kOrders0, 6)).positions.at(0).error,
      GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(bench.ask<OffsetDeleteReply>(OffsetDelete{{}, "g", {kOrders0}}).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(bench.ask<DeleteGroupsReply>(deleting({"g"})).groups.at(0).error,
            GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(position(bench, "g", kOrders0), 5);  // it is still there
  bench.settle();
  EXPECT_EQ(bench.ask<DeleteGroupsReply>(deleting({"g"})).groups.at(0).error,
            GroupError::kGroupIdNotFound);
}

TEST(DeleteGroups, CoversACommitThatIsStillUnderWay) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 5));
  bench.holds_appends = true;
  const ReplyToken commit = bench.send(committing("g", "", -1, {"orders", 1}, 6));
  const ReplyToken removal = bench.send(deleting({"g"}));
  bench.settle();
  EXPECT_EQ(bench.reply<OffsetCommitReply>(commit).positions.at(0).error, GroupError::kNone);
  EXPECT_EQ(bench.reply<DeleteGroupsReply>(removal).groups.at(0).error, GroupError::kNone);
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
  bench.restart();
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
}

TEST(DeleteGroups, ATopicThatGoesMeanwhileDoesNotDisturb) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 5));
  bench.holds_appends = true;
  bench.send(deleting({"g"}));
  bench.deliver(TopicDeleted{"orders"});
  bench.settle_one();
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  EXPECT_TRUE(bench.undecided.empty()) << "the removal took its positions";
  bench.advance(Duration::seconds(1));
  EXPECT_TRUE(bench.undecided.empty());
}

TEST(DeleteGroups, ARemovalThatFailsLeavesATopicThatWentToGo) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 5));
  bench.holds_appends = true;
  bench.send(deleting({"g"}));
  bench.deliver(TopicDeleted{"orders"});
  bench.fail(AppendFailure::kNotDurable);
  bench.advance(Duration::seconds(1));
  bench.settle();
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
}

TEST(DeleteGroups, AGroupThatOnlyGaveOutAnIdNeedsNoRecord) {
  TestBench bench;
  JoinGroup request = joining("g", "a");
  request.requires_member_id = true;
  bench.send(request);
  EXPECT_EQ(bench.ask<DeleteGroupsReply>(deleting({"g"})).groups.at(0).error, GroupError::kNone);
  EXPECT_TRUE(bench.log.empty());
  bench.advance(Duration::milliseconds(20'000));  // its timer is gone too
}

}  // namespace
}  // namespace magpie::group
