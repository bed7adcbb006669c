// Bytes that are read once from a socket or file and never copied again.
//
// A Buffer is a view into a reference-counted block. A produce request arrives in one block; the
// batches inside it are slices of that block; the same slices go to the disk write, to the cache of
// recent batches and into fetch responses. Holding any slice keeps the whole block alive, so a
// cache of small slices must copy (see Buffer::block_size).
//
// Counting is atomic because a disk worker may drop the last reference. The bytes themselves are
// immutable once a Buffer is shared; `mutable_bytes` exists for the one moment before that.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace magpie {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer& other) noexcept;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer other) noexcept;
  ~Buffer();

  // A new block of `size` bytes, not initialised.
  static Buffer allocate(size_t size);
  static Buffer copy_of(std::span<const std::byte> bytes);
  static Buffer copy_of(std::string_view text);

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // The bytes [offset, offset + length) as a Buffer that shares the block.
  // REQUIRES: the range lies inside this buffer.
  Buffer slice(size_t offset, size_t length) const;

  // Write access, for filling a fresh block or stamping a batch header.
  // REQUIRES: nobody else reads these bytes yet.
  std::span<std::byte> mutable_bytes() { return {const_cast<std::byte*>(data_), size_}; }

  // Size of the whole block this view keeps alive, in bytes; 0 when empty.
  size_t block_size() const;

  // Same bytes, wherever they are.
  friend bool operator==(const Buffer& a, const Buffer& b) { return a.text() == b.text(); }

 private:
  struct Block;
  Buffer(Block* block, const std::byte* data, size_t size);

  Block* block_ = nullptr;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Several buffers that form one run of bytes, for gathered writes.
using BufferChain = std::vector<Buffer>;

// Total number of bytes in a chain.
size_t size_of(const BufferChain& chain);

// The chain as one contiguous buffer; copies unless the chain has a single piece. For tests and
// small messages.
Buffer flatten(const BufferChain& chain);

}  // namespace magpie
