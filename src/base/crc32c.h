// CRC-32C (Castagnoli), the checksum of Kafka record batches (RFC 3720, appendix B.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace magpie {

// Checksum of `bytes`. To checksum in pieces, pass the previous result as `seed`.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t seed = 0);

}  // namespace magpie
