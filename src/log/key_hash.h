// A 128-bit keyed hash of record keys: SipHash-2-4 with the longer output (Aumasson, Bernstein,
// "SipHash: a fast short-input PRF", 2012).
//
// Compaction compares keys by this hash only. With 128 bits, keys that collide by chance do not
// happen; with a secret seed they cannot be made to.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace magpie::log {

struct KeyHash {
  uint64_t low = 0;
  uint64_t high = 0;

  auto operator<=>(const KeyHash&) const = default;
};

struct HashSeed {
  uint64_t first = 0;
  uint64_t second = 0;
};

KeyHash hash_key(std::string_view key, const HashSeed& seed);

}  // namespace magpie::log
