// The two sparse indexes of one segment: offset to file position, timestamp to offset.
//
// Entries are made as Kafka makes them (docs/formats/index.md), one pair for every
// index.interval.bytes of batches. New ones collect in memory and go to the files when the segment
// is sealed or a checkpoint is written; those in the files are read back, thinned, when a reader
// first needs them. An index only says where to begin looking, so thinning costs a little more
// reading and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "log/checkpoint.h"
#include "record/batch.h"

namespace magpie::log {

inline constexpr size_t kOffsetEntryBytes = 8;
inline constexpr size_t kTimeEntryBytes = 12;
// Entries kept of what was read back from the files, of either kind.
inline constexpr size_t kLoadedEntriesMax = 2'048;

class SegmentIndex {
 public:
  struct OffsetEntry {
    uint32_t last_offset;  // of the batch at `position`, relative to the segment's base
    uint32_t position;
  };
  struct TimeEntry {
    int64_t timestamp;     // the largest so far in the segment
    uint32_t last_offset;  // of the batch that has it, relative
  };

  explicit SegmentIndex(Offset base, StoredIndex stored = {}) : base_(base), stored_(stored) {}

  // Accounts for the batch at `position`; makes an entry if `interval` bytes went by without one.
  // `largest` is that of the segment, this batch included.
  void add(const record::BatchHeader& header, uint64_t position, int32_t interval,
           const LargestTimestamp& largest);

  // A last time entry, so that the segment's largest timestamp can be told from its index.
  void seal(const LargestTimestamp& largest);

  // Forgets new entries for batches at and beyond `position`.
  void cut(uint64_t position);

  // --- files -----------------------------------------------------------------------------------

  const StoredIndex& stored() const { return stored_; }
  bool has_fresh() const { return !fresh_offsets_.empty() || !fresh_times_.empty(); }

  // New entries in the form of the files, ready to be appended to them.
  struct Fresh {
    Buffer offsets;
    Buffer times;
    StoredIndex stored;  // what stands in the files once these do, too
    size_t offset_count = 0;
    size_t time_count = 0;
  };
  // Those for batches before `position`.
  Fresh fresh_before(uint64_t position) const;
  void on_stored(const Fresh& fresh);

  // Takes over what the files held. Error: kCorrupt if that is not what was stored.
  Status load(const Buffer& offsets, const Buffer& times);
  void unload() { loaded_.reset(); }
  bool is_loaded() const { return loaded_ != nullptr; }

  // False if the files do not cover the segment; it must be rebuilt by reading the segment.
  bool complete() const { return stored_.complete; }
  void set_incomplete();
  // Takes over what was rebuilt from the first `size` bytes of the segment. Nothing of it is in the
  // files, which must be emptied.
  void take_over(SegmentIndex rebuilt, uint64_t size);

  // --- looking up ------------------------------------------------------------------------------

  // Where to begin looking for an offset, and the last offset of the batch there, if it is known.
  struct Place {
    uint64_t position = 0;
    std::optional<Offset> last_offset;
  };
  // A place at or before the batch that holds `offset`; nothing if the stored part must be loaded
  // first.
  std::optional<Place> place_of(Offset offset) const;
  std::optional<uint64_t> position_of(Offset offset) const;

  // An offset such that no record before it has a timestamp of `timestamp` or later; nothing if
  // the stored part must be loaded first.
  std::optional<Offset> before_time(int64_t timestamp) const;

  // The last offset of a batch below `limit` whose timestamp no batch before it exceeds; the base
  // if there is none such in the index; nothing if the stored part must be loaded first.
  std::optional<Offset> largest_time_before(Offset limit) const;

 private:
  struct Loaded {
    std::vector<OffsetEntry> offsets;
    std::vector<TimeEntry> times;
  };

  void add_time(const LargestTimestamp& largest);

  Offset base_;
  StoredIndex stored_;
  std::vector<OffsetEntry> fresh_offsets_;
  std::vector<TimeEntry> fresh_times_;
  std::unique_ptr<Loaded> loaded_;
  uint64_t bytes_since_entry_ = 0;
};

}  // namespace magpie::log
