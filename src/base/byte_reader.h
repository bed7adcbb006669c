// Reading big-endian fields from bytes nobody trusts.
//
// Failure is sticky: after the first read past the end, every read returns zero or empty and ok()
// is false. A decoder reads all its fields and asks once. Nothing here allocates more than the
// bytes it was given can justify.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/buffer.h"

namespace magpie {

class ByteReader {
 public:
  // Reads from `source`, and hands out slices that share its block.
  explicit ByteReader(Buffer source);

  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t remaining() const { return source_.size() - position_; }

  // Marks the input as malformed; used by decoders for rules beyond "enough bytes".
  void set_failed() { ok_ = false; }

  int8_t read_int8() { return static_cast<int8_t>(read_big_endian<uint8_t>()); }
  int16_t read_int16() { return static_cast<int16_t>(read_big_endian<uint16_t>()); }
  int32_t read_int32() { return static_cast<int32_t>(read_big_endian<uint32_t>()); }
  int64_t read_int64() { return static_cast<int64_t>(read_big_endian<uint64_t>()); }
  uint16_t read_uint16() { return read_big_endian<uint16_t>(); }
  uint32_t read_uint32() { return read_big_endian<uint32_t>(); }
  double read_float64();

  // Base-128 varints, least significant group first; at most 5 or 10 bytes. The signed forms are
  // zig-zag coded (Kafka protocol guide, "Protocol Primitive Types").
  uint32_t read_unsigned_varint();
  uint64_t read_unsigned_varlong();
  int32_t read_varint();
  int64_t read_varlong();

  // The next `length` bytes; fails if they are not there.
  std::string_view read_text(size_t length);
  Buffer read_buffer(size_t length);
  void skip(size_t length);

 private:
  template <typename T>
  T read_big_endian();
  const std::byte* take(size_t length);

  Buffer source_;
  size_t position_ = 0;
  bool ok_ = true;
};

template <typename T>
T ByteReader::read_big_endian() {
  const std::byte* from = take(sizeof(T));
  if (from == nullptr) return 0;
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((static_cast<uint64_t>(value) << 8) | static_cast<uint8_t>(from[i]));
  }
  return value;
}

}  // namespace magpie
