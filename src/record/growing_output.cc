#include "record/growing_output.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace magpie::record {
namespace {

constexpr size_t kFirstBlock = 4'096;

}  // namespace

GrowingOutput::GrowingOutput(size_t expected, size_t limit)
    : block_(Buffer::allocate(std::min(std::max(expected, kFirstBlock), limit))), limit_(limit) {}

std::span<std::byte> GrowingOutput::room() {
  if (used_ == block_.size() && used_ < limit_) {
    Buffer larger = Buffer::allocate(used_ > limit_ / 2 ? limit_ : used_ * 2);
    std::memcpy(larger.mutable_bytes().data(), block_.data(), used_);
    block_ = std::move(larger);
  }
  return block_.mutable_bytes().subspan(used_);
}

void GrowingOutput::advance(size_t count) {
  CHECK(count <= block_.size() - used_);
  used_ += count;
}

Buffer GrowingOutput::finish() {
  const Buffer written = block_.slice(0, used_);
  block_ = Buffer();
  used_ = 0;
  return written;
}

}  // namespace magpie::record
