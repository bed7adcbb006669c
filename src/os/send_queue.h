// What waits to be written to one connection.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/buffer.h"

namespace magpie::os {

class SendQueue {
 public:
  void push(BufferChain bytes);

  bool empty() const { return pieces_.empty(); }
  uint64_t bytes() const { return bytes_; }

  // The first pieces, as many as fit in `out`; `out` is cleared first.
  void gather(std::vector<iovec>& out, size_t max_pieces) const;

  // The first `count` bytes were sent. REQUIRES: count <= bytes().
  void consume(uint64_t count);

 private:
  std::deque<Buffer> pieces_;
  size_t sent_of_first_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace magpie::os
