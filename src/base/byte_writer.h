// Writing big-endian fields, with large pieces spliced in instead of copied.
//
// Small fields collect in a growing block; `splice` closes it and links a Buffer into the chain as
// it is, so a fetch response holds the stored batches themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/buffer.h"

namespace magpie {

class ByteWriter {
 public:
  void write_int8(int8_t value) { write_big_endian(static_cast<uint8_t>(value)); }
  void write_int16(int16_t value) { write_big_endian(static_cast<uint16_t>(value)); }
  void write_int32(int32_t value) { write_big_endian(static_cast<uint32_t>(value)); }
  void write_int64(int64_t value) { write_big_endian(static_cast<uint64_t>(value)); }
  void write_uint16(uint16_t value) { write_big_endian(value); }
  void write_uint32(uint32_t value) { write_big_endian(value); }
  void write_float64(double value);

  void write_unsigned_varint(uint32_t value) { write_unsigned_varlong(value); }
  void write_unsigned_varlong(uint64_t value);
  void write_varint(int32_t value) { write_varlong(value); }
  void write_varlong(int64_t value);

  void write_text(std::string_view text);
  void write_bytes(std::span<const std::byte> bytes);

  // Links `piece` into the output without copying (tiny pieces are copied: cheaper than a link).
  void splice(const Buffer& piece);

  // Bytes written so far, spliced pieces included.
  size_t size() const { return finished_size_ + open_.size(); }

  // Reserves a 4-byte field at the current place, to be filled by `fill_int32`.
  // REQUIRES: no splice between this call and the fill.
  size_t reserve_int32();
  void fill_int32(size_t place, int32_t value);

  // Hands over everything written and leaves the writer empty.
  BufferChain finish();

 private:
  template <typename T>
  void write_big_endian(T value);
  void close_open_piece();

  std::vector<std::byte> open_;
  BufferChain finished_;
  size_t finished_size_ = 0;
};

template <typename T>
void ByteWriter::write_big_endian(T value) {
  std::byte field[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i) {
    field[i] = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
  }
  // Not insert(): where g++ 12 inlines it at -O2, it warns of an overflow that is not there.
  const size_t end = open_.size();
  open_.resize(end + sizeof(T));
  std::memcpy(open_.data() + end, field, sizeof(T));
}

}  // namespace magpie
