#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <limits>

namespace magpie {

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t seed) {
  // ISA-L leaves the initial and final inversion to the caller, takes an int length and, though it
  // only reads, a pointer to mutable bytes.
  uint32_t state = ~seed;
  while (!bytes.empty()) {
    const size_t piece = std::min<size_t>(bytes.size(), std::numeric_limits<int>::max());
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    state = crc32_iscsi(data, static_cast<int>(piece), state);
    bytes = bytes.subspan(piece);
  }
  return ~state;
}

}  // namespace magpie
