#include "base/random.h"

#include <gtest/gtest.h>

#include <array>

namespace magpie {
namespace {

TEST(Random, SameSeedSameNumbersOnEveryMachine) {
  Random random(1234567);
  // First outputs of SplitMix64 for this seed, as published with the generator.
  EXPECT_EQ(random.next(), 6457827717110365317ull);
  EXPECT_EQ(random.next(), 3203168211198807973ull);
}

TEST(Random, BetweenReachesBothEndsAndNothingElse) {
  Random random(5);
  std::array<int, 4> seen{};
  for (int i = 0; i < 1'000; ++i) ++seen[static_cast<size_t>(random.between(-1, 2) + 1)];
  for (const int count : seen) EXPECT_GT(count, 150);
}

TEST(Random, BetweenTakesTheWholeRange) {
  Random random(5);
  bool negative = false;
  bool positive = false;
  for (int i = 0; i < 64; ++i) {
    const int64_t value = random.between(INT64_MIN, INT64_MAX);
    negative |= value < 0;
    positive |= value > 0;
  }
  EXPECT_TRUE(negative && positive);
}

}  // namespace
}  // namespace magpie
