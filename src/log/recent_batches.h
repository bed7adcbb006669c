// The newest batches of a partition, in memory.
//
// Consumers that keep up ask for what was just written; they are answered from here without a disk
// effect. The batches are the very slices that came in, unless a slice is a small part of its
// block: then a copy is kept, so that what is counted is what is held.
//
// The limit holds except for batches that are not yet handed to the disk: those can be read from
// nowhere else.
#pragma once

#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "engine/engine.h"
#include "log/ring.h"
#include "record/batch.h"

namespace magpie::log {

class RecentBatches {
 public:
  explicit RecentBatches(uint64_t limit_bytes) : limit_(limit_bytes) {}

  // Takes the newest batch. REQUIRES: it follows the one before.
  void add(const record::BatchHeader& header, const Buffer& batch);

  // Forgets the oldest beyond the limit, but nothing at or above `keep_from`.
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
  struct Entry {
    Offset base;
    Offset next;
    Buffer batch;
  };

  // Index of the first entry that ends above `offset`.
  size_t first_above(Offset offset) const;

  Ring<Entry> entries_;
  uint64_t limit_;
  uint64_t held_ = 0;
};

}  // namespace magpie::log
