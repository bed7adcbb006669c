// What opening a log must read and repair, decided from names, sizes and the checkpoint alone.
//
// A clean stop leaves nothing to read. After a crash only what lies beyond the checkpoint is read.
// Without a usable checkpoint everything is. The rules are in docs/formats/recovery.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "log/checkpoint.h"
#include "log/file_names.h"
#include "port/event.h"

namespace magpie::log {

// A range of one segment to be read.
struct PlannedScan {
  Offset base;               // of the segment
  uint64_t from = 0;         // where a batch begins
  uint64_t to = 0;           // the end of the file
  uint64_t durable = 0;      // damage below this is never a torn tail
  Offset lowest;             // offsets start here or above
  bool contiguous = false;   // and none is missing, except where a new epoch begins
  bool new_segment = false;  // not in the checkpoint: must follow the one before it
  bool last = false;         // the only one that may have a torn tail
};

// A change to the files, carried out only after all reading went well.
struct PlannedRepair {
  enum class Kind {
    kFinishSwap,  // rename the compacted form of `file` into its place
    kTruncate,
    kRemove,
  };
  Kind kind;
  SegmentFileName file;
  uint64_t size = 0;  // for kTruncate
};

struct RecoveryPlan {
  Offset start;
  Offset compacted_to;
  bool may_have_gaps = false;
  std::optional<SavedState> saved;
  std::vector<SegmentRecord> segments;  // as far as they are known; scans extend the last ones
  std::vector<PlannedScan> scans;       // in order of offsets
  std::vector<PlannedRepair> repairs;
  bool rewrite_checkpoint = false;  // the one on disk must not be used again
};

// `checkpoint` is absent if there is none that can be read. `may_have_gaps`: also if the checkpoint
// does not say so. REQUIRES: the listing has a checkpoint or a log file. Error: kCorrupt, with the
// file's name in it.
Result<RecoveryPlan> plan_recovery(const std::vector<port::FolderEntry>& listing,
                                   const std::optional<Checkpoint>& checkpoint, bool may_have_gaps);

}  // namespace magpie::log
