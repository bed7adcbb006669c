// Puts batches into the active segment and knows what of them is durable.
//
// Several writes may be under way; they become durable in order. When the active segment is full
// (by size, by age, or because offsets no longer fit into its index) the next one is begun, but not
// before everything in the old one is durable: so whenever a segment exists, the one before it is
// complete, and recovery may be strict about it. Batches that arrive meanwhile wait in memory.
//
// A failed write or sync ends it: what was not durable is gone, and nothing is accepted until
// resume(). After a failed sync the kernel may say "done" the next time although the bytes never
// reached the disk, so nothing written since the last good sync is trusted again (Rebello et al.,
// "Can Applications Recover from fsync Failures?", ATC 2020).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/engine.h"
#include "log/disk_calls.h"
#include "log/log_state.h"
#include "log/ring.h"

namespace magpie::log {

class Appender {
 public:
  explicit Appender(LogState& state) : state_(state) {}

  // Everything in the segments is durable; go on after the last batch.
  void resume(const Now& now);

  void append(Step& step, engine::Append append);
  void on_append_done(Step& step, const port::DiskDone& done);

  // Makes everything handed to the disk so far durable, then runs `then`. If that fails, the log
  // fails and `then` runs with the error.
  void sync(Step& step, std::function<void(Step&, const Status&)> then);

  // Begins a new segment once everything in the active one is durable; no effect if it is empty.
  void roll(Step& step);

  // Runs `then` once no write is under way and no batch waits; at once if it is so. Does not run if
  // the log fails meanwhile.
  void when_quiet(Step& step, std::function<void(Step&)> then);

  // Interval syncs, rolling by age.
  void tick(Step& step);
  Instant next_deadline() const;

  // One after the last batch that was taken over.
  Offset end() const { return end_; }
  // Bytes and largest timestamp of batches that are not in a segment yet.
  uint64_t waiting_bytes() const { return waiting_bytes_; }
  int64_t waiting_max_timestamp() const;

  // What is known to survive a power loss.
  struct Synced {
    Offset segment;     // base of the active segment it was in
    uint64_t size = 0;  // of that segment
    Offset end;
  };
  const Synced& synced() const { return synced_; }

  // Bytes appended, and whether a segment was begun, since the last call of clear_progress().
  uint64_t appended_bytes() const { return appended_bytes_; }
  bool rolled() const { return rolled_; }
  void clear_progress();
  void set_appended_bytes(uint64_t bytes) { appended_bytes_ = bytes; }

  // Ends writing because of `error`; tells Failed.
  void fail(Step& step, const Error& error);

 private:
  struct InFlight {
    uint64_t write = 0;
    Offset end;
    uint64_t size = 0;  // of the active segment after this write
    LargestTimestamp largest;
    bool synced = false;
    bool done = false;
  };

  bool must_roll(Step& step, const record::BatchHeader& header) const;
  void write(Step& step, engine::Append append);
  void drain(Step& step);
  void begin_roll(Step& step);
  void continue_roll(Step& step);
  void begin_segment(Step& step);
  void advance(Step& step);
  void run_if_quiet(Step& step);
  Instant age_deadline() const;

  LogState& state_;
  uint64_t session_ = 0;  // rises when the log fails or resumes: earlier syncs say nothing any more
  Offset end_;
  uint64_t last_write_ = 0;
  Ring<InFlight> in_flight_;
  LargestTimestamp durable_largest_;
  Synced synced_;

  bool rolling_ = false;
  bool roll_sync_asked_ = false;
  Ring<engine::Append> waiting_;
  uint64_t waiting_bytes_ = 0;
  std::vector<std::function<void(Step&)>> when_quiet_;

  bool interval_sync_asked_ = false;
  Instant last_sync_{0};
  Instant created_{0};  // of the active segment, on the clock that only rises

  uint64_t appended_bytes_ = 0;
  bool rolled_ = false;
};

}  // namespace magpie::log
