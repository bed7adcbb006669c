#include "partition/epoch_cache.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace magpie::partition {
namespace {

using EpochEnd = EpochCache::EpochEnd;

EpochCache three_epochs() {
  EpochCache cache;
  cache.assign(LeaderEpoch{1}, Offset{0});
  cache.assign(LeaderEpoch{4}, Offset{10});
  cache.assign(LeaderEpoch{5}, Offset{30});
  return cache;
}

TEST(EpochCache, EndOfAnEpochIsTheStartOfTheNextThatWrote) {
  const EpochCache cache = three_epochs();
  const LeaderEpoch current{7};
  const Offset log_end{42};
  EXPECT_EQ(cache.end_of(LeaderEpoch{1}, current, log_end), (EpochEnd{LeaderEpoch{1}, Offset{10}}));
  EXPECT_EQ(cache.end_of(LeaderEpoch{3}, current, log_end), (EpochEnd{LeaderEpoch{1}, Offset{10}}));
  EXPECT_EQ(cache.end_of(LeaderEpoch{5}, current, log_end), (EpochEnd{LeaderEpoch{5}, log_end}));
  EXPECT_EQ(cache.end_of(current, current, log_end), (EpochEnd{current, log_end}));
}

TEST(EpochCache, UnknownEpochsHaveNoEnd) {
  const EpochCache cache = three_epochs();
  EXPECT_EQ(cache.end_of(LeaderEpoch{0}, LeaderEpoch{7}, Offset{42}), EpochEnd{});
  EXPECT_EQ(cache.end_of(LeaderEpoch{8}, LeaderEpoch{7}, Offset{42}), EpochEnd{});
  EXPECT_EQ(cache.end_of(kNoLeaderEpoch, LeaderEpoch{7}, Offset{42}), EpochEnd{});
}

TEST(EpochCache, EpochThatWroteNothingIsReplaced) {
  EpochCache cache = three_epochs();
  cache.assign(LeaderEpoch{6}, Offset{30});
  EXPECT_EQ(cache.entries().size(), 3u);
  EXPECT_EQ(cache.latest(), LeaderEpoch{6});
}

TEST(EpochCache, TrimKeepsTheEpochThatCoversTheNewStart) {
  EpochCache cache = three_epochs();
  cache.trim(Offset{15});
  ASSERT_EQ(cache.entries().size(), 2u);
  EXPECT_EQ(cache.entries()[0], (EpochCache::Entry{LeaderEpoch{4}, Offset{15}}));
  EXPECT_EQ(cache.epoch_of(Offset{14}), kNoLeaderEpoch);
  EXPECT_EQ(cache.epoch_of(Offset{15}), LeaderEpoch{4});
}

TEST(EpochCache, MalformedStateIsRefused) {
  ByteWriter out;
  out.write_int32(2);
  out.write_int32(5);
  out.write_int64(10);
  out.write_int32(4);  // epochs must increase
  out.write_int64(20);
  ByteReader in(flatten(out.finish()));
  EpochCache cache;
  EXPECT_FALSE(cache.decode(in));
  EXPECT_TRUE(cache.entries().empty());
}

// The twin remembers the epoch of every single offset.
TEST(EpochCache, AgreesWithATwinThatRemembersEveryOffset) {
  Random random(17);
  for (int round = 0; round < 300; ++round) {
    EpochCache cache;
    std::map<int64_t, int32_t> twin;
    int64_t start = 0;
    int64_t end = 0;
    int32_t epoch = 0;
    for (int step = 0; step < 40; ++step) {
      const uint64_t action = random.below(10);
      if (action < 3) epoch += static_cast<int32_t>(random.between(1, 3));
      if (action < 8) {
        cache.assign(LeaderEpoch{epoch}, Offset{end});
        for (int64_t count = random.between(1, 4); count > 0; --count) twin[end++] = epoch;
      } else if (action == 8) {
        start = random.between(start, end);
        cache.trim(Offset{start});
        twin.erase(twin.begin(), twin.lower_bound(start));
      } else {
        end = random.between(start, end);
        cache.cut(Offset{end});
        twin.erase(twin.lower_bound(end), twin.end());
      }
      for (const auto& [offset, expected] : twin) {
        ASSERT_EQ(cache.epoch_of(Offset{offset}).value, expected) << "round " << round;
      }
    }
    ByteWriter out;
    cache.encode(out);
    ByteReader in(flatten(out.finish()));
    EpochCache copy;
    ASSERT_TRUE(copy.decode(in));
    EXPECT_EQ(copy.entries(), cache.entries());
  }
}

}  // namespace
}  // namespace magpie::partition
