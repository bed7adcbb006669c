#include "log/checkpointer.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

namespace magpie::log {

void Checkpointer::request(Step& step, Then then) {
  waiting_.push_back(std::move(then));
  needed_ = true;
  if (!busy_) begin(step);
}

void Checkpointer::bring_up_to_date(Step& step, Then then) {
  waiting_.push_back(std::move(then));
  if (!busy_) begin(step);
}

bool Checkpointer::is_up_to_date() const {
  const Segment& active = state_.active();
  const Appender::Synced& synced = appender_.synced();
  return written_ && !pending_ && written_->segment == synced.segment &&
         written_->size == synced.size && active.base == synced.segment &&
         active.size == synced.size && !active.index.has_fresh();
}

void Checkpointer::when_idle(Step& step, std::function<void(Step&)> then) {
  when_idle_.push_back(std::move(then));
  run_if_idle(step);
}

void Checkpointer::run_if_idle(Step& step) {
  if (busy_ || removals_ > 0) return;
  for (const auto& then : std::exchange(when_idle_, {})) then(step);
}

void Checkpointer::save(Step& step, Offset at, Buffer state) {
  CHECK(at <= appender_.end());
  // Replay may begin earlier than at `at`, never later.
  SavedState saved{.at = at, .segment = {}, .position = 0, .state = std::move(state)};
  const Segment& active = state_.active();
  if (at >= active.next) {
    saved.segment = active.base;
    saved.position = active.size;
  } else {
    const Segment& holder = state_.segments[state_.first_above(at)];
    saved.segment = holder.base;
    saved.position = holder.index.position_of(at).value_or(0);
  }
  if (saved.state.block_size() > saved.state.size()) {
    saved.state = Buffer::copy_of(saved.state.bytes());
  }
  pending_ = std::move(saved);
  request(step, nullptr);
}

void Checkpointer::forget_beyond(Offset end) {
  if (pending_ && pending_->at > end) pending_.reset();
  if (state_.saved && state_.saved->at > end) state_.saved.reset();
}

void Checkpointer::move_start(Step& step, Offset start, std::function<void(Step&, Offset)> then) {
  pending_start_ = std::max(pending_start_, start);
  request(step, [this, then = std::move(then)](Step& later, const Status&) {
    then(later, state_.start);
  });
}

bool Checkpointer::wants_save() const {
  const Segment& oldest = state_.segments.front();
  return !failed_ && !pending_ && state_.segments.size() > 1 && oldest.next <= state_.start &&
         state_.replay_from() < oldest.next;
}

void Checkpointer::begin(Step& step) {
  busy_ = true;
  served_ = std::exchange(waiting_, {});
  if (!std::exchange(needed_, false) && is_up_to_date()) return finish(step, Status{});
  taken_start_ = std::max(state_.start, pending_start_);
  Offset needed = taken_start_;
  if (pending_ && pending_->at <= state_.active().next) needed = std::max(needed, pending_->at);
  if (planted(PlantedBug::kCheckpointBeforeSync)) {
    const Segment& active = state_.active();
    covered_ = {active.base, active.size, active.next};
    return store_indexes(step, Offset{0});
  }
  covered_ = appender_.synced();
  if (needed <= covered_.end) return store_indexes(step, Offset{0});
  appender_.sync(step, [this](Step& later, const Status&) {
    // If that failed the log has failed; what was durable before can still be written down.
    covered_ = appender_.synced();
    store_indexes(later, Offset{0});
  });
}

// Index entries for what the checkpoint will cover, segment by segment.
void Checkpointer::store_indexes(Step& step, Offset from) {
  for (Segment& segment : state_.segments) {
    if (segment.base < from || segment.base > covered_.segment) continue;
    if (!segment.index.complete() || !segment.index.has_fresh()) continue;
    const uint64_t limit = segment.base == covered_.segment ? covered_.size : segment.size;
    const SegmentIndex::Fresh fresh = segment.index.fresh_before(limit);
    if (fresh.offset_count + fresh.time_count == 0) continue;
    return write_index(step, segment, fresh);
  }
  replace(step);
}

void Checkpointer::write_index(Step& step, Segment& segment, const SegmentIndex::Fresh& fresh) {
  struct Outcome {
    int left = 2;
    Status status;
  };
  auto outcome = std::make_shared<Outcome>();
  auto on_done = [this, outcome, fresh, base = segment.base, layout = state_.layout](
                     Step& later, const port::DiskDone& done) {
    if (!done.status) outcome->status = done.status;
    if (--outcome->left > 0) return;
    if (!outcome->status) return finish(later, outcome->status);
    Segment* written = state_.find_segment(base);
    if (written != nullptr && state_.layout == layout) written->index.on_stored(fresh);
    store_indexes(later, base + 1);
  };
  const StoredIndex& stored = segment.index.stored();
  step.ask(port::WriteFile{state_.index_file(segment),
                           uint64_t{stored.offset_entries} * kOffsetEntryBytes,
                           {fresh.offsets},
                           true,
                           state_.disk.then(on_done)});
  step.ask(port::WriteFile{state_.time_index_file(segment),
                           uint64_t{stored.time_entries} * kTimeEntryBytes,
                           {fresh.times},
                           true,
                           state_.disk.then(on_done)});
}

void Checkpointer::replace(Step& step) {
  const Checkpoint checkpoint = snapshot();
  auto on_done = [this, checkpoint](Step& later, const port::DiskDone& done) {
    if (done.status) on_replaced(later, checkpoint);
    finish(later, done.status);
  };
  step.ask(port::ReplaceFile{
      state_.checkpoint_file(), {encode(checkpoint)}, state_.disk.then(std::move(on_done))});
}

SegmentRecord Checkpointer::record_of(const Segment& segment) const {
  SegmentRecord record{.base = segment.base,
                       .next = segment.next,
                       .size = segment.size,
                       .largest = segment.largest,
                       .created_millis = segment.created_millis,
                       .index = segment.index.stored(),
                       .swapping = segment.swapping};
  if (segment.base == covered_.segment) {
    record.next = covered_.end;
    record.size = covered_.size;
  } else if (segment.index.has_fresh()) {
    record.index = {.complete = false};
  }
  return record;
}

Checkpoint Checkpointer::snapshot() const {
  Checkpoint checkpoint;
  checkpoint.start = std::min(std::max(state_.start, taken_start_), covered_.end);
  checkpoint.compacted_to = state_.compacted_to;
  checkpoint.discard_beyond = discard_beyond_;
  checkpoint.may_have_gaps = state_.may_have_gaps;
  checkpoint.saved = pending_ && pending_->at <= covered_.end ? pending_ : state_.saved;
  const Offset replay_from = checkpoint.saved ? checkpoint.saved->at : state_.segments.front().base;
  const Offset needed = std::min(checkpoint.start, replay_from);
  const bool swap = swap_ && state_.find_segment(swap_->base) != nullptr;
  for (const Segment& segment : state_.segments) {
    if (segment.base > covered_.segment) break;
    if (swap && segment.base >= swap_->base && segment.next <= swap_->next) {
      if (segment.base == swap_->base) checkpoint.segments.push_back(*swap_);
    } else if (segment.next > needed || segment.base == covered_.segment) {
      checkpoint.segments.push_back(record_of(segment));
    }
  }
  if (planted(PlantedBug::kStartNotPersisted)) checkpoint.start = state_.start;
  return checkpoint;
}

void Checkpointer::on_replaced(Step& step, const Checkpoint& written) {
  state_.start = std::max(written.start,
                          planted(PlantedBug::kStartNotPersisted) ? taken_start_ : written.start);
  if (pending_ && written.saved && pending_->at == written.saved->at) pending_.reset();
  state_.saved = written.saved;
  state_.gaps_are_noted = written.may_have_gaps;
  const bool whole = !written.discard_beyond && !swap_;
  written_ = whole ? std::optional(covered_) : std::nullopt;
  // What the checkpoint no longer names may go now, and not earlier.
  const Offset first_kept = written.segments.front().base;
  auto& segments = state_.segments;
  while (segments.front().base < first_kept) {
    for (const FileKind kind : {FileKind::kLog, FileKind::kIndex, FileKind::kTimeIndex}) {
      remove_file(step, {segments.front().base, kind});
    }
    segments.erase(segments.begin());
    ++state_.layout;
  }
}

// What stays behind is removed when the log is opened.
void Checkpointer::remove_file(Step& step, const SegmentFileName& name) {
  const port::FileRef file = state_.file_of(name);
  ++removals_;
  auto on_done = [this, path = file->path](Step& later, const port::DiskDone& done) {
    --removals_;
    if (!done.status) {
      later.note(port::Severity::kWarning, "log_remove_failed",
                 fmt::format("{} could not be removed: {}", path, done.status.error().message));
    }
    run_if_idle(later);
  };
  step.ask(port::RemoveFile{file, state_.disk.then(std::move(on_done))});
}

void Checkpointer::finish(Step& step, const Status& status) {
  busy_ = false;
  failed_ = !status;
  // Whoever asked for a start is told now how far it got, and may ask again.
  if (pending_start_ == taken_start_) pending_start_ = state_.start;
  if (!status) {
    step.note(port::Severity::kWarning, "log_checkpoint_failed",
              fmt::format("{}: the checkpoint could not be written: {}; opening the log will take "
                          "longer, and old segments are kept",
                          state_.folder, status.error().message));
  }
  for (const Then& then : std::exchange(served_, {})) {
    if (then) then(step, status);
  }
  run_if_idle(step);
  if (!busy_ && !waiting_.empty()) begin(step);
}

}  // namespace magpie::log
