#include "partition/divergence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace magpie::partition {
namespace {

CopyState copy(std::vector<EpochCache::Entry> epochs, int64_t end, int64_t start = 0) {
  return {std::move(epochs), Offset{start}, Offset{end}};
}
EpochCache::Entry entry(int32_t epoch, int64_t start) {
  return {LeaderEpoch{epoch}, Offset{start}};
}

TEST(Divergence, ACopyThatIsBehindKeepsEverything) {
  const auto found = find_divergence(copy({entry(1, 0), entry(2, 10)}, 30), copy({entry(1, 0)}, 7));
  EXPECT_EQ(found, (Divergence{.common_end = Offset{7}}));
}

TEST(Divergence, ATailOfAnOldEpochIsCutWhereTheLeaderLeftThatEpoch) {
  const auto found =
      find_divergence(copy({entry(1, 0), entry(2, 10)}, 30), copy({entry(1, 0)}, 17));
  EXPECT_EQ(found.common_end, Offset{10});
}

TEST(Divergence, AnEpochTheLeaderNeverSawIsCut) {
  // KIP-279: the follower wrote in epoch 2, the leader goes back to epoch 1 and on to 3.
  const auto found =
      find_divergence(copy({entry(1, 0), entry(3, 12)}, 30), copy({entry(1, 0), entry(2, 10)}, 30));
  EXPECT_EQ(found.common_end, Offset{10});
}

TEST(Divergence, AnEmptyCopyBeginsWhereItStands) {
  EXPECT_EQ(find_divergence(copy({entry(4, 0)}, 9), copy({}, 0)), Divergence{});
}

TEST(Divergence, WhatRetentionTookFromTheLeaderMakesTheFollowerBeginAnew) {
  const auto found =
      find_divergence(copy({entry(2, 100)}, 200, 100), copy({entry(1, 0), entry(2, 40)}, 60));
  EXPECT_TRUE(found.restart);
  EXPECT_EQ(found.restart_at, Offset{100});
}

TEST(Divergence, ANewMemberBeginsWhereTheLeadersLogDoes) {
  const auto found = find_divergence(copy({entry(2, 100)}, 200, 100), copy({}, 0));
  EXPECT_TRUE(found.restart);
  EXPECT_EQ(found.restart_at, Offset{100});
  EXPECT_FALSE(find_divergence(copy({entry(2, 100)}, 200, 100), copy({}, 100, 100)).restart);
  EXPECT_FALSE(find_divergence(copy({}, 100, 100), copy({}, 100, 100)).restart);
}

// It was trimmed and then cut to nothing; what the leader has below would be missing for ever.
TEST(Divergence, AnEmptyCopyThatBeginsTooHighBeginsAnew) {
  const auto found = find_divergence(copy({entry(1, 0)}, 60), copy({}, 100, 100));
  EXPECT_TRUE(found.restart);
  EXPECT_EQ(found.restart_at, Offset{0});
  // Here it may be complete: a leader of before had deleted what the present one still has.
  EXPECT_EQ(find_divergence(copy({entry(1, 0)}, 160), copy({}, 100, 100)),
            (Divergence{.common_end = Offset{100}}));
  EXPECT_EQ(find_divergence(copy({entry(1, 0)}, 100), copy({}, 100, 100)),
            (Divergence{.common_end = Offset{100}}));
}

TEST(Divergence, StrangersShareNothing) {
  const auto found = find_divergence(copy({entry(5, 0)}, 10), copy({entry(6, 0)}, 10));
  EXPECT_EQ(found, (Divergence{.common_end = Offset{0}}));
}

// Copies that take turns as leaders, follow each other for a while, die and come back; every record
// carries a number of its own. Some epochs begin with loss, above all offsets that were given out.
// The naive twin compares record by record.
class History {
 public:
  explicit History(uint64_t seed) : random_(seed), copies_(3) {}

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (random_.chance(1, 6)) elect();
      for (uint64_t records = random_.below(4); records > 0; --records) {
        auto& log = copies_[leader_];
        log.push_back({epoch_, std::max(end_of(log), floor_), next_record_++});
        highest_ = std::max(highest_, end_of(log));
      }
      for (size_t follower = 0; follower < copies_.size(); ++follower) {
        if (follower != leader_ && random_.chance(1, 2)) follow(follower);
      }
    }
  }

  void check() {
    for (size_t leader = 0; leader < copies_.size(); ++leader) {
      for (size_t follower = 0; follower < copies_.size(); ++follower) {
        const auto found = find_divergence(state(leader), state(follower));
        EXPECT_EQ(found, (Divergence{.common_end = common(leader, follower)}));
      }
    }
  }

 private:
  struct Record {
    int32_t epoch;
    int64_t offset;
    int64_t number;
    bool operator==(const Record&) const = default;
  };

  void elect() {
    leader_ = random_.below(copies_.size());
    ++epoch_;
    floor_ = random_.chance(1, 2) ? highest_ + 10 : 0;
  }

  static int64_t end_of(const std::vector<Record>& log) {
    return log.empty() ? 0 : log.back().offset + 1;
  }

  // Cuts what differs, then takes a part of what is missing.
  void follow(size_t follower) {
    auto& log = copies_[follower];
    log.resize(same(leader_, follower));
    const auto& source = copies_[leader_];
    const size_t more = random_.below(source.size() - log.size() + 1);
    log.insert(log.end(), source.begin() + static_cast<ptrdiff_t>(log.size()),
               source.begin() + static_cast<ptrdiff_t>(log.size() + more));
  }

  Offset common(size_t a, size_t b) const {
    const size_t records = same(a, b);
    return Offset{records == 0 ? 0 : copies_[a][records - 1].offset + 1};
  }

  size_t same(size_t a, size_t b) const {
    const auto& left = copies_[a];
    const auto& right = copies_[b];
    const size_t limit = std::min(left.size(), right.size());
    size_t same = 0;
    while (same < limit && left[same] == right[same]) ++same;
    return same;
  }

  CopyState state(size_t which) const {
    EpochCache cache;
    const auto& log = copies_[which];
    int64_t end = 0;
    for (const Record& record : log) {
      cache.assign(LeaderEpoch{record.epoch}, Offset{end});
      end = record.offset + 1;
    }
    return {cache.entries(), Offset{0}, Offset{end}};
  }

  Random random_;
  std::vector<std::vector<Record>> copies_;
  size_t leader_ = 0;
  int32_t epoch_ = 1;
  int64_t next_record_ = 0;
  int64_t floor_ = 0;
  int64_t highest_ = 0;  // one after the last offset given out anywhere
};

TEST(Divergence, AgreesWithAComparisonRecordByRecord) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    History history(seed);
    history.live(40);
    history.check();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace magpie::partition
