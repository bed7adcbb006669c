#include "base/byte_writer.h"

#include <bit>

#include "base/check.h"

namespace magpie {
namespace {

// Below this size copying a piece costs less than another entry in a gathered write.
constexpr size_t kSpliceMinimum = 256;

}  // namespace

void ByteWriter::write_float64(double value) {
  write_big_endian(std::bit_cast<uint64_t>(value));
}

void ByteWriter::write_unsigned_varlong(uint64_t value) {
  while (value >= 0x80) {
    open_.push_back(static_cast<std::byte>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  open_.push_back(static_cast<std::byte>(value));
}

void ByteWriter::write_varlong(int64_t value) {
  const auto sign = static_cast<uint64_t>(value >> 63);
  write_unsigned_varlong((static_cast<uint64_t>(value) << 1) ^ sign);
}

void ByteWriter::write_text(std::string_view text) {
  write_bytes(std::as_bytes(std::span(text)));
}

void ByteWriter::write_bytes(std::span<const std::byte> bytes) {
  open_.insert(open_.end(), bytes.begin(), bytes.end());
}

void ByteWriter::splice(const Buffer& piece) {
  if (piece.size() < kSpliceMinimum) return write_bytes(piece.bytes());
  close_open_piece();
  finished_size_ += piece.size();
  finished_.push_back(piece);
}

size_t ByteWriter::reserve_int32() {
  write_int32(0);
  return size() - 4;
}

void ByteWriter::fill_int32(size_t place, int32_t value) {
  CHECK(place >= finished_size_ && place + 4 <= size());
  for (int i = 0; i < 4; ++i) {
    open_[place - finished_size_ + i] =
        static_cast<std::byte>(static_cast<uint32_t>(value) >> (24 - 8 * i));
  }
}

BufferChain ByteWriter::finish() {
  close_open_piece();
  finished_size_ = 0;
  return std::exchange(finished_, {});
}

void ByteWriter::close_open_piece() {
  if (open_.empty()) return;
  finished_size_ += open_.size();
  finished_.push_back(Buffer::copy_of(std::span<const std::byte>(open_)));
  open_.clear();
}

}  // namespace magpie
