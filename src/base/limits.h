// Every queue has a limit, and every limit that more than one module must agree on is here.
// What happens when it is reached is said beside it; operators find the same list in
// docs/operations/limits.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace magpie::limits {

// Largest Kafka request frame. A larger size prefix closes the connection: it is either an attack,
// another protocol, or a client whose max.request.size must be lowered.
inline constexpr size_t kRequestBytes = 100 * 1024 * 1024;

// Topic name rules are Kafka's: 1 to 249 characters of [a-zA-Z0-9._-], not "." or "..".
inline constexpr size_t kTopicNameBytes = 249;

// Partitions of one topic. More are refused with INVALID_PARTITIONS.
inline constexpr int32_t kPartitionsPerTopic = 10'000;

}  // namespace magpie::limits
