// Strong integer types: a leader epoch can never be passed where an offset is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace magpie {

// An integer with a name. Tag is an empty struct that only makes the type unique.
template <typename Tag, typename Rep>
struct StrongId {
  Rep value{};

  constexpr auto operator<=>(const StrongId&) const = default;
};

using NodeId = StrongId<struct NodeIdTag, int32_t>;            // Kafka broker id
using LeaderEpoch = StrongId<struct LeaderEpochTag, int32_t>;  // leadership term; -1 unknown
using ProducerId = StrongId<struct ProducerIdTag, int64_t>;    // -1: not idempotent
using ProducerEpoch = StrongId<struct ProducerEpochTag, int16_t>;
using PartitionIndex = StrongId<struct PartitionIndexTag, int32_t>;

inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr ProducerId kNoProducerId{-1};

// Position of a record in a partition. Arithmetic is what offsets are for, so unlike the ids above
// an offset supports adding a count and subtracting another offset.
struct Offset {
  int64_t value = 0;

  constexpr auto operator<=>(const Offset&) const = default;
  constexpr Offset operator+(int64_t count) const { return {value + count}; }
  constexpr int64_t operator-(Offset other) const { return value - other.value; }
};

}  // namespace magpie

template <typename Tag, typename Rep>
struct std::hash<magpie::StrongId<Tag, Rep>> {
  size_t operator()(magpie::StrongId<Tag, Rep> id) const { return std::hash<Rep>{}(id.value); }
};
