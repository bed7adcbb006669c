#include "os/send_queue.h"

#include "base/check.h"

namespace magpie::os {

void SendQueue::push(BufferChain bytes) {
  for (Buffer& piece : bytes) {
    if (piece.empty()) continue;
    bytes_ += piece.size();
    pieces_.push_back(std::move(piece));
  }
}

void SendQueue::gather(std::vector<iovec>& out, size_t max_pieces) const {
  out.clear();
  size_t skip = sent_of_first_;
  for (const Buffer& piece : pieces_) {
    if (out.size() == max_pieces) return;
    out.push_back({const_cast<std::byte*>(piece.data()) + skip, piece.size() - skip});
    skip = 0;
  }
}

void SendQueue::consume(uint64_t count) {
  CHECK(count <= bytes_);
  bytes_ -= count;
  while (count > 0) {
    const uint64_t left = pieces_.front().size() - sent_of_first_;
    if (count < left) {
      sent_of_first_ += count;
      return;
    }
    count -= left;
    sent_of_first_ = 0;
    pieces_.pop_front();
  }
}

}  // namespace magpie::os
