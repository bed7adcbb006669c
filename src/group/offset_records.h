// Changes as records of the internal topic __consumer_offsets, byte for byte as Kafka writes them.
//
// The layout, with an example, is in docs/formats/consumer-offsets.md. Records are written in the
// versions that every Kafka since 2.3 reads: keys 1 and 2, position value 3 (1 if it carries its
// own expiry), group value 3. All versions up to 4 of both values are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "base/result.h"
#include "group/change.h"

namespace magpie::group {

// A record without a value is a tombstone: compaction removes the key.
struct Record {
  Buffer key;
  std::optional<Buffer> value;
};

// Strings in records have a 16-bit length.
inline constexpr size_t kRecordStringBytes = INT16_MAX;

// REQUIRES: every string of the change is at most kRecordStringBytes long.
Record encode(const Change& change);

// kUnsupported for a key or value version this build does not know, kCorrupt for bytes that do not
// form a record.
Result<Change> decode(const Record& record);

}  // namespace magpie::group
