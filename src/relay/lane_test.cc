#include "relay/lane.h"

#include <gtest/gtest.h>

namespace magpie::relay {
namespace {

constexpr Instant kStart{1'000'000'000};

TEST(Lane, BytesArriveAfterTheDelay) {
  Lane lane;
  Random random(1);
  const Conditions far{.delay = Duration::milliseconds(20)};
  lane.push(kStart, "a", far, random);
  EXPECT_EQ(lane.next_arrival(far), kStart + Duration::milliseconds(20));
  EXPECT_EQ(lane.pop(), "a");
  EXPECT_EQ(lane.next_arrival(far), Instant::never());
}

TEST(Lane, TheRateSpreadsWhatComesAtOnce) {
  Lane lane;
  Random random(1);
  const Conditions slow{.delay = Duration::milliseconds(5), .rate = 1'000'000};
  lane.push(kStart, std::string(1'000, 'a'), slow, random);
  lane.push(kStart, std::string(2'000, 'b'), slow, random);
  EXPECT_EQ(lane.next_arrival(slow), kStart + Duration::milliseconds(6));
  (void)lane.pop();
  EXPECT_EQ(lane.next_arrival(slow), kStart + Duration::milliseconds(8));
}

TEST(Lane, NothingOvertakesWhatWasLost) {
  Lane lane;
  Random random(1);
  Conditions conditions{.loss = 100'000};
  lane.push(kStart, "lost", conditions, random);
  conditions.loss = 0;
  lane.push(kStart, "next", conditions, random);
  EXPECT_EQ(lane.next_arrival(conditions), kStart + conditions.loss_delay);
  EXPECT_EQ(lane.pop(), "lost");
  EXPECT_EQ(lane.next_arrival(conditions), kStart + conditions.loss_delay);
}

TEST(Lane, SilenceKeepsBytesUntilItEnds) {
  Lane lane;
  Random random(1);
  Conditions conditions{.silent = true};
  lane.push(kStart, "kept", conditions, random);
  EXPECT_EQ(lane.next_arrival(conditions), Instant::never());
  conditions.silent = false;
  EXPECT_EQ(lane.next_arrival(conditions), kStart);
}

TEST(Lane, ItHoldsWhatIsOnItsWayAndABuffer) {
  Lane lane;
  Random random(1);
  const Conditions conditions{.delay = Duration::seconds(1), .rate = 1'000'000};
  while (!lane.full(conditions)) lane.push(kStart, std::string(100'000, 'a'), conditions, random);
  EXPECT_GE(lane.bytes(), kBufferBytes + 1'000'000);
  EXPECT_LT(lane.bytes(), kBufferBytes + 1'200'000);
}

}  // namespace
}  // namespace magpie::relay
