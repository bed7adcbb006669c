#include "link/credit.h"

#include <gtest/gtest.h>

namespace magpie::link {
namespace {

constexpr uint64_t kMegabyte = 1'000'000;

// A line of `rate` bytes per second and a sender that always uses the credit it has.
int64_t settled_grant(int64_t rate, Duration round_trip) {
  Credit credit;
  Now now;
  const Duration step = Duration::milliseconds(10);
  for (int i = 0; i < 2'000; ++i) {
    now.instant = now.instant + step;
    const int64_t by_line = rate / 100;
    const int64_t by_credit =
        credit.grant() * step.to_milliseconds() / round_trip.to_milliseconds();
    credit.arrived(now.instant, static_cast<uint64_t>(std::min(by_line, by_credit)), round_trip);
  }
  return credit.grant();
}

TEST(Credit, FollowsWhatTheLineHolds) {
  // 100 MB/s over 100 ms: 10 MB are on the line.
  const int64_t grant = settled_grant(100'000'000, Duration::milliseconds(100));
  EXPECT_GT(grant, 19'000'000);
  EXPECT_LT(grant, 22'000'000);
}

TEST(Credit, StaysWithinItsBounds) {
  EXPECT_EQ(settled_grant(100'000, Duration::milliseconds(20)), kCreditBytesMin);
  EXPECT_EQ(settled_grant(5'000'000'000, Duration::milliseconds(200)), kCreditBytesMax);
}

TEST(Credit, ASlowLineIsNotFilledForSeconds) {
  // 4 MB/s: with a constant 64 MiB a record would wait for 16 s behind bulk records.
  EXPECT_LT(settled_grant(4'000'000, Duration::milliseconds(50)), 1'100'000);
}

TEST(Credit, APauseDoesNotTakeItAway) {
  Credit credit;
  Instant now;
  const Duration way = Duration::milliseconds(100);
  for (int i = 0; i < 20; ++i) credit.arrived(now = now + way, 5 * kMegabyte, way);
  const int64_t before = credit.grant();
  EXPECT_GT(before, 9'000'000);
  for (int i = 0; i < 5; ++i) credit.arrived(now = now + Duration::seconds(30), 1, way);
  EXPECT_EQ(credit.grant(), before);
}

TEST(Credit, WithoutAMeasuredWayItGrantsTheLeast) {
  Credit credit;
  for (int i = 1; i < 100; ++i) {
    credit.arrived(Instant{} + Duration::milliseconds(100 * i), 50 * kMegabyte, std::nullopt);
  }
  EXPECT_EQ(credit.grant(), kCreditBytesMin);
}

}  // namespace
}  // namespace magpie::link
