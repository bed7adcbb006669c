#include "base/byte_reader.h"

#include <bit>
#include <utility>

namespace magpie {

ByteReader::ByteReader(Buffer source) : source_(std::move(source)) {}

const std::byte* ByteReader::take(size_t length) {
  if (!ok_ || length > remaining()) {
    ok_ = false;
    return nullptr;
  }
  const std::byte* from = source_.data() + position_;
  position_ += length;
  return from;
}

double ByteReader::read_float64() {
  return std::bit_cast<double>(read_big_endian<uint64_t>());
}

uint64_t ByteReader::read_unsigned_varlong() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    const std::byte* from = take(1);
    if (from == nullptr) return 0;
    const auto group = static_cast<uint64_t>(*from);
    if (shift == 63 && group > 1) break;  // would not fit in 64 bits
    value |= (group & 0x7f) << shift;
    if ((group & 0x80) == 0) return value;
  }
  ok_ = false;
  return 0;
}

uint32_t ByteReader::read_unsigned_varint() {
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const std::byte* from = take(1);
    if (from == nullptr) return 0;
    const auto group = static_cast<uint32_t>(*from);
    if (shift == 28 && group > 0x0f) break;  // would not fit in 32 bits
    value |= (group & 0x7f) << shift;
    if ((group & 0x80) == 0) return value;
  }
  ok_ = false;
  return 0;
}

int32_t ByteReader::read_varint() {
  const uint32_t raw = read_unsigned_varint();
  return static_cast<int32_t>((raw >> 1) ^ (~(raw & 1) + 1));
}

int64_t ByteReader::read_varlong() {
  const uint64_t raw = read_unsigned_varlong();
  return static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
}

std::string_view ByteReader::read_text(size_t length) {
  const std::byte* from = take(length);
  if (from == nullptr) return {};
  return {reinterpret_cast<const char*>(from), length};
}

Buffer ByteReader::read_buffer(size_t length) {
  const size_t start = position_;
  if (take(length) == nullptr) return {};
  return source_.slice(start, length);
}

void ByteReader::skip(size_t length) {
  take(length);
}

}  // namespace magpie
