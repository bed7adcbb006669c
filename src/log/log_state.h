// What the parts of one segment log share.
//
// Each part (appender, cold reader, checkpointer, …) owns the state of its own work; what more than
// one of them must know is here: which files there are, what lies where, what is durable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/engine.h"
#include "log/checkpoint.h"
#include "log/disk_calls.h"
#include "log/file_ids.h"
#include "log/file_names.h"
#include "log/recent_batches.h"
#include "log/segment_index.h"

namespace magpie::log {

enum class Phase {
  kNew,
  kOpening,
  kOpen,
  kFailed,     // a write or sync failed; reads go on
  kReopening,  // after kFailed, trying to become writable
  kCutting,
  kClosing,
  kClosed,  // also after a failed open
};

struct Segment {
  Segment(Offset segment_base, StoredIndex stored = {})
      : base(segment_base), next(segment_base), index(segment_base, stored) {}

  Offset base;
  Offset next;        // one after the last batch handed to the disk
  uint64_t size = 0;  // bytes handed to the disk
  LargestTimestamp largest;
  int64_t created_millis = -1;  // wall time of the first append, -1 if empty
  SegmentIndex index;
  uint64_t index_used = 0;  // when the loaded part of the index was last asked
  bool swapping = false;    // compaction is about to put another file in its place

  // Made on first use.
  port::FileRef log_file;
  port::FileRef index_file;
  port::FileRef time_index_file;
};

struct LogState {
  LogState(std::string log_folder, uint32_t owner, FileIds& ids, RecentPool& pool,
           const engine::EngineConfig& settings)
      : folder(std::move(log_folder)),
        file_ids(ids),
        disk(owner),
        config(settings),
        recent(settings.recent_bytes, pool) {}

  const std::string folder;
  FileIds& file_ids;
  DiskCalls disk;
  engine::EngineConfig config;
  Phase phase = Phase::kNew;

  std::vector<Segment> segments;  // ascending by base; the last is the active one
  Offset start;
  Offset durable_end;               // what was reported durable
  uint64_t durable_size = 0;        // the same as bytes of the active segment
  Offset compacted_to;              // below this no key occurs twice
  bool may_have_gaps = false;       // offsets may be missing between batches
  bool gaps_are_noted = false;      // the checkpoint on disk says so
  std::optional<SavedState> saved;  // as in the checkpoint on disk
  RecentBatches recent;
  // Rises when positions found earlier become meaningless: files cut, swapped or removed.
  uint64_t layout = 0;

  Segment& active() { return segments.back(); }
  const Segment& active() const { return segments.back(); }

  // The segment with this base, if there still is one.
  Segment* find_segment(Offset base);
  const Segment* find_segment(Offset base) const;
  // Index of the first segment that ends above `offset`; segments.size() if there is none.
  size_t first_above(Offset offset) const;

  // Bytes of the segment that may be read: those that cannot be lost to a failed write any more.
  uint64_t durable_size_of(const Segment& segment) const {
    return &segment == &active() ? durable_size : segment.size;
  }
  uint64_t size_bytes() const;
  LargestTimestamp largest() const;
  // Where replay begins: the saved state, or the oldest batch.
  Offset replay_from() const;

  // --- files -----------------------------------------------------------------------------------

  std::string path_of(Offset base, FileKind kind) const;
  // A name with a new id. A file that takes the place of another one needs that.
  port::FileRef new_file(Offset base, FileKind kind) const;
  const port::FileRef& log_file(Segment& segment) const;
  const port::FileRef& index_file(Segment& segment) const;
  const port::FileRef& time_index_file(Segment& segment) const;
  const port::FileRef& checkpoint_file();
  // The file of a segment, or one that belongs to none.
  port::FileRef file_of(const SegmentFileName& name);
  // The same with a new id, which the segment uses from now on.
  port::FileRef renewed_file(const SegmentFileName& name);

 private:
  port::FileRef checkpoint_file_;
};

// Accounts for a batch at the end of `segment`. The index entry is made, too.
void extend(Segment& segment, const record::BatchHeader& header, int32_t index_interval);

}  // namespace magpie::log
