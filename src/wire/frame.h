// Cutting a connection's bytes into Kafka frames: a 4-byte size, then that many bytes.
//
// The problem: bytes arrive in arbitrary pieces, frames are from 10 bytes to 100 MiB, and records
// inside a frame go to the disk and to readers as slices of the block they arrived in. The idea:
// the assembler lends the driver the place where the next bytes belong, so that a large frame is
// read straight into a block of its own; small frames share a block.
//
// Guarantees: frames come out whole and in order, however the bytes were split. Memory held follows
// what has arrived, not what a size prefix claims: at most kEagerFrameBytes, or four times the
// bytes received of the present frame, whichever is more. With nothing buffered it holds nothing.
//
// What it does not do: it does not look into frames, and knows no sockets and no time; idle and
// slow connections are the driver's to close.
//
//   std::span<std::byte> place = assembler.writable();
//   assembler.commit(socket.read_some(place));
//   while (std::optional<Buffer> frame = assembler.next()) deliver(*frame);
//   if (!assembler.status().has_value()) close(assembler.status().error().message);
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/result.h"

namespace magpie::wire {

// Bytes a read asks for when nothing is known about what comes.
inline constexpr size_t kReadBlockBytes = 16 * 1024;

// A frame up to this size gets its block at once; a larger one as its bytes arrive.
inline constexpr size_t kEagerFrameBytes = 1024 * 1024;

class FrameAssembler {
 public:
  // Frames larger than `max_frame_bytes` (size prefix not counted) are refused.
  explicit FrameAssembler(size_t max_frame_bytes = limits::kRequestBytes);

  // Where the next bytes belong; never empty. Valid until the next call of writable or next.
  // REQUIRES: status() is good and next() has returned nothing since the last commit.
  std::span<std::byte> writable();

  // `count` bytes were written to the front of what writable() returned.
  void commit(size_t count);

  // The next whole frame, without its size prefix, if there is one. A slice that keeps its block.
  std::optional<Buffer> next();

  // After a size prefix that is negative or too large: an error that names it. Final; the bytes
  // after it cannot be cut into frames any more.
  const Status& status() const { return status_; }

  // Bytes of memory held for frames that are not complete.
  size_t held_bytes() const { return block_.block_size(); }

 private:
  size_t buffered() const { return end_ - begin_; }
  // Size prefix of the frame at begin_, if its four bytes are there.
  std::optional<size_t> read_prefix() const;
  void refuse(size_t size);
  // Size of the block that the frame at begin_ should continue in.
  size_t block_bytes_wanted() const;
  void move_to_new_block(size_t size);

  size_t max_frame_bytes_;
  Status status_;
  Buffer block_;
  size_t begin_ = 0;  // in block_: start of the present frame's size prefix
  size_t end_ = 0;    // in block_: end of the bytes received
};

}  // namespace magpie::wire
