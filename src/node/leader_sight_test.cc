#include "node/leader_sight.h"

#include <gtest/gtest.h>

namespace magpie::node {
namespace {

constexpr NodeId kLeader{1};

Instant at(int64_t seconds) {
  return Instant{} + Duration::seconds(seconds);
}

TEST(LeaderSight, RemembersTheRateOfTheTimeInWhichItWasHeard) {
  LeaderSight sight;
  EXPECT_FALSE(sight.seen("g", kLeader, at(0)).unheard);
  // A hundred records a second for two minutes.
  for (int64_t second = 0; second <= 120; second += 5) {
    sight.heard(kLeader, at(second));
    sight.look("g", kLeader, 100 * second, at(second));
  }
  LeaderSight::Seen seen = sight.seen("g", kLeader, at(123));
  EXPECT_EQ(seen.during, Duration::seconds(60));
  EXPECT_EQ(seen.records, 6'000);
  EXPECT_EQ(seen.unheard, Duration::seconds(3));
  // Looks while it is silent do not water the rate down.
  for (int64_t second = 130; second <= 600; second += 5) {
    sight.look("g", kLeader, 12'000, at(second));
  }
  seen = sight.seen("g", kLeader, at(600));
  EXPECT_EQ(seen.records, 6'000);
  EXPECT_EQ(seen.during, Duration::seconds(60));
  EXPECT_EQ(seen.unheard, Duration::seconds(480));
  EXPECT_EQ(sight.seen("g", NodeId{2}, at(600)).records, 0) << "another leader";
}

TEST(LeaderSight, ALeaderDoesNothingAfterItsLease) {
  LeaderSight sight;
  sight.heard(kLeader, at(10));
  sight.lease_changed(kLeader, false, at(17));
  sight.lease_changed(kLeader, false, at(99));
  EXPECT_EQ(sight.seen("g", kLeader, at(600)).unheard, Duration::seconds(7));
  sight.lease_changed(kLeader, true, at(610));
  sight.heard(kLeader, at(611));
  EXPECT_EQ(sight.seen("g", kLeader, at(612)).unheard, Duration::seconds(1));
  // Heard of after its lease was gone: nothing is unheard.
  sight.lease_changed(kLeader, false, at(613));
  sight.heard(kLeader, at(615));
  EXPECT_EQ(sight.seen("g", kLeader, at(620)).unheard, Duration{});
}

TEST(LeaderSight, CopiesThatWereCutSayNothing) {
  LeaderSight sight;
  sight.heard(kLeader, at(0));
  sight.look("g", kLeader, 1'000, at(0));
  sight.look("g", kLeader, 400, at(5));
  sight.heard(kLeader, at(10));
  sight.look("g", kLeader, 450, at(10));
  EXPECT_EQ(sight.seen("g", kLeader, at(10)).records, 50);
}

}  // namespace
}  // namespace magpie::node
