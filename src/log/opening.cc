#include "log/opening.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

namespace magpie::log {
namespace {

using engine::OpenMode;

// Headers told in one Replayed.
constexpr size_t kHeadersPerEvent = 4'096;

const port::FolderEntry* find_entry(const std::vector<port::FolderEntry>& listing,
                                    std::string_view name) {
  for (const port::FolderEntry& entry : listing) {
    if (entry.name == name && !entry.is_folder) return &entry;
  }
  return nullptr;
}

bool has_log_file(const std::vector<port::FolderEntry>& listing) {
  for (const port::FolderEntry& entry : listing) {
    const auto name = parse_segment_file_name(entry.name);
    if (name && name->kind == FileKind::kLog) return true;
  }
  return false;
}

}  // namespace

void Opening::start(Step& step, OpenMode mode,
                    std::function<void(Step&, Result<OpenedFiles>)> done) {
  done_ = std::move(done);
  auto on_done = [this, mode](Step& later, const port::DiskDone& listed) {
    if (!listed.status) return refuse(later, listed.status.error());
    on_listing(later, mode, listed.listing);
  };
  step.ask(port::ListFolder{state_.folder, state_.disk.then(std::move(on_done))});
}

void Opening::on_listing(Step& step, OpenMode mode, const std::vector<port::FolderEntry>& listing) {
  listing_ = listing;
  const port::FolderEntry* checkpoint = find_entry(listing, kCheckpointName);
  const bool exists = checkpoint != nullptr || has_log_file(listing);
  if (mode == OpenMode::kCreate && exists) {
    return refuse(step, {ErrorKind::kAlreadyExists,
                         fmt::format("folder {} already holds a partition; it is not touched. "
                                     "Move it away, or open it as what it is",
                                     state_.folder)});
  }
  if (mode == OpenMode::kCreate || (!exists && planted(PlantedBug::kMissingLogIsEmpty))) {
    state_.segments.emplace_back(Offset{0});
    state_.may_have_gaps = state_.config.may_have_gaps;
    step.tell(engine::ReplayBegan{});
    return done_(step, OpenedFiles{.must_checkpoint = true});
  }
  if (!exists) {
    return refuse(step, {ErrorKind::kNotFound,
                         fmt::format("folder {} has no checkpoint and no segments although the "
                                     "partition exists. Restore it from another copy; the "
                                     "partition is not started empty",
                                     state_.folder)});
  }
  if (checkpoint == nullptr) {
    step.note(port::Severity::kWarning, "log_without_checkpoint",
              fmt::format("{}: no checkpoint; all segments are read", state_.folder));
    return recover(step, std::nullopt);
  }
  auto on_done = [this](Step& later, const port::DiskDone& done) {
    if (!done.status) return refuse(later, done.status.error());
    on_checkpoint(later, done.data);
  };
  const port::FileRef& file = state_.checkpoint_file();
  step.ask(port::ReadFile{file, 0, checkpoint->size, state_.disk.then(std::move(on_done))});
}

void Opening::on_checkpoint(Step& step, const Buffer& bytes) {
  Result<Checkpoint> checkpoint = decode_checkpoint(bytes);
  if (checkpoint) return recover(step, *checkpoint);
  const Error& error = checkpoint.error();
  if (error.kind == ErrorKind::kUnsupported) {
    return refuse(step, {error.kind, state_.folder + ": " + error.message});
  }
  if (!has_log_file(listing_)) {
    return refuse(step, {ErrorKind::kCorrupt,
                         fmt::format("{}: {}, and there are no segments. Restore the folder from "
                                     "another copy",
                                     state_.folder, error.message)});
  }
  step.note(port::Severity::kError, "log_checkpoint_damaged",
            fmt::format("{}: {}; all segments are read, and the log starts at the oldest one",
                        state_.folder, error.message));
  recover(step, std::nullopt);
}

void Opening::recover(Step& step, const std::optional<Checkpoint>& checkpoint) {
  Result<RecoveryPlan> plan = plan_recovery(listing_, checkpoint, state_.config.may_have_gaps);
  if (!plan) {
    return refuse(step, {plan.error().kind,
                         fmt::format("{}/{}. Restore the file from another copy; nothing was "
                                     "changed",
                                     state_.folder, plan.error().message)});
  }
  listing_.clear();
  plan_ = std::move(*plan);
  adopt(plan_);
  step.tell(
      engine::ReplayBegan{state_.replay_from(), state_.saved ? state_.saved->state : Buffer()});
  scan_next(step);
}

// The state as the checkpoint knows it; scans extend it.
void Opening::adopt(const RecoveryPlan& plan) {
  state_.start = plan.start;
  state_.compacted_to = plan.compacted_to;
  state_.may_have_gaps = plan.may_have_gaps;
  state_.gaps_are_noted = plan.may_have_gaps && !plan.rewrite_checkpoint;
  state_.saved = plan.saved;
  for (const SegmentRecord& record : plan.segments) {
    Segment& segment = state_.segments.emplace_back(record.base, record.index);
    segment.next = record.next;
    segment.size = record.size;
    segment.largest = record.largest;
    segment.created_millis = record.created_millis;
  }
}

void Opening::scan_next(Step& step) {
  if (next_scan_ == plan_.scans.size()) {
    flush_headers(step);
    return repair_next(step);
  }
  const PlannedScan& scan = plan_.scans[next_scan_];
  // A segment begins where the one before it ended, unless compaction may have taken the end away,
  // or the next offset was too far from the base of the one before.
  const Segment* segment = state_.find_segment(scan.base);
  const size_t index = static_cast<size_t>(segment - state_.segments.data());
  if (scan.new_segment && index > 0) {
    const Segment& before = state_.segments[index - 1];
    const Offset previous = before.next;
    const bool too_far = scan.base - before.base > INT32_MAX;
    const bool jumps = scan.contiguous && previous != scan.base;
    if (previous > scan.base || (jumps && !too_far)) return refuse_gap(step, scan, previous);
    if (jumps) jump_from_ = previous;
  }
  const port::FileRef& file = state_.log_file(*state_.find_segment(scan.base));
  const bool known = scan.to <= scan.durable;
  if (scan.to > scan.durable) to_sync_.emplace_back(scan.base, Rewriter(state_.disk, file));
  scan_segment(
      step, state_.disk,
      {.file = file,
       .from = scan.from,
       .to = scan.to,
       .lowest = scan.lowest,
       .contiguous = scan.contiguous,
       .limit = known ? segment->next : scan.base + INT32_MAX + 1,
       .ends_at_limit = known,
       .epoch = epoch_},
      [this, &scan](Step& later, const ScannedBatch& batch) {
        // Offsets are left out only where an epoch begins.
        if (jump_from_ && batch.header.leader_epoch <= epoch_) return false;
        jump_from_.reset();
        on_batch(later, scan, batch);
        return true;
      },
      [this, &scan](Step& later, const ScanEnd& end) { on_scan_end(later, scan, end); });
}

void Opening::refuse_gap(Step& step, const PlannedScan& scan, Offset previous) {
  refuse(step,
         {ErrorKind::kCorrupt,
          fmt::format("{} begins at offset {}, but the segment before it ends at {}. "
                      "Restore the missing part from another copy; nothing was changed",
                      state_.path_of(scan.base, FileKind::kLog), scan.base.value, previous.value)});
}

void Opening::on_batch(Step& step, const PlannedScan& scan, const ScannedBatch& batch) {
  epoch_ = batch.header.leader_epoch;
  if (batch.position >= scan.durable) {
    Segment& segment = *state_.find_segment(scan.base);
    CHECK(segment.size == batch.position);
    if (segment.created_millis < 0) segment.created_millis = step.now.wall.millis;
    extend(segment, batch.header, state_.config.index_interval_bytes);
    opened_.scanned_bytes += batch.header.size_bytes();
    to_sync_.back().second.add(step, batch);
  }
  if (batch.header.base_offset < state_.replay_from()) return;
  headers_.push_back(batch.header);
  if (headers_.size() == kHeadersPerEvent) flush_headers(step);
}

void Opening::flush_headers(Step& step) {
  if (headers_.empty()) return;
  step.tell(engine::Replayed{std::exchange(headers_, {})});
}

void Opening::on_scan_end(Step& step, const PlannedScan& scan, const ScanEnd& end) {
  if (end.kind == ScanEnd::Kind::kReadFailed) return refuse(step, end.error);
  if (end.kind == ScanEnd::Kind::kDamaged) return on_damage(step, scan, end);
  if (end.kind == ScanEnd::Kind::kStopped) return refuse_gap(step, scan, *jump_from_);
  ++next_scan_;
  scan_next(step);
}

void Opening::on_damage(Step& step, const PlannedScan& scan, const ScanEnd& end) {
  const std::string path = state_.path_of(scan.base, FileKind::kLog);
  if (!scan.last || end.position < scan.durable) {
    return refuse(step, {ErrorKind::kCorrupt,
                         fmt::format("{} although these bytes were stored durably. Restore the "
                                     "file from another copy; nothing was changed",
                                     to_error(end, path).message)});
  }
  auto on_verdict = [this, &scan, end, path](Step& later, const Verdict& verdict) {
    if (verdict.kind == Verdict::Kind::kReadFailed) return refuse(later, verdict.error);
    if (verdict.kind == Verdict::Kind::kCorrupt) {
      return refuse(
          later, {ErrorKind::kCorrupt,
                  fmt::format("{}, bytes {} to {}; this is not an interrupted write: {}. "
                              "Restore the file from another copy, or, to give up everything "
                              "from offset {} on, cut it to {} bytes; nothing was changed",
                              to_error(end, path).message, end.position,
                              verdict.next_batch.value_or(scan.to), verdict.reason, end.next.value,
                              end.position)});
    }
    opened_.torn_bytes = scan.to - end.position;
    plan_.repairs.push_back(
        {PlannedRepair::Kind::kTruncate, {scan.base, FileKind::kLog}, end.position});
    later.note(port::Severity::kWarning, "log_torn_tail",
               fmt::format("{}: an interrupted write at offset {} was cut off, {} bytes from byte "
                           "{} on: {}",
                           path, end.next.value, opened_.torn_bytes, end.position, verdict.reason));
    ++next_scan_;
    scan_next(later);
  };
  examine_damage(step, state_.disk, state_.log_file(*state_.find_segment(scan.base)), end.position,
                 scan.to, end.next, std::move(on_verdict));
}

// --- repairs -------------------------------------------------------------------------------------

port::Completion Opening::then(Next next) {
  return state_.disk.then([this, next](Step& step, const port::DiskDone& done) {
    if (!done.status) return refuse(step, done.status.error());
    (this->*next)(step);
  });
}

void Opening::repair_next(Step& step) {
  if (next_repair_ == plan_.repairs.size()) return sync_next(step);
  const PlannedRepair& repair = plan_.repairs[next_repair_++];
  switch (repair.kind) {
    case PlannedRepair::Kind::kFinishSwap: {
      const port::FileRef to = state_.renewed_file(repair.file);
      const port::FileRef from = state_.new_file(repair.file.base, cleaned_form(repair.file.kind));
      return step.ask(port::RenameFile{from, to, then(&Opening::repair_next)});
    }
    case PlannedRepair::Kind::kTruncate:
      return step.ask(port::TruncateFile{state_.file_of(repair.file), repair.size,
                                         then(&Opening::repair_next)});
    case PlannedRepair::Kind::kRemove:
      return step.ask(port::RemoveFile{state_.file_of(repair.file), then(&Opening::repair_next)});
  }
}

void Opening::sync_next(Step& step) {
  if (to_sync_.empty()) {
    opened_.must_checkpoint = plan_.rewrite_checkpoint;
    return done_(step, opened_);
  }
  to_sync_.back().second.flush(step);
  auto on_done = [this](Step& later, const port::DiskDone& done) {
    const Status written = to_sync_.back().second.status();
    to_sync_.pop_back();
    if (!written) return refuse(later, written.error());
    if (!done.status) return refuse(later, done.status.error());
    sync_next(later);
  };
  Segment& segment = *state_.find_segment(to_sync_.back().first);
  step.ask(port::SyncFile{state_.log_file(segment), state_.disk.then(std::move(on_done))});
}

void Opening::refuse(Step& step, Error error) {
  done_(step, fail(std::move(error)));
}

}  // namespace magpie::log
