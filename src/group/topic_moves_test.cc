#include "group/topic_moves.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

const TopicPartition kOrders0{"orders", 0};
const TopicPartition kOrders7{"orders", 7};
const TopicPartition kReturns0{"returns", 0};
const TopicPartition kAway0{"away", 0};

const TopicRenamed kAway{"orders", "away"};
const TopicRenamed kBack{"away", "orders"};

void commit_outside(TestBench& bench, const std::string& group_id, const TopicPartition& at,
                    int64_t offset = 5) {
  bench.send(committing(group_id, "", -1, at, offset));
}

void second_passes(TestBench& bench) {
  bench.advance(Duration::seconds(1));
}

TEST(TopicDeleted, TakesItsPositionsInEveryGroupAlsoThoseUnderWay) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  commit_outside(bench, "g", kReturns0);
  commit_outside(bench, "h", {"orders", 1});
  bench.holds_appends = true;
  commit_outside(bench, "g", {"orders", 7});
  bench.deliver(TopicDeleted{"orders"});
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", {"orders", 7}), -1);
  EXPECT_EQ(position(bench, "g", kReturns0), 5);
  EXPECT_EQ(state_of(bench, "h"), "Dead");
  EXPECT_EQ(bench.coordinator->topics_with_positions(), (std::set<std::string>{"returns"}));
}

TEST(TopicRenamed, ItsPositionsMoveInEveryGroup) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  commit_outside(bench, "g", kReturns0);
  commit_outside(bench, "h", {"orders", 1});
  bench.deliver(TopicRenamed{"orders", "away"});
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", {"away", 0}), 5);
  EXPECT_EQ(position(bench, "h", {"away", 1}), 5);
  EXPECT_EQ(position(bench, "g", kReturns0), 5);
  bench.restart();
  bench.deliver(TopicRenamed{"away", "orders"});
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  EXPECT_EQ(bench.coordinator->topics_with_positions(),
            (std::set<std::string>{"orders", "returns"}));
}

// It may have been acknowledged before the move was.
TEST(TopicRenamed, WhatIsUnderWayMovesToo) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  commit_outside(bench, "g", kOrders0, 6);
  commit_outside(bench, "g", kOrders7, 9);
  bench.deliver(kAway);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders7), -1);
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", kAway0), 6);
  EXPECT_EQ(position(bench, "g", {"away", 7}), 9);
}

TEST(TopicRenamed, TheWayBackBeginsBeforeTheWayOutIsDurable) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.deliver(kBack);
  bench.settle();
  second_passes(bench);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  EXPECT_EQ(bench.coordinator->topics_with_positions(), (std::set<std::string>{"orders"}));
}

TEST(TopicRenamed, OfTheWayOutAndTheWayBackEitherMayFail) {
  for (const bool first : {true, false}) {
    for (const bool second : {true, false}) {
      TestBench bench;
      commit_outside(bench, "g", kOrders0);
      bench.holds_appends = true;
      bench.deliver(kAway);
      bench.deliver(kBack);
      for (const bool fails : {first, second}) {
        fails ? bench.fail(AppendFailure::kNotDurable) : bench.settle_one();
      }
      bench.holds_appends = false;
      second_passes(bench);
      EXPECT_EQ(position(bench, "g", kOrders0), 5) << first << second;
      EXPECT_EQ(bench.coordinator->topics_with_positions(), (std::set<std::string>{"orders"}));
    }
  }
}

TEST(TopicRenamed, BothWaysBeforeEverythingIsLoaded) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.stop();
  bench.deliver(kAway);
  bench.deliver(kBack);
  for (const Record& record : bench.log) ASSERT_TRUE(bench.coordinator->load(record));
  bench.finish_loading();
  bench.settle();
  second_passes(bench);
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
}

TEST(TopicRenamed, ACommitUnderWayThatFailsLeavesWhatWasThereOrComesAlong) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  commit_outside(bench, "g", kOrders0, 6);
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kAway0), 6) << "as if it had been tried again";
}

TEST(TopicRenamed, IsTriedAgainUntilItIsDurable) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  commit_outside(bench, "h", kOrders0, 7);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  second_passes(bench);
  EXPECT_EQ(bench.undecided.size(), 2u) << "that of the other group is still under way";
  bench.settle_one();
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(position(bench, "h", kAway0), 7);
  bench.holds_appends = false;
  second_passes(bench);
  EXPECT_EQ(position(bench, "g", kAway0), 5);
  const size_t records = bench.log.size();
  second_passes(bench);
  EXPECT_EQ(bench.log.size(), records);
  EXPECT_GT(bench.coordinator->next_deadline(), bench.now.instant + Duration::seconds(2))
      << "nothing is left to do";
}

TEST(TopicDeleted, IsTriedAgainUntilItIsDurable) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(TopicDeleted{"orders"});
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(position(bench, "g", kOrders0), -1) << "nobody is shown it";
  second_passes(bench);
  bench.settle();
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
}

TEST(TopicRenamed, ANewTopicOfTheNameKeepsWhatIsItsOwn) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(position(bench, "g", kOrders0), -1) << "not the new one's";
  bench.now.wall.millis -= 5'000;  // clocks do that
  commit_outside(bench, "g", kOrders7, 9);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders7), 9);
  second_passes(bench);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders7), 9);
  EXPECT_EQ(position(bench, "g", kAway0), 5);
  EXPECT_EQ(position(bench, "g", {"away", 7}), -1);
}

TEST(TopicRenamed, EachOfTwoTopicsOfTheNameKeepsItsOwn) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  commit_outside(bench, "g", kOrders7, 9);
  bench.deliver(TopicRenamed{"orders", "away too"});
  bench.settle();
  second_passes(bench);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kAway0), 5);
  EXPECT_EQ(position(bench, "g", {"away too", 7}), 9);
  EXPECT_EQ(position(bench, "g", {"away too", 0}), -1);
}

// All in one moment, and before the first move is decided.
TEST(TopicRenamed, WhatComesBackDoesNotLeaveWithTheTopicThatWasThereBefore) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.deliver(TopicRenamed{"orders", "away too"});
  bench.deliver(kBack);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  second_passes(bench);
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
}

TEST(TopicRenamed, WhatComesBackDoesNotLeaveWithALaterTopicAlsoIfNothingCouldBeWritten) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  bench.deliver(TopicRenamed{"orders", "away too"});
  while (!bench.undecided.empty()) bench.fail(AppendFailure::kNotDurable);
  bench.deliver(kBack);
  bench.settle();
  bench.holds_appends = false;
  second_passes(bench);
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  EXPECT_EQ(bench.coordinator->topics_with_positions(), (std::set<std::string>{"orders"}));
}

// Another topic of the name was put aside meanwhile, and nothing could be written.
TEST(TopicRenamed, WhatWasCalledBackLeavesWithItsOwnTopicAgain) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  commit_outside(bench, "g", kOrders7, 9);
  bench.settle_one();
  bench.deliver(TopicRenamed{"orders", "away too"});
  while (!bench.undecided.empty()) bench.fail(AppendFailure::kNotDurable);
  bench.deliver(kBack);
  while (!bench.undecided.empty()) bench.fail(AppendFailure::kNotDurable);
  EXPECT_EQ(position(bench, "g", kOrders0), 5) << "shown at once";
  EXPECT_EQ(position(bench, "g", kOrders7), -1) << "not its own";
  bench.deliver(kAway);
  while (!bench.undecided.empty()) bench.fail(AppendFailure::kNotDurable);
  bench.holds_appends = false;
  second_passes(bench);
  EXPECT_EQ(position(bench, "g", kAway0), 5);
  EXPECT_EQ(position(bench, "g", {"away too", 7}), 9);
  EXPECT_EQ(bench.coordinator->topics_with_positions(),
            (std::set<std::string>{"away", "away too"}));
}

TEST(TopicRenamed, WhatIsCalledBackCountsAsCommittedThen) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  bench.now.wall.millis += 500;
  bench.deliver(kBack);
  bench.settle();
  const Position* back = bench.coordinator->durable().find_position("g", kOrders0);
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->committed_at, bench.now.wall);
}

TEST(TopicRenamed, WhatWasNotPutAsideYetIsPurgedWhereItIs) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  bench.fail(AppendFailure::kNotDurable);
  bench.deliver(TopicDeleted{"away"});
  second_passes(bench);
  bench.settle();
  EXPECT_TRUE(bench.coordinator->durable().groups().empty());
}

TEST(TopicRenamed, TheWayBackLeavesNewerPositions) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  commit_outside(bench, "g", kOrders7);
  bench.deliver(kAway);
  bench.advance(Duration::seconds(5));
  commit_outside(bench, "g", kOrders0, 8);
  bench.deliver(kBack);
  EXPECT_EQ(position(bench, "g", kOrders0), 8);
  EXPECT_EQ(position(bench, "g", kOrders7), 5);
  EXPECT_EQ(bench.coordinator->topics_with_positions(), (std::set<std::string>{"orders"}));
}

TEST(TopicRenamed, ACommitThatFollowsAPendingWayBackIsNewer) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.deliver(kAway);
  second_passes(bench);  // and that is over
  bench.holds_appends = true;
  bench.deliver(kBack);
  bench.fail(AppendFailure::kNotDurable);
  bench.holds_appends = false;
  bench.now.wall.millis -= 5'000;  // clocks do that
  commit_outside(bench, "g", kOrders0, 8);
  second_passes(bench);
  EXPECT_EQ(position(bench, "g", kOrders0), 8);
  EXPECT_EQ(bench.coordinator->topics_with_positions(), (std::set<std::string>{"orders"}));
}

TEST(TopicRenamed, WhatComesBackDoesNotReplaceWhatStillHasToLeave) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  bench.deliver(kAway);
  commit_outside(bench, "g", kOrders0, 9);
  bench.holds_appends = true;
  bench.deliver(TopicRenamed{"orders", "away too"});
  bench.fail(AppendFailure::kNotDurable);
  bench.deliver(kBack);
  bench.fail(AppendFailure::kNotDurable);
  bench.settle();
  bench.holds_appends = false;
  second_passes(bench);
  EXPECT_EQ(position(bench, "g", {"away too", 0}), 9);
  EXPECT_EQ(position(bench, "g", kOrders0), 5);
  EXPECT_EQ(bench.coordinator->topics_with_positions(),
            (std::set<std::string>{"away too", "orders"}));
}

TEST(TopicRenamed, UpToATimeLaterPositionsStay) {
  TestBench bench;
  commit_outside(bench, "g", kOrders0);
  const WallTime deleted = bench.now.wall;
  bench.advance(Duration::seconds(5));
  commit_outside(bench, "g", kOrders7, 9);
  bench.deliver(TopicRenamed{"orders", "away", deleted});
  EXPECT_EQ(position(bench, "g", kOrders7), 9);
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", kAway0), 5);
}

TEST(TopicRenamed, ItsPositionsHaveTheirWholeTimeAgain) {
  TestBench bench;
  OffsetCommit short_lived = committing("g", "", -1, kOrders0, 5);
  short_lived.retention_time_ms = 60'000;
  bench.send(short_lived);
  bench.advance(Duration::seconds(50));
  bench.deliver(kAway);
  const Position* moved = bench.coordinator->durable().find_position("g", kAway0);
  ASSERT_NE(moved, nullptr);
  EXPECT_EQ(moved->committed_at, bench.now.wall);
  EXPECT_EQ(moved->expires_at, (WallTime{bench.now.wall.millis + 60'000}));
}

TEST(TopicRenamed, AStepLooksAtNoMoreGroupsThanTheLimitSays) {
  GroupConfig config;
  config.limits.moves_per_step = 2;
  TestBench bench(config);
  for (const char* id : {"g", "h", "i"}) commit_outside(bench, id, kOrders0);
  bench.holds_appends = true;
  bench.deliver(kAway);
  for (int i = 0; i < 3; ++i) bench.fail(AppendFailure::kNotDurable);
  second_passes(bench);
  EXPECT_EQ(bench.undecided.size(), 2u);
  bench.settle();
  for (int i = 0; i < 2; ++i) second_passes(bench);
  bench.settle();
  EXPECT_EQ(position(bench, "i", kAway0), 5);
}

}  // namespace
}  // namespace magpie::group
