// The content of magpie.checkpoint: what is known of a partition's files without reading them.
//
// It is replaced as a whole, atomically, and never says more than what is durable. Byte layout and
// meaning: docs/formats/checkpoint.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "record/batch.h"

namespace magpie::log {

inline constexpr int32_t kCheckpointVersion = 1;

// How much of a segment's index stands in its files, and the checksums of that part. The files
// themselves are in Kafka's format and have no room for them.
struct StoredIndex {
  uint32_t offset_entries = 0;
  uint32_t offset_crc = 0;
  uint32_t time_entries = 0;
  uint32_t time_crc = 0;
  int64_t last_time = -1;  // timestamp of the last time entry
  // The entries cover the segment up to the size stated with them. Otherwise the index must be
  // rebuilt from the segment before it is used.
  bool complete = true;

  bool operator==(const StoredIndex&) const = default;
};

// The largest timestamp in a run of batches, and the last offset of the first batch that has it.
// Batches whose records are all gone do not count.
struct LargestTimestamp {
  int64_t timestamp = -1;
  Offset last_offset;

  void add(const record::BatchHeader& header) {
    if (header.record_count > 0 && header.max_timestamp > timestamp) {
      *this = {header.max_timestamp, header.last_offset()};
    }
  }
  bool operator==(const LargestTimestamp&) const = default;
};

struct SegmentRecord {
  Offset base;
  Offset next;        // one after the last offset
  uint64_t size = 0;  // bytes of the log file that are durable
  LargestTimestamp largest;
  int64_t created_millis = -1;  // wall time of the first append, -1 if empty
  StoredIndex index;
  bool swapping = false;  // its compacted form may still have to be renamed into place

  bool operator==(const SegmentRecord&) const = default;
};

// The partition's own state, and where replay begins if it is used.
struct SavedState {
  Offset at;
  Offset segment;         // base of the segment that holds `at`
  uint64_t position = 0;  // where in that segment the batch at `at` begins, or will
  Buffer state;

  bool operator==(const SavedState&) const = default;
};

struct Checkpoint {
  Offset start;                         // log start offset
  Offset compacted_to;                  // below this no key occurs twice
  bool discard_beyond = false;          // a cut is under way: what lies beyond is to be removed
  bool may_have_gaps = false;           // offsets may be missing between batches
  std::vector<SegmentRecord> segments;  // ascending; the last is the active one; never empty
  std::optional<SavedState> saved;

  bool operator==(const Checkpoint&) const = default;
};

Buffer encode(const Checkpoint& checkpoint);

// Errors: kUnsupported (written by a newer version), kCorrupt (checksum, or contradictions).
Result<Checkpoint> decode_checkpoint(const Buffer& bytes);

}  // namespace magpie::log
