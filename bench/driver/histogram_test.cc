#include "driver/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace magpie::bench {
namespace {

// The same question asked of a sorted list of everything.
int64_t naive_percentile(std::vector<int64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  const double share = std::ceil(percent / 100 * static_cast<double>(values.size()));
  const size_t rank = std::max<size_t>(static_cast<size_t>(share), 1);
  return values[rank - 1];
}

TEST(Histogram, EmptyAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.percentile(50), 0);
  EXPECT_EQ(histogram.max(), 0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int64_t value = 1; value <= 500; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile(50), 250);
  EXPECT_EQ(histogram.percentile(99), 495);
  EXPECT_EQ(histogram.percentile(100), 500);
  EXPECT_EQ(histogram.percentile(0), 1);
}

TEST(Histogram, AgreesWithASortedListToAHalfPercent) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Histogram histogram;
    std::vector<int64_t> values;
    for (int i = 0; i < 5'000; ++i) {
      const auto value = static_cast<int64_t>(random.next() >> random.between(24, 63));
      values.push_back(value);
      histogram.record(value);
    }
    for (const double percent : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
      const int64_t exact = naive_percentile(values, percent);
      const int64_t reported = histogram.percentile(percent);
      EXPECT_GE(reported, exact) << "seed " << seed << " p" << percent;
      EXPECT_LE(reported - exact, exact / 200) << "seed " << seed << " p" << percent;
    }
  }
}

TEST(Histogram, MergedIsTheSameAsRecordedTogether) {
  Random random(7);
  Histogram together;
  Histogram left;
  Histogram right;
  for (int i = 0; i < 2'000; ++i) {
    const auto value = static_cast<int64_t>(random.below(1'000'000));
    together.record(value);
    (random.chance(1, 3) ? left : right).record(value);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), together.count());
  EXPECT_EQ(left.max(), together.max());
  for (double percent = 0; percent <= 100; percent += 0.5) {
    EXPECT_EQ(left.percentile(percent), together.percentile(percent));
  }
}

TEST(Histogram, ExtremesAreClamped) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.percentile(1), 0);
  EXPECT_EQ(histogram.percentile(100), int64_t{1} << 40);
}

}  // namespace
}  // namespace magpie::bench
