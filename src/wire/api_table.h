// Which requests Magpie knows, and in which versions. The rows come from schema/.
#pragma once

#include <cstdint>
#include <span>

#include "wire/api_key.h"

namespace magpie::wire {

// Versions low to high, both included. Empty if low > high.
struct VersionRange {
  int16_t low = 1;
  int16_t high = 0;

  constexpr bool empty() const { return low > high; }
  constexpr bool contains(int version) const { return low <= version && version <= high; }
};

// Value of ApiInfo::flexible_from for an API without flexible versions.
inline constexpr int16_t kNeverFlexible = INT16_MAX;

struct ApiInfo {
  ApiKey key;
  const char* name;         // as in Kafka: "OffsetForLeaderEpoch"
  VersionRange described;   // what encode and decode accept
  VersionRange advertised;  // what ApiVersions answers; empty: the API is not offered yet
  VersionRange served;      // the part of `advertised` that is not refused: Produce 0 to 2 must be
                            // advertised, or librdkafka stops compressing (KAFKA-18659), and gets
                            // UNSUPPORTED_VERSION
  int16_t flexible_from;    // first version with compact fields and tags (KIP-482)

  constexpr bool is_flexible(int version) const { return version >= flexible_from; }
};

// All rows, sorted by key.
std::span<const ApiInfo> api_table();

// The row of a key as it came from a client; null if Magpie has no such API.
const ApiInfo* find_api(int16_t key);

// The row of a key. REQUIRES: it is one of the enumerators.
const ApiInfo& api_info(ApiKey key);

// Kafka's name of the API: "Produce".
const char* to_string(ApiKey key);

}  // namespace magpie::wire
