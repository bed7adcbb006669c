#include "log/tail_cutter.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "log/rewriter.h"

namespace magpie::log {
namespace {

constexpr size_t kHeadersPerEvent = 4'096;

}  // namespace

void TailCutter::begin(Phase phase) {
  state_.phase = phase;
  ++operation_;
}

bool TailCutter::is_current(uint64_t operation) const {
  return operation == operation_ &&
         (state_.phase == Phase::kCutting || state_.phase == Phase::kReopening);
}

port::Completion TailCutter::then(Next next) {
  return state_.disk.then([this, operation = operation_, next = std::move(next)](
                              Step& step, const port::DiskDone& done) {
    if (!is_current(operation)) return;
    if (!done.status) return give_up(step, done.status.error());
    next(step);
  });
}

void TailCutter::checkpoint(Step& step, Next next) {
  checkpointer_.request(step, [this, operation = operation_, next = std::move(next)](
                                  Step& later, const Status& status) {
    if (!is_current(operation)) return;
    if (!status) return give_up(later, status.error());
    next(later);
  });
}

void TailCutter::give_up(Step& step, const Error& error) {
  state_.phase = Phase::kFailed;
  cut_to_.reset();
  step.tell(engine::Failed{state_.durable_end, error});
}

// --- cut -----------------------------------------------------------------------------------------

void TailCutter::cut(Step& step, Offset end) {
  CHECK(state_.phase == Phase::kOpen && state_.start <= end && end <= appender_.end());
  begin(Phase::kCutting);
  // What is left must be durable before a checkpoint can say so. If that fails the log fails.
  appender_.when_quiet(step, [this, end, operation = operation_](Step& later) {
    appender_.sync(later, [this, end, operation](Step& last, const Status& status) {
      if (status && is_current(operation)) find_border(last, end);
    });
  });
}

// Reads the segment that holds the border, to learn position, index and largest timestamp there.
void TailCutter::find_border(Step& step, Offset end) {
  auto& segments = state_.segments;
  size_t count = segments.size();
  while (count > 0 && segments[count - 1].base >= end) --count;
  if (count == 0 || segments[count - 1].next <= end) {
    return checkpointer_.when_idle(step, [this, end, operation = operation_](Step& later) {
      if (is_current(operation)) cut_memory(later, end, nullptr);
    });
  }
  Segment& holder = segments[count - 1];
  auto rest = std::make_shared<Segment>(holder.base);
  scan_segment(
      step, state_.disk,
      {.file = state_.log_file(holder),
       .from = 0,
       .to = holder.size,
       .lowest = holder.base,
       .limit = holder.next,
       .ends_at_limit = true},
      [this, end, rest](Step&, const ScannedBatch& batch) {
        if (batch.header.base_offset >= end) return false;
        extend(*rest, batch.header, state_.config.index_interval_bytes);
        return true;
      },
      [this, end, rest, operation = operation_](Step& later, const ScanEnd& found) {
        if (!is_current(operation)) return;
        if (found.kind == ScanEnd::Kind::kDamaged || found.kind == ScanEnd::Kind::kReadFailed) {
          return give_up(later, to_error(found, state_.path_of(rest->base, FileKind::kLog)));
        }
        checkpointer_.when_idle(later, [this, end, rest, operation](Step& last) {
          if (is_current(operation)) cut_memory(last, end, rest);
        });
      });
}

// Takes everything beyond `end` out of memory. `rest` is what the segment that holds the border
// becomes; none if the border lies between segments.
void TailCutter::cut_memory(Step& step, Offset end, const std::shared_ptr<Segment>& rest) {
  auto& segments = state_.segments;
  // A segment of which nothing would be left goes, too: the next one is named after its offset.
  const bool keep_rest = rest != nullptr && rest->size > 0;
  const Offset doom_from = rest != nullptr && !keep_rest ? rest->base : end;
  while (!segments.empty() && segments.back().base >= doom_from) {
    doomed_.push_back(std::move(segments.back()));
    segments.pop_back();
  }
  if (keep_rest) {
    Segment& active = segments.back();
    active.size = rest->size;
    active.next = rest->next;
    active.largest = rest->largest;
    active.index = std::move(rest->index);
    cut_to_ = CutTo{end, state_.start};
  } else if (segments.empty() || segments.back().next < end) {
    segments.emplace_back(end);
  }
  state_.recent.cut(end);
  state_.compacted_to = std::min(state_.compacted_to, end);
  checkpointer_.forget_beyond(end);
  settle_cut(step);
}

// Memory is as it shall be; files and replay follow.
void TailCutter::settle_cut(Step& step) {
  ++state_.layout;
  appender_.resume(step.now);
  cutting_ = true;
  settle_files(step, [this](Step& later) {
    replay(later, [this](Step& last) {
      state_.phase = Phase::kOpen;
      last.tell(engine::CutDone{state_.active().next});
    });
  });
}

// --- begin anew ----------------------------------------------------------------------------------

// The same steps as for a cut: the first checkpoint names the empty segment alone, and everything
// else is what lies beyond it or is left over below it.
void TailCutter::begin_anew(Step& step, Offset at, std::function<void(Step&)> emptied) {
  CHECK(state_.phase == Phase::kOpen && at >= Offset{0});
  begin(Phase::kCutting);
  appender_.when_quiet(
      step, [this, at, emptied = std::move(emptied), operation = operation_](Step& later) {
        checkpointer_.when_idle(later, [this, at, emptied, operation](Step& last) {
          if (!is_current(operation)) return;
          emptied(last);
          empty_memory(last, at);
        });
      });
}

void TailCutter::empty_memory(Step& step, Offset at) {
  for (Segment& segment : state_.segments) doomed_.push_back(std::move(segment));
  state_.segments.clear();
  state_.segments.emplace_back(at);
  state_.start = at;
  state_.compacted_to = std::min(state_.compacted_to, at);
  state_.recent.cut(Offset{0});
  checkpointer_.forget_beyond(Offset{-1});
  settle_cut(step);
}

// --- bringing the files to it --------------------------------------------------------------------

void TailCutter::settle_files(Step& step, Next next) {
  if (!cutting_) return shorten_active(step, std::move(next));
  checkpointer_.set_discard_beyond(true);
  checkpoint(step, [this, next = std::move(next)](Step& later) {
    shorten_active(later, [this, next](Step& shortened) {
      remove_stale_index(shortened, [this, next](Step& indexed) {
        remove_doomed(indexed, [this, next](Step& removed) {
          checkpointer_.set_discard_beyond(false);
          skip_gap(removed);
          checkpoint(removed, [this, next](Step& last) {
            cutting_ = false;
            next(last);
          });
        });
      });
    });
  });
}

// A cut may end in a gap. A segment ends with its last batch, so the log goes on in a new one.
// After a crash before this the log ends where that batch does: no batch is lost or gained by it.
void TailCutter::skip_gap(Step& step) {
  const std::optional<CutTo> cut = std::exchange(cut_to_, std::nullopt);
  Segment& active = state_.active();
  if (!cut || active.next >= cut->end) return;
  active.index.seal(active.largest);
  state_.segments.emplace_back(cut->end);
  state_.start = std::max(state_.start, cut->start);  // it may lie in the gap
  appender_.resume(step.now);
}

void TailCutter::shorten_active(Step& step, Next next) {
  Segment& active = state_.active();
  if (active.size > 0) {
    return step.ask(
        port::TruncateFile{state_.log_file(active), active.size, then(std::move(next))});
  }
  if (!active.log_file) return next(step);
  // A file whose pages may be in doubt is not used again: the next write makes a new one. The first
  // write may have failed before there was a file at all.
  const port::FileRef old = std::exchange(active.log_file, nullptr);
  auto emptied = [this, old, operation = operation_, next = std::move(next)](
                     Step& later, const port::DiskDone& done) {
    if (!is_current(operation)) return;
    if (!done.status && done.status.error().kind != ErrorKind::kNotFound) {
      state_.active().log_file = old;
      return give_up(later, done.status.error());
    }
    later.ask(port::RemoveFile{old, then(next)});
  };
  step.ask(port::TruncateFile{old, 0, state_.disk.then(std::move(emptied))});
}

// Emptied first: a removal may be undone by a crash, and a segment that comes back must be empty.
void TailCutter::remove_doomed(Step& step, Next next) {
  if (doomed_.empty()) return next(step);
  Segment& segment = doomed_.back();
  const std::vector<port::FileRef> files = {state_.log_file(segment), state_.index_file(segment),
                                            state_.time_index_file(segment)};
  auto emptied = then([this, files, next = std::move(next)](Step& later) {
    doomed_.back().size = 0;
    remove_files(later, files, [this, next](Step& last) {
      doomed_.pop_back();
      remove_doomed(last, next);
    });
  });
  if (segment.size > 0) return step.ask(port::TruncateFile{files.front(), 0, emptied});
  step.ask(port::RemoveFile{files.front(), emptied});
}

void TailCutter::remove_files(Step& step, std::vector<port::FileRef> files, Next next) {
  if (files.empty()) return next(step);
  const port::FileRef file = files.back();
  files.pop_back();
  auto removed = then([this, files = std::move(files), next = std::move(next)](Step& later) {
    remove_files(later, files, next);
  });
  step.ask(port::RemoveFile{file, removed});
}

// The index files of a segment whose index was made anew hold entries that are no longer true.
void TailCutter::remove_stale_index(Step& step, Next next) {
  Segment& active = state_.active();
  if (active.index.stored() != StoredIndex{}) return next(step);
  const std::vector<port::FileRef> files = {state_.index_file(active),
                                            state_.time_index_file(active)};
  active.index_file.reset();
  active.time_index_file.reset();
  remove_files(step, files, std::move(next));
}

// --- reopen --------------------------------------------------------------------------------------

void TailCutter::reopen(Step& step) {
  CHECK(state_.phase == Phase::kFailed);
  begin(Phase::kReopening);
  checkpointer_.forget_beyond(state_.durable_end);
  settle_files(step, [this](Step& later) {
    rewrite_unsynced(later, [this](Step& last) { seal_active(last); });
  });
}

// Bytes that were reported durable without a sync are brought to the disk for certain.
void TailCutter::rewrite_unsynced(Step& step, Next next) {
  Segment& active = state_.active();
  const Appender::Synced& synced = appender_.synced();
  const bool partly = synced.segment == active.base;
  const ScanRange range{.file = state_.log_file(active),
                        .from = partly ? synced.size : 0,
                        .to = active.size,
                        .lowest = partly ? synced.end : active.base,
                        .limit = active.next,
                        .ends_at_limit = true};
  if (range.from >= range.to) return next(step);
  auto rewriter = std::make_shared<Rewriter>(state_.disk, range.file);
  auto visit = [rewriter](Step& later, const ScannedBatch& batch) {
    rewriter->add(later, batch);
    return true;
  };
  auto on_end = [this, rewriter, operation = operation_, next = std::move(next)](
                    Step& later, const ScanEnd& end) {
    if (!is_current(operation)) return;
    if (end.kind == ScanEnd::Kind::kReadFailed) return give_up(later, end.error);
    if (end.kind == ScanEnd::Kind::kDamaged) drop_lost(later, end);
    rewriter->flush(later);
    auto synced_all = then([this, rewriter, next](Step& last) {
      if (!rewriter->status()) return give_up(last, rewriter->status().error());
      shorten_active(last, next);
    });
    later.ask(port::SyncFile{state_.log_file(state_.active()), synced_all});
  };
  scan_segment(step, state_.disk, range, std::move(visit), std::move(on_end));
}

void TailCutter::drop_lost(Step& step, const ScanEnd& end) {
  Segment& active = state_.active();
  step.note(
      port::Severity::kError, "log_unsynced_lost",
      fmt::format("{}: records from offset {} to {} were acknowledged before they were "
                  "synced (fsync policy interval or never), and the device lost them",
                  state_.path_of(active.base, FileKind::kLog), end.next.value, active.next.value));
  active.size = end.position;
  active.next = end.next;
  active.index.cut(end.position);
  checkpointer_.forget_beyond(end.next);
  state_.recent.cut(end.next);
  ++state_.layout;
}

// What was written since the last good sync shares pages with what the kernel may have given up on;
// new batches go to a new file.
void TailCutter::seal_active(Step& step) {
  Segment& active = state_.active();
  if (active.size > 0) {
    active.index.seal(active.largest);
    const Offset base = active.next;
    state_.segments.emplace_back(base);
  }
  appender_.resume(step.now);
  checkpoint(step, [this](Step& later) {
    replay(later, [this](Step& last) {
      state_.phase = Phase::kOpen;
      last.tell(engine::Opened{state_.start, state_.active().next, 0});
    });
  });
}

// --- replay --------------------------------------------------------------------------------------

void TailCutter::replay(Step& step, Next next) {
  step.tell(
      engine::ReplayBegan{state_.replay_from(), state_.saved ? state_.saved->state : Buffer()});
  replay_segment(step, state_.first_above(state_.replay_from()), std::move(next));
}

void TailCutter::replay_segment(Step& step, size_t index, Next next) {
  if (index >= state_.segments.size()) return next(step);
  Segment& segment = state_.segments[index];
  const bool starts_here = state_.saved && state_.saved->segment == segment.base &&
                           state_.saved->position <= segment.size;
  auto headers = std::make_shared<std::vector<record::BatchHeader>>();
  auto flush = [headers](Step& later) {
    if (!headers->empty()) later.tell(engine::Replayed{std::exchange(*headers, {})});
  };
  scan_segment(
      step, state_.disk,
      {.file = state_.log_file(segment),
       .from = starts_here ? state_.saved->position : 0,
       .to = segment.size,
       .lowest = segment.base,
       .limit = segment.next,
       .ends_at_limit = true},
      [headers, flush, from = state_.replay_from()](Step& later, const ScannedBatch& batch) {
        if (batch.header.base_offset < from) return true;
        headers->push_back(batch.header);
        if (headers->size() == kHeadersPerEvent) flush(later);
        return true;
      },
      [this, flush, base = segment.base, operation = operation_, next = std::move(next)](
          Step& later, const ScanEnd& end) {
        if (!is_current(operation)) return;
        flush(later);
        if (end.kind != ScanEnd::Kind::kComplete) {
          return give_up(later, to_error(end, state_.path_of(base, FileKind::kLog)));
        }
        const Segment* done = state_.find_segment(base);
        // Trimmed away meanwhile: then the next one is the first.
        const size_t following =
            done == nullptr ? 0 : static_cast<size_t>(done - state_.segments.data()) + 1;
        replay_segment(later, following, next);
      });
}

}  // namespace magpie::log
