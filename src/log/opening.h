// Opens the files of a partition: finds out what is there, replays what the partition's state
// needs, repairs what a crash left behind, or refuses.
//
// A state machine over what it reads: list the folder, read the checkpoint, plan (recovery_plan.h),
// read what the plan says, judge damage (tail_examiner.h), and only then change files. Everything
// it found is durable before the log counts as open: after a mere process crash, bytes may have
// been read that no power loss would have spared (rewriter.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "log/disk_calls.h"
#include "log/log_state.h"
#include "log/recovery_plan.h"
#include "log/rewriter.h"
#include "log/segment_scan.h"
#include "log/tail_examiner.h"

namespace magpie::log {

// How the opening ended well.
struct OpenedFiles {
  uint64_t torn_bytes = 0;
  uint64_t scanned_bytes = 0;    // beyond the checkpoint
  bool must_checkpoint = false;  // the checkpoint on disk must be replaced before anything is done
};

class Opening {
 public:
  // Fills `state`, which must be fresh and outlive this.
  explicit Opening(LogState& state) : state_(state) {}

  // Tells ReplayBegan and Replayed on the way and ends with `done`, later.
  void start(Step& step, engine::OpenMode mode,
             std::function<void(Step&, Result<OpenedFiles>)> done);

 private:
  using Next = void (Opening::*)(Step&);

  void on_listing(Step& step, engine::OpenMode mode, const std::vector<port::FolderEntry>& listing);
  void on_checkpoint(Step& step, const Buffer& bytes);
  void recover(Step& step, const std::optional<Checkpoint>& checkpoint);
  void adopt(const RecoveryPlan& plan);
  void scan_next(Step& step);
  void on_batch(Step& step, const PlannedScan& scan, const ScannedBatch& batch);
  void on_scan_end(Step& step, const PlannedScan& scan, const ScanEnd& end);
  void on_damage(Step& step, const PlannedScan& scan, const ScanEnd& end);
  void flush_headers(Step& step);
  void repair_next(Step& step);
  void sync_next(Step& step);
  // Runs `next` when the effect has finished; a failed one ends the opening.
  port::Completion then(Next next);
  void refuse(Step& step, Error error);
  void refuse_gap(Step& step, const PlannedScan& scan, Offset previous);

  LogState& state_;
  std::function<void(Step&, Result<OpenedFiles>)> done_;
  std::vector<port::FolderEntry> listing_;
  RecoveryPlan plan_;
  size_t next_scan_ = 0;
  size_t next_repair_ = 0;
  LeaderEpoch epoch_ = kNoLeaderEpoch;  // of the last batch that was scanned
  std::optional<Offset> jump_from_;     // where the log ended before the next batch, if not there
  // Segments with bytes that may not be durable yet. What is good of them is written again while
  // it is read, and synced at the end.
  std::vector<std::pair<Offset, Rewriter>> to_sync_;
  std::vector<record::BatchHeader> headers_;
  OpenedFiles opened_;
};

}  // namespace magpie::log
