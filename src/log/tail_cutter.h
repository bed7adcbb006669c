// Takes the end of the log away: cut() for replication, and the clean-up after a failed write. Or
// all of it: begin_anew().
//
// Both bring the files to what memory says the log is, in an order that is safe against a crash at
// any point. For a cut: a checkpoint that says "nothing beyond this counts", then the files are
// shortened and removed, then a checkpoint without that mark. After a failed write nothing beyond
// the durable end was ever acknowledged, so no mark is needed; but what was acknowledged without a
// sync (fsync interval or never) is read back, checked, written again in place and synced, because
// a failed sync may have left it nowhere but in memory (docs/formats/recovery.md). Either way the
// partition's state is replayed at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "log/appender.h"
#include "log/checkpointer.h"
#include "log/disk_calls.h"
#include "log/log_state.h"
#include "log/segment_scan.h"

namespace magpie::log {

class TailCutter {
 public:
  TailCutter(LogState& state, Appender& appender, Checkpointer& checkpointer)
      : state_(state), appender_(appender), checkpointer_(checkpointer) {}

  // Removes everything at and above `end`. Tells replay and CutDone, or Failed.
  void cut(Step& step, Offset end);

  // Leaves an empty log at `at`. Calls `emptied` once memory says so. Tells replay and CutDone, or
  // Failed.
  void begin_anew(Step& step, Offset at, std::function<void(Step&)> emptied);

  // Makes a failed log writable again. Tells replay and Opened, or Failed.
  void reopen(Step& step);

 private:
  using Next = std::function<void(Step&)>;

  void find_border(Step& step, Offset end);
  void cut_memory(Step& step, Offset end, const std::shared_ptr<Segment>& rest);
  void empty_memory(Step& step, Offset at);
  void settle_cut(Step& step);
  void settle_files(Step& step, Next next);
  void skip_gap(Step& step);
  void shorten_active(Step& step, Next next);
  void remove_doomed(Step& step, Next next);
  void remove_files(Step& step, std::vector<port::FileRef> files, Next next);
  void remove_stale_index(Step& step, Next next);
  void rewrite_unsynced(Step& step, Next next);
  void drop_lost(Step& step, const ScanEnd& end);
  void seal_active(Step& step);
  void checkpoint(Step& step, Next next);
  void replay(Step& step, Next next);
  void replay_segment(Step& step, size_t index, Next next);
  void begin(Phase phase);
  // False if the operation was given up or the log was closed meanwhile. Every continuation asks.
  bool is_current(uint64_t operation) const;
  // Runs `next` when the effect has finished; a failed one ends the operation.
  port::Completion then(Next next);
  void give_up(Step& step, const Error& error);

  LogState& state_;
  Appender& appender_;
  Checkpointer& checkpointer_;
  uint64_t operation_ = 0;  // number of the cut or reopen that was begun last
  bool cutting_ = false;    // a cut was begun and its files are not settled yet
  // Of that cut, which may end above the end of the last batch that is left.
  struct CutTo {
    Offset end;
    Offset start;  // of the log, before
  };
  std::optional<CutTo> cut_to_;
  std::vector<Segment> doomed_;  // segments that are no longer in the state
};

}  // namespace magpie::log
