#include "log/random_life.h"

#include <gtest/gtest.h>

#include "base/planted_bug.h"

namespace magpie::log {
namespace {

TEST(RandomLife, NothingDurableIsLostAndNothingIsInvented) {
  int crashes = 0;
  int failures = 0;
  uint64_t torn_bytes = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    RandomLife life(seed);
    ASSERT_EQ(life.live(300), "") << "seed " << seed;
    crashes += life.crashes();
    failures += life.failures();
    torn_bytes += life.torn_bytes();
  }
  // The interesting things must have happened.
  EXPECT_GT(crashes, 1'000);
  EXPECT_GT(failures, 100);
  EXPECT_GT(torn_bytes, 1'000u);
}

#ifdef MAGPIE_PLANTED_BUGS

// The lives above prove something only if they end when a rule is broken.
TEST(RandomLife, PlantedBugsAreNoticed) {
  for (const PlantedBug bug : {PlantedBug::kAckBeforeFsync, PlantedBug::kCheckpointBeforeSync,
                               PlantedBug::kFailedSyncForgotten, PlantedBug::kStartNotPersisted}) {
    plant(bug);
    uint64_t seed = 1;
    while (seed <= 100 && RandomLife(seed).live(300).empty()) ++seed;
    plant(PlantedBug::kNone);
    EXPECT_LE(seed, 100u) << "bug " << static_cast<int>(bug);
  }
}

#endif

}  // namespace
}  // namespace magpie::log
