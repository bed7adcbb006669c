#include "base/time.h"

#include <gtest/gtest.h>

namespace magpie {
namespace {

TEST(Duration, HugeMillisecondsAreClamped) {
  EXPECT_EQ(Duration::milliseconds(INT64_MAX), Duration::max());
  EXPECT_EQ(Duration::milliseconds(INT64_MIN).nanos, INT64_MIN);
  EXPECT_EQ(Duration::milliseconds(1'500).nanos, 1'500'000'000);
}

TEST(Instant, AddingForeverIsNever) {
  EXPECT_EQ(Instant{5} + Duration::max(), Instant::never());
  EXPECT_EQ(Instant{5} + Duration::nanoseconds(2), Instant{7});
}

}  // namespace
}  // namespace magpie
