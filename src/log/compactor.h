// Compaction of sealed segments: a pass over the whole log, one segment group at a time.
//
// First the part that was not compacted yet is read and the last offset of each key noted; then
// every segment from the start up to there is rewritten beside itself, small neighbours into one,
// and put in place: cleaned files synced, checkpoint that names them, renames (docs/formats/
// recovery.md). Reads, appends and checkpoints go on meanwhile. Work is done in pieces of one read
// or one write; memory is the key map (key_map.h) and a few pieces.
//
// Only segments that lie wholly below the partition's saved state are touched: replay must find the
// batches above it as they were.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "log/batch_cleaner.h"
#include "log/checkpointer.h"
#include "log/cold_reader.h"
#include "log/disk_calls.h"
#include "log/log_state.h"
#include "log/segment_scan.h"

namespace magpie::log {

class Compactor {
 public:
  Compactor(LogState& state, Checkpointer& checkpointer, ColdReader& reader, const HashSeed& seed)
      : state_(state), checkpointer_(checkpointer), reader_(reader), seed_(seed) {}

  // Compacts what lies below `limit`, if enough of it is new or tombstones have come of age.
  // Compacted follows, at once or later. REQUIRES: not running.
  void start(Step& step, Offset limit, Duration tombstone_age);
  bool is_running() const { return pass_ != nullptr && !pass_->suspended; }

  // Runs `then` when no compaction is under way, at once if it is so. One that is ends as soon as
  // its files are in order.
  void stop(Step& step, std::function<void(Step&)> then);
  // The segments are all gone: so is what was left of a compaction that could not end.
  void forget(Step& step);

 private:
  // Neighbouring segments that become one, and what is known of the result.
  struct Group {
    explicit Group(Offset base) : merged(base) {}

    std::vector<Offset> bases;
    uint64_t bytes_before = 0;
    size_t reading = 0;     // which of the segments
    uint64_t position = 0;  // where in it
    Segment merged;
    BufferChain unwritten;
    uint64_t unwritten_bytes = 0;
    // Cleaned index, time index and log, in the order in which they are put in place.
    std::array<port::FileRef, 3> cleaned;
    std::array<port::FileRef, 3> files;
    size_t renamed = 0;
  };

  struct Pass {
    explicit Pass(BatchCleaner batch_cleaner) : cleaner(std::move(batch_cleaner)) {}

    BatchCleaner cleaner;
    Offset limit;
    std::vector<Offset> to_learn;  // segments, the next one last
    Offset next_group;             // segments below this are done
    uint64_t bytes_before = 0;
    Status status;  // of looking into batches
    std::optional<Group> group;
    bool suspended = false;  // the group could not be put in place; tried again by the next start
  };

  using Next = void (Compactor::*)(Step&);

  bool worthwhile(const Now& now, Offset limit) const;
  void learn_next(Step& step);
  void clean_next_group(Step& step);
  void clean_piece(Step& step);
  bool clean_batch(const ScannedBatch& batch, bool last_of_group);
  void write_piece(Step& step);
  void finish_files(Step& step);
  void swap(Step& step);
  void rename_next(Step& step);
  void adopt(Step& step);
  void suspend(Step& step, const Error& error);
  void finish(Step& step, const Status& status);
  void ended(Step& step);
  bool is_stopping() const;
  // True if the segments of the group are still there, sealed.
  bool is_intact(const Group& group) const;
  // Runs `next` when the effect has finished. A failed one ends the pass.
  port::Completion then(Next next);
  void remove(Step& step, const port::FileRef& file);

  LogState& state_;
  Checkpointer& checkpointer_;
  ColdReader& reader_;
  HashSeed seed_;
  std::unique_ptr<Pass> pass_;
  std::vector<std::function<void(Step&)>> when_stopped_;
  std::optional<int64_t> next_horizon_;  // when the earliest tombstone may go, as far as is known
};

}  // namespace magpie::log
