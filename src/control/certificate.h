// What a failover group's move has proven, as a text that can be kept, signed and checked later
// against the logs that survived; docs/formats/certificate.md.
//
// It is written with the transaction that ends the group's part of an operation, and never changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/operation.h"

namespace magpie::control {

// A partition as the new leader holds it.
struct HeldPartition {
  std::string topic;
  Uuid topic_id;
  PartitionIndex partition;
  Offset log_start;
  Offset log_end;
  Offset high_watermark;
  // Offsets may be missing between its batches; nothing if the leader is too old to say.
  std::optional<bool> compacted = std::nullopt;
};

// More are counted, and not listed: a store's value has its limit.
inline constexpr size_t kCertificatePartitionsMax = 5'000;

// REQUIRES: the group has moved.
std::string encode_certificate(const Operation& operation, const OperationGroup& group,
                               const std::vector<HeldPartition>& partitions, WallTime now);

}  // namespace magpie::control
