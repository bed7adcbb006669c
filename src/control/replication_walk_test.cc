#include "control/replication_walk.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace magpie::control::testing {
namespace {

std::string text_of(const WalkResult& result) {
  return fmt::format("{} states: {}", result.states, fmt::join(result.violation, "; "));
}

WalkLimits many_changes() {
  WalkLimits limits;
  limits.records = 1;
  return limits;
}

WalkLimits many_records() {
  WalkLimits limits;
  limits.changes = 3;
  return limits;
}

WalkLimits with_loss() {
  WalkLimits limits;
  limits.records = 1;
  limits.changes = 3;
  limits.losses = 1;
  limits.joining = false;
  return limits;
}

WalkLimits with_wipe() {
  WalkLimits limits;
  limits.records = 1;
  limits.changes = 3;
  limits.wipes = 1;
  return limits;
}

TEST(ReplicationWalk, EveryHistoryKeepsWhatWasAcknowledged) {
  for (const WalkLimits& limits : {many_changes(), many_records()}) {
    const auto result = walk(limits, Mutation::kNone);
    EXPECT_TRUE(result.violation.empty()) << text_of(result);
    EXPECT_TRUE(result.complete);
    EXPECT_GT(result.states, 300'000u) << "the walk has become trivial";
  }
}

TEST(ReplicationWalk, AFailoverWithLossLosesNothingThatIsAcknowledgedAfterwards) {
  WalkLimits limits = with_loss();
  limits.changes = 2;
  const auto result = walk(limits, Mutation::kNone);
  EXPECT_TRUE(result.violation.empty()) << text_of(result);
  EXPECT_TRUE(result.complete);
}

// Too many histories to see all; the shortest ones are seen first.
TEST(ReplicationWalk, ShortHistoriesOfSeveralFailoversWithOneLoss) {
  WalkLimits limits = with_loss();
  limits.states_max = 1'200'000;
  const auto result = walk(limits, Mutation::kNone);
  EXPECT_TRUE(result.violation.empty()) << text_of(result);
}

TEST(ReplicationWalk, AWipedNodeIsAnotherOne) {
  const auto result = walk(with_wipe(), Mutation::kNone);
  EXPECT_TRUE(result.violation.empty()) << text_of(result);
  EXPECT_TRUE(result.complete);
}

TEST(ReplicationWalk, EveryRuleIsNeeded) {
  for (const Mutation mutation :
       {Mutation::kAckBeforeShrink, Mutation::kAckBeforeOpen, Mutation::kAckWithoutJoining,
        Mutation::kOpenWithoutPosition, Mutation::kJoinWithoutPosition, Mutation::kNoFence,
        Mutation::kPromoteAnybody, Mutation::kNoCompare, Mutation::kSameEpoch}) {
    EXPECT_FALSE(walk(many_changes(), mutation).violation.empty()) << static_cast<int>(mutation);
  }
  EXPECT_FALSE(walk(with_loss(), Mutation::kLossWithLease).violation.empty());
}

}  // namespace
}  // namespace magpie::control::testing
