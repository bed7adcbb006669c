// Reads a range of a segment file from front to back, batch by batch.
//
// For recovery, replay, rebuilding an index, searches and compaction. Reads in chunks, one disk
// effect at a time, so memory and the time of one step stay bounded however long the range is; only
// a batch larger than a chunk is read as a whole. Every batch is checked: plausible header,
// ascending offsets and epochs, checksum.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "log/disk_calls.h"
#include "port/file.h"
#include "record/batch.h"

namespace magpie::log {

struct ScanRange {
  port::FileRef file;
  uint64_t from = 0;  // where a batch begins
  uint64_t to = 0;    // where the last one ends
  Offset lowest;      // offsets start here or above
  // No offset may be missing, also before the first batch, except where a new epoch begins.
  bool contiguous = false;
  Offset limit{INT64_MAX};     // one after the highest offset that can be there
  bool ends_at_limit = false;  // and after the last batch it is reached
  // Of the batch before, if it is known.
  LeaderEpoch epoch = kNoLeaderEpoch;
  uint64_t chunk_bytes = 1024 * 1024;
};

// A batch as it is met; valid during the call, the buffer longer.
struct ScannedBatch {
  const record::BatchHeader& header;
  uint64_t position;
  Buffer bytes;
};

struct ScanEnd {
  enum class Kind {
    kComplete,    // `position` is the end of the range
    kStopped,     // the visitor had enough; `position` is where the last visited batch begins
    kDamaged,     // `position` is where the damage begins; `what` says what it is
    kReadFailed,  // `error` says why
  };
  Kind kind = Kind::kComplete;
  uint64_t position = 0;
  Offset next;  // one after the last offset that was visited
  const char* what = "";
  Error error{};
};

// Calls `visit` for every batch of the range until it returns false, then `done` once; never inside
// this call, unless the range is empty.
void scan_segment(Step& step, DiskCalls& disk, ScanRange range,
                  std::function<bool(Step&, const ScannedBatch&)> visit,
                  std::function<void(Step&, const ScanEnd&)> done);

// "damaged at byte 10: checksum does not match (offset 7)", with the file's path.
Error to_error(const ScanEnd& end, const std::string& path);

}  // namespace magpie::log
