// Big-endian integers at fixed places in raw bytes, for headers and index entries that are looked
// at where they lie. Decoders of untrusted, variable input use ByteReader instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/check.h"

namespace magpie {

// The integer stored at `offset`. REQUIRES: it lies inside `bytes`.
template <typename T>
T load_big_endian(std::span<const std::byte> bytes, size_t offset) {
  using Raw = std::make_unsigned_t<T>;
  CHECK(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  Raw value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<Raw>((static_cast<uint64_t>(value) << 8) |
                             static_cast<uint8_t>(bytes[offset + i]));
  }
  return static_cast<T>(value);
}

// Stores `value` at `offset`. REQUIRES: it lies inside `bytes`.
template <typename T>
void store_big_endian(std::span<std::byte> bytes, size_t offset, T value) {
  using Raw = std::make_unsigned_t<T>;
  CHECK(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  const auto raw = static_cast<Raw>(value);
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[offset + i] =
        static_cast<std::byte>(static_cast<uint64_t>(raw) >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace magpie
