// Room for output whose size is not known beforehand, up to a limit.
#pragma once

#include <cstddef>
#include <span>

#include "base/buffer.h"

namespace magpie::record {

class GrowingOutput {
 public:
  // Starts with room for `expected` bytes and never holds more than `limit`.
  GrowingOutput(size_t expected, size_t limit);

  // Free room at the end; at least one byte unless the limit is reached.
  std::span<std::byte> room();
  // `count` bytes of room() were filled.
  void advance(size_t count);

  bool at_limit() const { return used_ == limit_; }
  size_t size() const { return used_; }

  // What was written. Leaves this empty.
  Buffer finish();

 private:
  Buffer block_;
  size_t used_ = 0;
  size_t limit_;
};

}  // namespace magpie::record
