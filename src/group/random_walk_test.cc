#include "group/random_walk.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/planted_bug.h"

namespace magpie::group {
namespace {

// More seeds than the default: MAGPIE_SEEDS=5000 magpie_group_test --gtest_filter='RandomWalk.*'
uint64_t seeds() {
  const char* wanted = std::getenv("MAGPIE_SEEDS");
  return wanted == nullptr ? 60 : std::stoull(wanted);
}

TEST(RandomWalk, KeepsEveryPromiseWhateverHappens) {
  uint64_t rebalances = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    RandomWalk walk(seed);
    walk.wander(600);
    ASSERT_EQ(walk.broken(), "") << "wandering, seed " << seed;
    if (seed % 2 == 0) walk.heal();
    ASSERT_EQ(walk.broken(), "") << "healing, seed " << seed;
    walk.fall_silent();
    ASSERT_EQ(walk.broken(), "") << "in silence, seed " << seed;
    rebalances += walk.rebalances();
  }
  // A walk in which nothing happens proves nothing.
  EXPECT_GT(rebalances, 5 * seeds());
}

#ifdef MAGPIE_PLANTED_BUGS
// A walk that never finds anything proves nothing either.
TEST(RandomWalk, FindsPlantedBugs) {
  for (const PlantedBug bug :
       {PlantedBug::kCommitBeforeDurable, PlantedBug::kGenerationNotFenced}) {
    plant(bug);
    uint64_t seed = 1;
    std::string found;
    for (; seed <= 20 && found.empty(); ++seed) {
      RandomWalk walk(seed);
      walk.wander(600);
      found = walk.broken();
    }
    plant(PlantedBug::kNone);
    EXPECT_NE(found, "") << "bug " << static_cast<int>(bug);
  }
}
#endif

}  // namespace
}  // namespace magpie::group
