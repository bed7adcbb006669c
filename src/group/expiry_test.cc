#include "group/expiry.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

const TopicPartition kOrders0{"orders", 0};
const TopicPartition kReturns0{"returns", 0};

GroupConfig one_hour() {
  GroupConfig config;
  config.offsets_retention = Duration::seconds(3'600);
  config.retention_check_interval = Duration::seconds(60);
  return config;
}

constexpr Duration minutes(int64_t n) {
  return Duration::seconds(60 * n);
}

TEST(Expiry, ASimpleGroupsPositionExpiresAfterItsLastCommit) {
  TestBench bench(one_hour());
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.advance(minutes(30));
  bench.send(committing("g", "", -1, kReturns0, 2));
  bench.advance(minutes(29));
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
  bench.advance(minutes(2));
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", kReturns0), 2);
  bench.advance(minutes(30));
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  EXPECT_EQ(bench.coordinator->statistics().positions_expired, 2u);
  bench.restart();
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
}

TEST(Expiry, AGroupThatHadMembersKeepsAllUntilItHasBeenEmptyForTheWholeTime) {
  TestBench bench(one_hour());
  JoinGroup patient = joining("g", "a");
  patient.session_timeout_ms = 1'800'000;
  const FormedGroup group = form_group_of(bench, "g", {patient});
  bench.send(committing("g", group.members[0], 1, kOrders0, 1));
  for (int i = 0; i < 10; ++i) {
    bench.advance(minutes(20));
    bench.send(beating("g", group.members[0], 1));
  }
  bench.send(leaving("g", group.members[0]));
  bench.advance(minutes(59));
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
  bench.advance(minutes(2));
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

TEST(Expiry, ACommitFromOutsideCountsFromItsOwnTime) {
  TestBench bench(one_hour());
  const FormedGroup group = form_group(bench, "g", {"a"});
  bench.send(committing("g", group.members[0], 1, kOrders0, 1));
  bench.send(leaving("g", group.members[0]));
  bench.advance(minutes(50));
  bench.send(committing("g", "", -1, kReturns0, 7));  // an administrator
  bench.advance(minutes(15));
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", kReturns0), 7);
}

TEST(Expiry, AStableConsumerGroupLosesOnlyTopicsThatNobodySubscribes) {
  TestBench bench(one_hour());
  JoinGroup patient = joining("g", "a");  // of "orders"
  patient.session_timeout_ms = 1'800'000;
  const FormedGroup group = form_group_of(bench, "g", {patient});
  bench.send(committing("g", group.members[0], 1, kOrders0, 1));
  bench.send(committing("g", group.members[0], 1, kReturns0, 2));
  for (int i = 0; i < 4; ++i) {
    bench.advance(minutes(20));
    bench.send(beating("g", group.members[0], 1));
  }
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
  EXPECT_EQ(position(bench, "g", kReturns0), -1);
  EXPECT_EQ(state_of(bench, "g"), "Stable");
}

TEST(Expiry, PositionsOfATopicThatIsAwayWaitForIt) {
  GroupConfig config = one_hour();
  config.kept_prefix = "away/";
  TestBench bench(config);
  bench.send(committing("g", "", -1, kOrders0, 1));
  OffsetCommit short_lived = committing("g", "", -1, kReturns0, 2);
  short_lived.retention_time_ms = 60'000;
  bench.send(short_lived);
  bench.deliver(TopicRenamed{"orders", "away/1"});
  bench.deliver(TopicRenamed{"returns", "away/2"});
  bench.advance(minutes(300));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  bench.deliver(TopicRenamed{"away/1", "orders"});
  bench.deliver(TopicRenamed{"away/2", "returns"});
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
  EXPECT_EQ(position(bench, "g", kReturns0), 2);
  bench.advance(minutes(59));
  EXPECT_EQ(position(bench, "g", kOrders0), 1) << "it has its whole time again";
  EXPECT_EQ(position(bench, "g", kReturns0), -1);
}

TEST(Expiry, ALiveGroupOfAnotherTypeLosesNothing) {
  TestBench bench(one_hour());
  JoinGroup connect = joining("g", "a");
  connect.protocol_type = "connect";
  connect.session_timeout_ms = 1'800'000;
  const FormedGroup group = form_group_of(bench, "g", {connect});
  bench.send(committing("g", group.members[0], 1, kOrders0, 1));
  for (int i = 0; i < 10; ++i) {
    bench.advance(minutes(20));
    bench.send(beating("g", group.members[0], 1));
  }
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
}

TEST(Expiry, AnEmptyGroupWithoutPositionsIsRemovedAtTheNextSweep) {
  TestBench bench(one_hour());
  const FormedGroup group = form_group(bench, "g", {"a"});
  bench.send(leaving("g", group.members[0]));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  bench.advance(minutes(1));
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

// OffsetCommit 2 to 4. Pitfalls: -1 means the broker's setting, INT64_MAX must not overflow.
TEST(Expiry, ARetentionTimeInTheCommitIsKept) {
  TestBench bench(one_hour());
  const auto commit_for = [&](int32_t partition, int64_t retention_time_ms) {
    OffsetCommit request = committing("g", "", -1, {"orders", partition}, 1);
    request.retention_time_ms = retention_time_ms;
    bench.send(request);
  };
  commit_for(0, 120'000);
  commit_for(1, -1);
  commit_for(2, INT64_MAX);
  bench.restart();  // the time is stored with the position
  bench.advance(minutes(3));
  EXPECT_EQ(position(bench, "g", {"orders", 0}), -1);
  EXPECT_EQ(position(bench, "g", {"orders", 1}), 1);
  bench.advance(minutes(60));
  EXPECT_EQ(position(bench, "g", {"orders", 1}), -1);
  bench.advance(minutes(100'000));
  EXPECT_EQ(position(bench, "g", {"orders", 2}), 1);
}

TEST(Expiry, APositionWithACommitUnderWayIsLeftAlone) {
  TestBench bench(one_hour());
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.advance(minutes(59));
  bench.holds_appends = true;
  bench.send(committing("g", "", -1, kOrders0, 2));
  bench.advance(minutes(2));
  EXPECT_EQ(bench.undecided.size(), 1u);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), 2);
}

TEST(Expiry, AGroupWithACommitUnderWayIsNotRemoved) {
  TestBench bench(one_hour());
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.advance(minutes(59));
  bench.holds_appends = true;
  bench.send(committing("g", "", -1, kReturns0, 2));
  bench.advance(minutes(2));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", kReturns0), 2);
  EXPECT_EQ(state_of(bench, "g"), "Empty");
}

TEST(Expiry, AGroupThatHasGivenOutAnIdIsNotRemoved) {
  TestBench bench(one_hour());
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.advance(minutes(59));
  JoinGroup join = joining("g", "a");
  join.session_timeout_ms = 300'000;
  join.requires_member_id = true;
  join.member_id = bench.ask<JoinGroupReply>(join).member_id;
  bench.advance(minutes(2));
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  const ReplyToken token = bench.send(join);
  bench.advance(Duration::milliseconds(3'000));
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).error, GroupError::kNone);
}

TEST(Expiry, ARemovalThatCannotBeStoredIsTriedAgain) {
  TestBench bench(one_hour());
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.advance(minutes(59));
  bench.holds_appends = true;
  bench.advance(minutes(2));
  ASSERT_EQ(bench.undecided.size(), 1u);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  EXPECT_EQ(position(bench, "g", kOrders0), 1);
  bench.advance(minutes(1));
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
}

TEST(Expiry, ASweepGoesOnInStepsUntilEverythingIsDone) {
  GroupConfig config = one_hour();
  config.limits.removals_per_step = 10;
  TestBench bench(config);
  for (int group = 0; group < 3; ++group) {
    OffsetCommit request = committing("g" + std::to_string(group), "", -1, kOrders0, 1);
    for (int i = 1; i < 25; ++i) request.positions.push_back({{"orders", i}, Offset{1}});
    bench.send(request);
  }
  bench.advance(minutes(59));
  size_t largest = 0;
  bench.holds_appends = true;
  bench.advance(minutes(1));
  for (int i = 0; i < 100 && !bench.coordinator->durable().groups().empty(); ++i) {
    for (const Append& append : bench.undecided) largest = std::max(largest, append.records.size());
    bench.settle();
    bench.advance(config.sweep_pause);
  }
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
  EXPECT_LE(largest, 11u);  // ten positions, and perhaps the group itself
}

}  // namespace
}  // namespace magpie::group
