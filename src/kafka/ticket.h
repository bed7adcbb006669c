// The 64-bit tickets that tell whose answer a partition's event is.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace magpie::kafka {

enum class TicketKind : uint8_t {
  kProduce = 1,       // operation: a produce request; item: one of its partitions
  kFetch = 2,         // operation: a fetch request; item: one of its partitions
  kOffsetLookup = 3,  // operation: a ListOffsets request; item: one of its partitions
  kInternal = 4,      // operation: an append of this node's own records
  kGroupLoad = 5,     // a read of the groups' records at start
  kMemberRead = 6,    // a read for a follower on another node; the rest is the link's
  kTailRead = 7,      // a read of records that are about to be cut; operation: which tail
};

struct Ticket {
  TicketKind kind;
  uint64_t operation = 0;  // 36 bits: a new one every microsecond lasts 19 hours of numbers, and
                           // only those in flight together must differ
  uint32_t item = 0;       // 20 bits

  static constexpr uint64_t kOperationMask = (uint64_t{1} << 36) - 1;
  static constexpr uint32_t kItemMask = (1u << 20) - 1;

  uint64_t pack() const {
    CHECK(item <= kItemMask);
    return uint64_t{static_cast<uint8_t>(kind)} << 56 | (operation & kOperationMask) << 20 | item;
  }
  static Ticket unpack(uint64_t packed) {
    return {static_cast<TicketKind>(packed >> 56), packed >> 20 & kOperationMask,
            static_cast<uint32_t>(packed & kItemMask)};
  }
};

}  // namespace magpie::kafka
