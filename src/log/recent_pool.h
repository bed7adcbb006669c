// The memory that the recent batches of all partitions of a node share.
//
// The problem: a few busy partitions should have much memory for their newest batches, thousands of
// them must not add up to more than the node has. The idea: each keeps its own limit, and together
// they have this one; beyond it the partition that was written least recently gives up all that can
// be read from disk. What is given up costs a later reader a disk read, never a record.
//
// Batches that are not yet handed to the disk cannot be given up; limits on requests bound those.
#pragma once

#include <cstddef>
#include <cstdint>

namespace magpie::log {

class RecentBatches;

class RecentPool {
 public:
  explicit RecentPool(uint64_t limit_bytes) : limit_(limit_bytes) {}
  ~RecentPool();
  RecentPool(const RecentPool&) = delete;
  RecentPool& operator=(const RecentPool&) = delete;

  uint64_t held_bytes() const { return held_; }

 private:
  friend class RecentBatches;

  // `who` was written last.
  void touch(RecentBatches& who);
  void remove(RecentBatches& who);
  void make_room();

  const uint64_t limit_;
  uint64_t held_ = 0;
  // A list through the members, the least recently written first.
  RecentBatches* first_ = nullptr;
  RecentBatches* last_ = nullptr;
};

}  // namespace magpie::log
