// Writes the checkpoint: makes what it will say true on disk first, then replaces the file.
//
// Whoever needs something recorded (a saved state, a new log start, a cut, a swap) asks for a
// checkpoint and is told when one has been written that was begun after the request. At most one is
// under way; requests that arrive meanwhile share the next. The order is always: data synced, index
// files synced, checkpoint replaced, and only then files removed that it no longer names.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "log/appender.h"
#include "log/checkpoint.h"
#include "log/disk_calls.h"
#include "log/log_state.h"

namespace magpie::log {

class Checkpointer {
 public:
  using Then = std::function<void(Step&, const Status&)>;

  Checkpointer(LogState& state, Appender& appender) : state_(state), appender_(appender) {}

  // Writes a checkpoint; `then` may be empty.
  void request(Step& step, Then then);

  // The same, but only if the one on disk does not say all there is to say.
  void bring_up_to_date(Step& step, Then then);

  // The files are exactly as the checkpoint on disk says.
  void assume_up_to_date() { written_ = appender_.synced(); }

  // Runs `then` when no checkpoint is under way, and no file is being removed; at once if it is so.
  void when_idle(Step& step, std::function<void(Step&)> then);

  // Includes the partition's state; it takes effect in the first checkpoint for which everything
  // below `at` is durable.
  void save(Step& step, Offset at, Buffer state);
  // Forgets a state beyond `end`, saved or about to be.
  void forget_beyond(Offset end);

  // Includes a new log start; takes effect when the checkpoint is written. `then` hears the start
  // that holds afterwards.
  void move_start(Step& step, Offset start, std::function<void(Step&, Offset)> then);

  // The next checkpoints say that everything beyond the segments is to be discarded.
  void set_discard_beyond(bool discard) { discard_beyond_ = discard; }

  // The next checkpoints name `record` instead of the segments from its base up to its end.
  void set_swap(std::optional<SegmentRecord> record) { swap_ = std::move(record); }

  // Another save() would let segments go that lie below the log start. Not after a failure, so that
  // a full disk is not asked again and again.
  bool wants_save() const;

 private:
  void begin(Step& step);
  void store_indexes(Step& step, Offset from);
  void write_index(Step& step, Segment& segment, const SegmentIndex::Fresh& fresh);
  void replace(Step& step);
  Checkpoint snapshot() const;
  SegmentRecord record_of(const Segment& segment) const;
  void on_replaced(Step& step, const Checkpoint& written);
  void remove_file(Step& step, const SegmentFileName& name);
  void finish(Step& step, const Status& status);
  void run_if_idle(Step& step);
  bool is_up_to_date() const;

  LogState& state_;
  Appender& appender_;
  bool busy_ = false;
  bool needed_ = false;        // by one of those that wait
  std::vector<Then> waiting_;  // for the next checkpoint
  std::vector<Then> served_;   // by the one under way
  Appender::Synced covered_;   // what was durable when the one under way was begun
  std::optional<SavedState> pending_;
  Offset pending_start_;
  Offset taken_start_;  // by the one under way
  bool discard_beyond_ = false;
  std::optional<SegmentRecord> swap_;
  bool failed_ = false;                      // the last attempt
  std::optional<Appender::Synced> written_;  // what the one on disk covers, if it is all known
  size_t removals_ = 0;                      // of files, under way
  std::vector<std::function<void(Step&)>> when_idle_;
};

}  // namespace magpie::log
