#include "wire/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace magpie::wire {
namespace {

constexpr size_t kPrefixBytes = 4;

// What a peer probably is, judged by four bytes that make no sense as a size.
const char* hint_for(size_t size) {
  constexpr size_t kGet = 0x47455420;   // "GET "
  constexpr size_t kPost = 0x504f5354;  // "POST"
  if (size == kGet || size == kPost) {
    return "; this looks like HTTP: the admin port is another one";
  }
  if ((size >> 16) == 0x1603) return "; this looks like TLS on a listener without TLS";
  return "";
}

}  // namespace

FrameAssembler::FrameAssembler(size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}

std::optional<size_t> FrameAssembler::read_prefix() const {
  if (buffered() < kPrefixBytes) return std::nullopt;
  size_t size = 0;
  for (const std::byte byte : block_.bytes().subspan(begin_, kPrefixBytes)) {
    size = (size << 8) | static_cast<size_t>(byte);
  }
  return size;
}

void FrameAssembler::refuse(size_t size) {
  status_ = fail(ErrorKind::kLimit,
                 fmt::format("a frame of {} bytes exceeds the limit of {} bytes{}",
                             static_cast<int32_t>(size), max_frame_bytes_, hint_for(size)));
}

size_t FrameAssembler::block_bytes_wanted() const {
  const std::optional<size_t> size = read_prefix();
  if (!size.has_value()) return kReadBlockBytes;
  const size_t whole = kPrefixBytes + *size;
  if (whole <= kEagerFrameBytes) return std::max(whole, kReadBlockBytes);
  return std::min(whole, std::max(kEagerFrameBytes, 4 * buffered()));
}

void FrameAssembler::move_to_new_block(size_t size) {
  CHECK(size > buffered());
  Buffer block = Buffer::allocate(size);
  if (buffered() > 0) {
    std::memcpy(block.mutable_bytes().data(), block_.data() + begin_, buffered());
  }
  end_ = buffered();
  begin_ = 0;
  block_ = std::move(block);
}

std::span<std::byte> FrameAssembler::writable() {
  CHECK(status_.has_value());
  const std::optional<size_t> size = read_prefix();
  CHECK(!size.has_value() || buffered() < kPrefixBytes + *size);
  const size_t whole = kPrefixBytes + size.value_or(0);
  const bool fits = begin_ + whole <= block_.size() || whole > kEagerFrameBytes;
  if (!fits || end_ == block_.size()) move_to_new_block(block_bytes_wanted());
  return block_.mutable_bytes().subspan(end_);
}

void FrameAssembler::commit(size_t count) {
  CHECK(count <= block_.size() - end_);
  end_ += count;
}

std::optional<Buffer> FrameAssembler::next() {
  const std::optional<size_t> size = read_prefix();
  if (!size.has_value() || !status_.has_value()) return std::nullopt;
  if (*size > max_frame_bytes_) {
    refuse(*size);
    return std::nullopt;
  }
  if (buffered() < kPrefixBytes + *size) return std::nullopt;
  Buffer frame = block_.slice(begin_ + kPrefixBytes, *size);
  begin_ += kPrefixBytes + *size;
  if (buffered() == 0) {
    // Nothing is pending: let the frames alone keep the block.
    block_ = Buffer();
    begin_ = end_ = 0;
  }
  return frame;
}

}  // namespace magpie::wire
