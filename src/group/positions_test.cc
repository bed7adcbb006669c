#include "group/positions.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

const TopicPartition kOrders0{"orders", 0};
const TopicPartition kReturns0{"returns", 0};

OffsetDelete deleting(const std::string& group_id, std::vector<TopicPartition> positions) {
  return {ReplyToken{}, group_id, std::move(positions)};
}

void commit_outside(TestBench& bench, const std::string& group_id, const TopicPartition& at) {
  bench.send(committing(group_id, "", -1, at, 5));
}

TEST(OffsetFetch, WithoutPartitionsReturnsAllInOrder) {
  TestBench bench;
  commit_outside(bench, "g", kReturns0);
  commit_outside(bench, "g", {"orders", 1});
  commit_outside(bench, "g", kOrders0);
  commit_outside(bench, "other", {"orders", 2});
  const OffsetFetchAnswer answer = bench.coordinator->fetch_positions({"g", std::nullopt, false});
  ASSERT_EQ(answer.positions.size(), 3u);
  EXPECT_EQ(answer.positions[0].at, kOrders0);
  EXPECT_EQ(answer.positions[1].at, (TopicPartition{"orders", 1}));
  EXPECT_EQ(answer.positions[2].at, kReturns0);
}

TEST(OffsetFetch, EchoesEveryPartitionThatWasAskedFor) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  const OffsetFetchAnswer answer =
      bench.coordinator->fetch_positions({"g", {{kReturns0, kOrders0, kReturns0}}, false});
  ASSERT_EQ(answer.positions.size(), 3u);
  EXPECT_EQ(answer.positions[0].offset, Offset{-1});
  EXPECT_EQ(answer.positions[1].offset, Offset{5});
  EXPECT_EQ(answer.positions[2].at, kReturns0);
}

TEST(OffsetDelete, SparesTopicsThatAreSubscribed) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});  // of "orders"
  bench.send(committing("g", group.members[0], 1, kOrders0, 5));
  bench.send(committing("g", group.members[0], 1, kReturns0, 5));
  const auto reply = bench.ask<OffsetDeleteReply>(deleting("g", {kOrders0, kReturns0}));
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.positions.at(0).error, GroupError::kGroupSubscribedToTopic);
  EXPECT_EQ(reply.positions.at(1).error, GroupError::kNone);
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  EXPECT_EQ(position(bench, "g", kReturns0), -1);
}

TEST(OffsetDelete, ASubscriptionThatCannotBeReadSparesEverything) {
  TestBench bench;
  JoinGroup odd = joining("g", "a");
  odd.protocols = {{"range", bytes("?")}};
  const FormedGroup group = form_group_of(bench, "g", {odd});
  bench.send(committing("g", group.members[0], 1, kReturns0, 5));
  EXPECT_EQ(bench.ask<OffsetDeleteReply>(deleting("g", {kReturns0})).positions.at(0).error,
            GroupError::kGroupSubscribedToTopic);
}

TEST(OffsetDelete, AGroupOfAnotherTypeMustBeEmpty) {
  TestBench bench;
  JoinGroup connect = joining("g", "a");
  connect.protocol_type = "connect";
  const FormedGroup group = form_group_of(bench, "g", {connect});
  bench.send(committing("g", group.members[0], 1, kOrders0, 5));
  EXPECT_EQ(bench.ask<OffsetDeleteReply>(deleting("g", {kOrders0})).error,
            GroupError::kNonEmptyGroup);
  bench.send(leaving("g", group.members[0]));
  EXPECT_EQ(bench.ask<OffsetDeleteReply>(deleting("g", {kOrders0})).error, GroupError::kNone);
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
}

TEST(OffsetDelete, AnUnknownGroupIsNotFoundAndAnUnknownPositionIsFine) {
  TestBench bench;
  EXPECT_EQ(bench.ask<OffsetDeleteReply>(deleting("g", {kOrders0})).error,
            GroupError::kGroupIdNotFound);
  commit_outside(bench, "g", kOrders0);
  const size_t records = bench.log.size();
  EXPECT_EQ(bench.ask<OffsetDeleteReply>(deleting("g", {kReturns0})).positions.at(0).error,
            GroupError::kNone);
  EXPECT_EQ(bench.log.size(), records);
}

TEST(OffsetDelete, IsAcknowledgedWhenDurableAndUndoneByNothing) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  const ReplyToken failed = bench.send(deleting("g", {kOrders0}));
  EXPECT_FALSE(bench.is_answered(failed));
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(bench.reply<OffsetDeleteReply>(failed).error, GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  bench.send(deleting("g", {kOrders0}));
  bench.settle();
  bench.restart();
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

}  // namespace
}  // namespace magpie::group
