#include "base/buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace magpie {

struct Buffer::Block {
  std::atomic<uint32_t> references;
  size_t size;
  // The bytes follow this header.
  std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
};

Buffer::Buffer(Block* block, const std::byte* data, size_t size)
    : block_(block), data_(data), size_(size) {}

Buffer::Buffer(const Buffer& other) noexcept
    : block_(other.block_), data_(other.data_), size_(other.size_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer other) noexcept {
  std::swap(block_, other.block_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Buffer::~Buffer() {
  if (block_ == nullptr) return;
  if (block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(block_);
}

Buffer Buffer::allocate(size_t size) {
  void* memory = std::malloc(sizeof(Block) + size);
  CHECK(memory != nullptr);
  auto* block = new (memory) Block{{1}, size};
  return Buffer(block, block->bytes(), size);
}

Buffer Buffer::copy_of(std::span<const std::byte> bytes) {
  Buffer copy = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.mutable_bytes().data(), bytes.data(), bytes.size());
  return copy;
}

Buffer Buffer::copy_of(std::string_view text) {
  return copy_of(std::as_bytes(std::span(text)));
}

Buffer Buffer::slice(size_t offset, size_t length) const {
  CHECK(offset <= size_ && length <= size_ - offset);
  Buffer view(*this);
  view.data_ = data_ + offset;
  view.size_ = length;
  return view;
}

size_t Buffer::block_size() const {
  return block_ == nullptr ? 0 : block_->size;
}

size_t size_of(const BufferChain& chain) {
  size_t total = 0;
  for (const Buffer& piece : chain) total += piece.size();
  return total;
}

Buffer flatten(const BufferChain& chain) {
  if (chain.size() == 1) return chain.front();
  Buffer whole = Buffer::allocate(size_of(chain));
  std::byte* out = whole.mutable_bytes().data();
  for (const Buffer& piece : chain) {
    if (piece.empty()) continue;
    std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  }
  return whole;
}

}  // namespace magpie
