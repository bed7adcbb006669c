#include "link/line_round_trip.h"

#include <gtest/gtest.h>

#include "link/credit.h"

namespace magpie::link {
namespace {

constexpr Duration kPing = Duration::milliseconds(100);

// A line on which as much waits as the credit allows.
struct Line {
  LineRoundTrip round_trip;
  Credit credit;
  Instant now{1'000'000'000};
  Duration way = Duration::milliseconds(10);
  int64_t rate = 20'000'000;
  int quiet = 0;  // pings

  int64_t grant() const { return round_trip.wants_quiet() ? credit.grant() / 4 : credit.grant(); }
  void run(Duration time) {
    for (const Instant end = now + time; now < end; now = now + kPing) {
      const int64_t held = rate / 1'000 * way.to_milliseconds();
      const int64_t waits = std::max<int64_t>(0, grant() - held);
      const Duration measured = way + Duration::milliseconds(waits * 1'000 / rate);
      const int64_t used = std::min(rate, grant() * 1'000 / way.to_milliseconds());
      credit.arrived(now, static_cast<uint64_t>(used / 10), round_trip.shortest());
      round_trip.measured(now, measured);
      quiet += round_trip.wants_quiet() ? 1 : 0;
    }
  }
};

TEST(LineRoundTrip, IsTheShortestOfTheAnswers) {
  LineRoundTrip way;
  EXPECT_FALSE(way.shortest());
  for (const int64_t millis : {50, 40, 45, 48}) {
    way.measured(Instant{1}, Duration::milliseconds(millis));
  }
  EXPECT_EQ(way.shortest(), Duration::milliseconds(40));
}

TEST(LineRoundTrip, ALongerRouteIsNoticed) {
  Line line;
  line.run(Duration::seconds(30));
  EXPECT_LT(line.credit.grant(), 1'100'000);
  line.way = Duration::milliseconds(80);
  line.run(Duration::seconds(25));
  EXPECT_GE(*line.round_trip.shortest(), line.way);
  EXPECT_GT(line.credit.grant(), 20'000'000 / 1'000 * 80 * 3 / 2) << "the line is not filled";
}

// Else each estimate would have the queue of the one before in it.
TEST(LineRoundTrip, ItsOwnQueueIsNotTakenForALongerRoute) {
  Line line;
  line.way = Duration::milliseconds(80);
  line.run(Duration::seconds(600));
  EXPECT_LT(line.credit.grant(), 20'000'000 / 1'000 * 80 * 5 / 2);
  EXPECT_GT(line.quiet, 0);
  EXPECT_LT(line.quiet, 600);
}

TEST(LineRoundTrip, NoiseNeedsNoQuiet) {
  LineRoundTrip way;
  Instant now{1};
  for (int i = 0; i < 1'000; ++i) {
    way.measured(now = now + kPing, Duration::milliseconds(40 + i % 20));
    EXPECT_FALSE(way.wants_quiet());
  }
  EXPECT_EQ(way.shortest(), Duration::milliseconds(40));
}

TEST(LineRoundTrip, WhatWasSentBeforeTheQuietSaysNothing) {
  LineRoundTrip way;
  Instant now{1};
  way.measured(now, Duration::milliseconds(40));
  while (!way.wants_quiet()) way.measured(now = now + kPing, Duration::milliseconds(400));
  const Instant since = now;
  way.measured(now = now + Duration::milliseconds(300), Duration::milliseconds(300));
  EXPECT_TRUE(way.wants_quiet());
  way.measured(since + Duration::milliseconds(500), Duration::milliseconds(90));
  EXPECT_FALSE(way.wants_quiet());
  EXPECT_EQ(way.shortest(), Duration::milliseconds(90));
}

}  // namespace
}  // namespace magpie::link
