// The newest batches of a partition, in memory.
//
// Consumers that keep up ask for what was just written; they are answered from here without a disk
// effect. The batches are the very slices that came in, unless a slice is a small part of its
// block: then a copy is kept, so that what is counted is what is held.
//
// The limits, the partition's own and the one all partitions share (recent_pool.h), hold except for
// batches that are not yet handed to the disk: those can be read from nowhere else.
#pragma once

#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "engine/engine.h"
#include "log/recent_pool.h"
#include "log/ring.h"
#include "record/batch.h"

namespace magpie::log {

class RecentBatches {
 public:
  // `pool` must outlive this object.
  RecentBatches(uint64_t limit_bytes, RecentPool& pool) : limit_(limit_bytes), pool_(pool) {}
  ~RecentBatches();
  RecentBatches(const RecentBatches&) = delete;
  RecentBatches& operator=(const RecentBatches&) = delete;

  // Takes the newest batch. REQUIRES: it follows the one before.
  void add(const record::BatchHeader& header, const Buffer& batch);

  // Forgets the oldest beyond the limits, but nothing at or above `keep_from`: from there on the
  // disk does not have it yet.
  void shrink(Offset keep_from);

  // Forgets what lies wholly below `start`: it was rewritten on disk.
  void forget_below(Offset start);

  // Forgets everything at and above `end`.
  void cut(Offset end);

  // The answer to `read`; nothing if it begins before what is held.
  std::optional<BufferChain> find(const engine::Read& read) const;

  void set_limit(uint64_t limit_bytes) { limit_ = limit_bytes; }
  uint64_t held_bytes() const { return held_; }

 private:
  friend class RecentPool;

  struct Entry {
    Offset base;
    Offset next;
    Buffer batch;
  };

  // Forgets everything below keep_from_.
  void give_up();
  void pop_front();
  void count(int64_t bytes);
  void leave_pool_if_empty();

  // Index of the first entry that ends above `offset`.
  size_t first_above(Offset offset) const;

  Ring<Entry> entries_;
  uint64_t limit_;
  uint64_t held_ = 0;
  Offset keep_from_;
  RecentPool& pool_;
  // Neighbours in the pool's list.
  RecentBatches* before_ = nullptr;
  RecentBatches* after_ = nullptr;
};

}  // namespace magpie::log
