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

TEST(Lane, ALineThatBecomesFasterSendsTheRestFaster) {
  Lane lane;
  Random random(1);
  const Conditions narrow{.delay = Duration::milliseconds(5), .rate = 1'000};
  for (const char* text : {"here", "half", "rest"}) {
    lane.push(kStart, std::string(250, 'a') + text, narrow, random);
  }
  // Each takes 254 ms. The first one is on its way, of the second one half is sent.
  const Instant wider = kStart + Duration::milliseconds(381);
  const Conditions wide{.delay = Duration::milliseconds(5), .rate = 127'000};
  EXPECT_EQ(lane.pop().substr(250), "here");
  lane.change(wider, wide);
  EXPECT_EQ(lane.next_arrival(wide), wider + Duration::milliseconds(6));
  EXPECT_EQ(lane.pop().substr(250), "half");
  EXPECT_EQ(lane.next_arrival(wide), wider + Duration::milliseconds(8));
  const Conditions unlimited;
  lane.change(wider, unlimited);
  EXPECT_EQ(lane.next_arrival(unlimited), wider);
  lane.push(wider, "new", unlimited, random);
  EXPECT_EQ(lane.pop().substr(250), "rest");
  EXPECT_EQ(lane.next_arrival(unlimited), wider);
}

TEST(Lane, WhatIsOnItsWayIsNotOvertakenIfTheWayBecomesShorter) {
  Lane lane;
  Random random(1);
  const Conditions far{.delay = Duration::milliseconds(300)};
  const Conditions near{.delay = Duration::milliseconds(1)};
  lane.push(kStart, "first", far, random);
  lane.change(kStart + Duration::milliseconds(1), near);
  lane.push(kStart + Duration::milliseconds(1), "second", near, random);
  EXPECT_EQ(lane.pop(), "first");
  EXPECT_EQ(lane.next_arrival(near), kStart + Duration::milliseconds(300));
}

TEST(Lane, WhatWasLostIsStillLateOnAFasterLine) {
  Lane lane;
  Random random(1);
  const Conditions lossy{.rate = 1'000, .loss = 100'000};
  lane.push(kStart, std::string(1'000, 'a'), lossy, random);
  const Conditions good;
  lane.change(kStart, good);
  EXPECT_EQ(lane.next_arrival(good), kStart + lossy.loss_delay);
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
