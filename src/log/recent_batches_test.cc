#include "log/recent_batches.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

namespace magpie::log {
namespace {

constexpr size_t kBatchBytes = 1'000;

// One partition whose batches hold one record and kBatchBytes each.
class Partition {
 public:
  Partition(uint64_t limit, RecentPool& pool) : recent_(limit, pool) {}

  void add() {
    record::BatchHeader header;
    header.base_offset = end_;
    header.length = kBatchBytes - record::kBatchLengthPrefixBytes;
    end_ = end_ + 1;
    recent_.add(header, Buffer::copy_of(std::string(kBatchBytes, 'x')));
  }
  void write() {
    on_disk_ = end_;
    recent_.shrink(on_disk_);
  }
  void add_and_write() {
    add();
    write();
  }
  bool holds(Offset offset) const {
    return recent_.find({.from = offset, .limit = end_, .max_bytes = 1, .at_least_one = true})
        .has_value();
  }
  Offset end() const { return end_; }
  Offset on_disk() const { return on_disk_; }
  RecentBatches& recent() { return recent_; }

 private:
  RecentBatches recent_;
  Offset end_;
  Offset on_disk_;
};

TEST(RecentBatches, TheLeastRecentlyWrittenPartitionGivesUpFirst) {
  RecentPool pool(3 * kBatchBytes);
  Partition first(100 * kBatchBytes, pool);
  Partition second(100 * kBatchBytes, pool);
  first.add_and_write();
  second.add_and_write();
  second.add_and_write();
  EXPECT_TRUE(first.holds(Offset{0}));
  second.add_and_write();
  EXPECT_FALSE(first.holds(Offset{0}));
  EXPECT_TRUE(second.holds(Offset{0}));
  EXPECT_EQ(pool.held_bytes(), 3 * kBatchBytes);
}

TEST(RecentBatches, WhatTheDiskDoesNotHaveYetIsKept) {
  RecentPool pool(2 * kBatchBytes);
  Partition waiting(kBatchBytes, pool);
  Partition busy(100 * kBatchBytes, pool);
  for (int i = 0; i < 5; ++i) waiting.add();
  for (int i = 0; i < 5; ++i) busy.add_and_write();
  EXPECT_TRUE(waiting.holds(Offset{0}));
  EXPECT_EQ(busy.recent().held_bytes(), 0u);
  waiting.write();
  EXPECT_LE(pool.held_bytes(), 2 * kBatchBytes);
}

TEST(RecentBatches, APartitionThatGoesGivesItsShareBack) {
  RecentPool pool(10 * kBatchBytes);
  auto gone = std::make_unique<Partition>(100 * kBatchBytes, pool);
  Partition stays(100 * kBatchBytes, pool);
  gone->add_and_write();
  stays.add_and_write();
  gone.reset();
  EXPECT_EQ(pool.held_bytes(), kBatchBytes);
  EXPECT_TRUE(stays.holds(Offset{0}));
}

TEST(RecentBatches, ManyPartitionsStayWithinTheirCommonLimit) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    const uint64_t limit = random.between(1, 40) * kBatchBytes;
    RecentPool pool(limit);
    std::vector<std::unique_ptr<Partition>> partitions(random.between(1, 12));
    for (auto& each : partitions) {
      each = std::make_unique<Partition>(random.between(1, 10) * kBatchBytes, pool);
    }
    for (int step = 0; step < 500; ++step) {
      auto& chosen = partitions[random.below(partitions.size())];
      const uint64_t dice = random.below(10);
      if (dice < 5) chosen->add();
      if (dice < 8) chosen->write();
      if (dice == 8) chosen->recent().forget_below(chosen->on_disk());
      if (dice == 9)
        chosen = std::make_unique<Partition>(random.between(1, 10) * kBatchBytes, pool);
      uint64_t held = 0;
      uint64_t waiting = 0;
      for (const auto& each : partitions) {
        held += each->recent().held_bytes();
        waiting += static_cast<uint64_t>(each->end() - each->on_disk()) * kBatchBytes;
        ASSERT_TRUE(each->on_disk() == each->end() || each->holds(each->on_disk()));
      }
      ASSERT_EQ(held, pool.held_bytes());
      const bool shrunk = dice < 8;
      ASSERT_TRUE(!shrunk || held <= limit + waiting) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace magpie::log
