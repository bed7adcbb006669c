// What a producer's batch must satisfy before it gets an offset.
#pragma once

#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "base/time.h"
#include "partition/messages.h"

namespace magpie::partition {

// The refusal to answer with, or nothing if the batch may be appended. Looks at the header and the
// checksum only, except in compacted topics, where every record must have a key (KIP-467 names the
// records that do not).
std::optional<Settled> check_admission(const PartitionConfig& config, WallTime now, uint64_t ticket,
                                       const Buffer& batch);

}  // namespace magpie::partition
