#include "group/commit.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

const TopicPartition kOrders0{"orders", 0};

GroupError commit_error(TestBench& bench, OffsetCommit request) {
  return bench.ask<OffsetCommitReply>(std::move(request)).positions.at(0).error;
}

FetchedPosition fetch_one(const TestBench& bench, const std::string& group_id,
                          const TopicPartition& at, bool require_stable = false) {
  return bench.coordinator->fetch_positions({group_id, {{at}}, require_stable}).positions.at(0);
}

TEST(Commit, APositionComesBackAsItWasCommitted) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  OffsetCommit request = committing("g", group.members[0], 1, kOrders0, 42);
  request.positions[0].metadata = "any text, also \xE9\xB5\xB2";
  EXPECT_EQ(commit_error(bench, request), GroupError::kNone);
  const FetchedPosition fetched = fetch_one(bench, "g", kOrders0);
  EXPECT_EQ(fetched.offset, Offset{42});
  EXPECT_EQ(fetched.leader_epoch, LeaderEpoch{3});
  EXPECT_EQ(fetched.metadata, "any text, also \xE9\xB5\xB2");
  EXPECT_EQ(fetched.error, GroupError::kNone);
}

TEST(Commit, NoMetadataComesBackAsEmpty) {
  TestBench bench;
  OffsetCommit request = committing("g", "", -1, kOrders0, 42);
  request.positions[0].metadata.reset();
  EXPECT_EQ(commit_error(bench, request), GroupError::kNone);
  EXPECT_EQ(fetch_one(bench, "g", kOrders0).metadata, "");
}

TEST(Commit, APartitionWithoutAPositionIsMinusOneAndNoError) {
  TestBench bench;
  const FetchedPosition fetched = fetch_one(bench, "nobody", kOrders0);
  EXPECT_EQ(fetched.offset, Offset{-1});
  EXPECT_EQ(fetched.leader_epoch, kNoLeaderEpoch);
  EXPECT_EQ(fetched.error, GroupError::kNone);
}

TEST(Commit, IsNeitherVisibleNorAcknowledgedBeforeItIsDurable) {
  TestBench bench;
  bench.holds_appends = true;
  const ReplyToken token = bench.send(committing("g", "", -1, kOrders0, 42));
  EXPECT_FALSE(bench.is_answered(token));
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  bench.settle();
  EXPECT_EQ(bench.reply<OffsetCommitReply>(token).positions.at(0).error, GroupError::kNone);
  EXPECT_EQ(position(bench, "g", kOrders0), 42);
}

TEST(Commit, OneThatCannotBeStoredLeavesTheFormerPosition) {
  const std::vector<std::pair<AppendFailure, GroupError>> cases = {
      {AppendFailure::kNotDurable, GroupError::kCoordinatorNotAvailable},
      {AppendFailure::kNotLeader, GroupError::kNotCoordinator},
      {AppendFailure::kTooLarge, GroupError::kInvalidCommitOffsetSize}};
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 7));
  bench.holds_appends = true;
  for (const auto& [failure, error] : cases) {
    const ReplyToken token = bench.send(committing("g", "", -1, kOrders0, 42));
    bench.fail(failure);
    EXPECT_EQ(bench.reply<OffsetCommitReply>(token).positions.at(0).error, error);
    EXPECT_EQ(position(bench, "g", kOrders0), 7);
  }
}

TEST(Commit, AGroupWhoseFirstCommitFailsIsGone) {
  TestBench bench;
  bench.holds_appends = true;
  bench.send(committing("g", "", -1, kOrders0, 42));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

// KIP-447: a consumer that must not read an older position than the one on its way.
TEST(Commit, OneUnderWayIsUnstableForThoseWhoAsk) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 7));
  bench.holds_appends = true;
  bench.send(committing("g", "", -1, kOrders0, 42));
  EXPECT_EQ(fetch_one(bench, "g", kOrders0, true).error, GroupError::kUnstableOffsetCommit);
  EXPECT_EQ(fetch_one(bench, "g", kOrders0, true).offset, Offset{-1});
  EXPECT_EQ(fetch_one(bench, "g", kOrders0, false).offset, Offset{7});
  EXPECT_EQ(fetch_one(bench, "g", {"orders", 1}, true).error, GroupError::kNone);
  bench.settle();
  EXPECT_EQ(fetch_one(bench, "g", kOrders0, true).offset, Offset{42});
}

TEST(Commit, OnlyMembersOfTheGenerationMayCommit) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  const std::string& member = group.members[0];
  EXPECT_EQ(commit_error(bench, committing("g", member, 0, kOrders0, 1)),
            GroupError::kIllegalGeneration);
  EXPECT_EQ(commit_error(bench, committing("g", member, 2, kOrders0, 1)),
            GroupError::kIllegalGeneration);
  EXPECT_EQ(commit_error(bench, committing("g", "stranger", 1, kOrders0, 1)),
            GroupError::kUnknownMemberId);
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, kOrders0, 1)),
            GroupError::kUnknownMemberId);
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
}

TEST(Commit, AGroupWithoutMembersTakesCommitsFromOutside) {
  TestBench bench;
  EXPECT_EQ(commit_error(bench, committing("simple", "", -1, kOrders0, 1)), GroupError::kNone);
  const FormedGroup group = form_group(bench, "g", {"a"});
  bench.send(leaving("g", group.members[0]));
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, kOrders0, 2)), GroupError::kNone);
  EXPECT_EQ(position(bench, "g", kOrders0), 2);
  EXPECT_EQ(commit_error(bench, committing("g", group.members[0], 1, kOrders0, 3)),
            GroupError::kUnknownMemberId);
}

TEST(Commit, AGenerationOfAnUnknownGroupIsIllegal) {
  TestBench bench;
  EXPECT_EQ(commit_error(bench, committing("g", "a-1", 4, kOrders0, 1)),
            GroupError::kIllegalGeneration);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

// Kafka keeps the empty group id for consumers that only store positions.
TEST(Commit, TheEmptyGroupIdCanStorePositions) {
  TestBench bench;
  EXPECT_EQ(commit_error(bench, committing("", "", -1, kOrders0, 1)), GroupError::kNone);
  EXPECT_EQ(position(bench, "", kOrders0), 1);
}

TEST(Commit, BetweenJoinAndAssignmentThereIsNothingToCommit) {
  TestBench bench;
  const ReplyToken join = bench.send(joining("g", "a"));
  bench.advance(Duration::milliseconds(3'000));
  const std::string member = bench.reply<JoinGroupReply>(join).member_id;
  EXPECT_EQ(commit_error(bench, committing("g", member, 1, kOrders0, 1)),
            GroupError::kRebalanceInProgress);
}

TEST(Commit, EachPositionIsDecidedOnItsOwn) {
  TestBench bench;
  OffsetCommit request = committing("g", "", -1, kOrders0, 1);
  request.positions.push_back({{"orders", 1}, Offset{2}, kNoLeaderEpoch, std::string(4'097, 'x')});
  request.positions.push_back({{"orders", 2}, Offset{3}, kNoLeaderEpoch, std::string(4'096, 'x')});
  request.positions.push_back({{std::string(250, 't'), 0}, Offset{4}, kNoLeaderEpoch, ""});
  const auto reply = bench.ask<OffsetCommitReply>(request);
  ASSERT_EQ(reply.positions.size(), 4u);
  EXPECT_EQ(reply.positions[0].error, GroupError::kNone);
  EXPECT_EQ(reply.positions[1].error, GroupError::kOffsetMetadataTooLarge);
  EXPECT_EQ(reply.positions[2].error, GroupError::kNone);
  EXPECT_EQ(reply.positions[3].error, GroupError::kUnknownTopicOrPartition);
  EXPECT_EQ(position(bench, "g", {"orders", 1}), -1);
  EXPECT_EQ(position(bench, "g", {"orders", 2}), 3);
}

TEST(Commit, ARequestWithoutPositionsIsAnsweredAtOnce) {
  TestBench bench;
  OffsetCommit request = committing("g", "", -1, kOrders0, 1);
  request.positions.clear();
  EXPECT_TRUE(bench.ask<OffsetCommitReply>(request).positions.empty());
  EXPECT_TRUE(bench.log.empty());
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

TEST(Commit, TheNumberOfPositionsIsLimitedAndKnownOnesStillMove) {
  GroupConfig config;
  config.limits.positions = 1;
  TestBench bench(config);
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, kOrders0, 1)), GroupError::kNone);
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, {"orders", 1}, 1)),
            GroupError::kPolicyViolation);
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, kOrders0, 2)), GroupError::kNone);
}

TEST(Commit, TheNumberOfGroupsIsLimited) {
  GroupConfig config;
  config.limits.groups = 1;
  TestBench bench(config);
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, kOrders0, 1)), GroupError::kNone);
  EXPECT_EQ(commit_error(bench, committing("h", "", -1, kOrders0, 1)),
            GroupError::kGroupMaxSizeReached);
}

TEST(Commit, TooManyUndecidedAppendsAskClientsToRetry) {
  GroupConfig config;
  config.limits.pending_appends = 2;
  TestBench bench(config);
  bench.holds_appends = true;
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.send(committing("g", "", -1, kOrders0, 2));
  EXPECT_EQ(commit_error(bench, committing("g", "", -1, kOrders0, 3)),
            GroupError::kCoordinatorNotAvailable);
  bench.settle_one();
  bench.send(committing("g", "", -1, kOrders0, 4));
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), 4);
}

// A failed append between two good ones must not disturb their order.
TEST(Commit, OutcomesAreAppliedInLogOrder) {
  TestBench bench;
  bench.holds_appends = true;
  bench.send(committing("g", "", -1, kOrders0, 1));
  const ReplyToken second = bench.send(committing("g", "", -1, kOrders0, 2));
  bench.send(committing("g", "", -1, kOrders0, 3));
  const AppendId id = bench.undecided.at(1).id;
  bench.undecided.erase(bench.undecided.begin() + 1);
  bench.deliver(AppendFailed{id, AppendFailure::kNotDurable});
  EXPECT_EQ(bench.reply<OffsetCommitReply>(second).positions.at(0).error,
            GroupError::kCoordinatorNotAvailable);
  bench.settle_one();
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
  bench.settle_one();
  EXPECT_EQ(position(bench, "g", kOrders0), 3);
}

}  // namespace
}  // namespace magpie::group
