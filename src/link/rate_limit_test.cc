#include "link/rate_limit.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace magpie::link {
namespace {

TEST(RateLimit, WithoutOneEverythingIsAllowed) {
  RateLimit limit;
  limit.spend(1'000'000'000'000);
  EXPECT_TRUE(limit.allows(Instant{}));
  EXPECT_EQ(limit.next_deadline(), Instant::never());
}

// Whoever sends whenever it is allowed, at the deadline or at any other time, gets the rate.
TEST(RateLimit, OverTimeExactlyTheRateGoesThrough) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const auto rate =
        static_cast<uint64_t>(random.between(1, random.chance(1, 2) ? 3'000 : 1 << 30));
    const auto message = 1 + random.below(2 * rate);
    RateLimit limit;
    Instant now;
    limit.set(now, rate);
    uint64_t sent = 0;
    int64_t refused = 0;
    for (int i = 0; i < 20'000; ++i) {
      if (limit.allows(now)) {
        limit.spend(message);
        sent += message;
        continue;
      }
      ++refused;
      ASSERT_GT(limit.next_deadline(), now);
      const bool early = random.chance(1, 3);
      const Duration wait = limit.next_deadline() - now;
      now = now + Duration::nanoseconds(early ? 1 + wait.nanos / 2 : wait.nanos);
      ASSERT_TRUE(early || limit.allows(now));
    }
    const uint64_t allowed = rate * static_cast<uint64_t>(now.nanos / 1'000) / 1'000'000;
    EXPECT_GT(refused, 0);
    EXPECT_LE(sent, allowed + rate / 10 + message + 1) << seed;
    EXPECT_GE(sent + 1, allowed - std::min(allowed, rate / 100)) << seed;
  }
}

TEST(RateLimit, APauseSavesUpATenthOfASecond) {
  RateLimit limit;
  Instant now;
  limit.set(now, 1'000);
  now = now + Duration::seconds(1'000'000);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(limit.allows(now));
    limit.spend(1);
  }
  EXPECT_FALSE(limit.allows(now));
  limit.set(now, std::nullopt);
  EXPECT_TRUE(limit.allows(now));
}

}  // namespace
}  // namespace magpie::link
