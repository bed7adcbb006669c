#include "log/compactor.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::log {
namespace {

constexpr uint64_t kChunkBytes = 256 * 1024;
constexpr uint64_t kPieceBytes = 1024 * 1024;

constexpr std::array<FileKind, 3> kKinds = {FileKind::kIndex, FileKind::kTimeIndex, FileKind::kLog};

bool is_whole(const ScanEnd& end) {
  return end.kind == ScanEnd::Kind::kComplete || end.kind == ScanEnd::Kind::kStopped;
}

}  // namespace

// --- the pass ------------------------------------------------------------------------------------

void Compactor::start(Step& step, Offset limit, Duration tombstone_age) {
  CHECK(!is_running());
  if (pass_ != nullptr) {
    pass_->suspended = false;
    return swap(step);
  }
  limit = std::min({limit, state_.replay_from(), state_.active().base});
  if (!worthwhile(step.now, limit)) {
    const uint64_t size = state_.size_bytes();
    return step.tell(engine::Compacted{Status{}, size, size});
  }
  pass_ = std::make_unique<Pass>(
      BatchCleaner(step.now.wall, tombstone_age, state_.compacted_to, seed_));
  pass_->limit = limit;
  pass_->bytes_before = state_.size_bytes();
  for (const Segment& segment : state_.segments) {
    if (segment.next > limit) break;
    if (segment.next > state_.compacted_to) pass_->to_learn.push_back(segment.base);
  }
  std::reverse(pass_->to_learn.begin(), pass_->to_learn.end());
  // A checkpoint that still speaks of an earlier swap would take the new cleaned file for that one.
  checkpointer_.bring_up_to_date(step, [this](Step& later, const Status& status) {
    if (!status) return finish(later, status);
    learn_next(later);
  });
}

bool Compactor::worthwhile(const Now& now, Offset limit) const {
  uint64_t clean = 0;
  uint64_t dirty = 0;
  for (const Segment& segment : state_.segments) {
    if (segment.next > limit) break;
    (segment.next <= state_.compacted_to ? clean : dirty) += segment.size;
  }
  if (next_horizon_ && *next_horizon_ <= now.wall.millis && clean + dirty > 0) return true;
  const auto percent = static_cast<uint64_t>(std::clamp(state_.config.min_dirty_percent, 0, 100));
  return dirty > 0 && dirty * 100 >= (clean + dirty) * percent;
}

void Compactor::stop(Step& step, std::function<void(Step&)> then) {
  if (!is_running()) return then(step);
  when_stopped_.push_back(std::move(then));
}

bool Compactor::is_stopping() const {
  return state_.phase == Phase::kClosing || state_.phase == Phase::kClosed ||
         !when_stopped_.empty();
}

void Compactor::forget(Step& step) {
  next_horizon_.reset();
  if (pass_ == nullptr) return;
  CHECK(!is_running());
  for (const port::FileRef& file : pass_->group->cleaned) remove(step, file);
  checkpointer_.set_swap(std::nullopt);
  pass_.reset();
  reader_.on_swapped(step);
}

void Compactor::ended(Step& step) {
  for (const auto& then : std::exchange(when_stopped_, {})) then(step);
}

void Compactor::learn_next(Step& step) {
  if (is_stopping()) {
    return finish(step, fail(ErrorKind::kUnavailable, "the log was closed or cut meanwhile"));
  }
  while (!pass_->to_learn.empty() && state_.find_segment(pass_->to_learn.back()) == nullptr) {
    pass_->to_learn.pop_back();  // trimmed
  }
  if (pass_->to_learn.empty()) return clean_next_group(step);
  Segment& segment = *state_.find_segment(pass_->to_learn.back());
  pass_->to_learn.pop_back();
  auto visit = [this](Step&, const ScannedBatch& batch) {
    if (batch.header.base_offset < state_.compacted_to) return true;
    const Result<bool> learnt = pass_->cleaner.learn(batch.header, batch.bytes);
    if (!learnt) pass_->status = fail(learnt.error());
    const bool go_on = learnt && *learnt;
    if (!go_on) pass_->to_learn.clear();
    return go_on;
  };
  auto on_end = [this, base = segment.base](Step& later, const ScanEnd& end) {
    if (!is_whole(end)) {
      return finish(later, fail(to_error(end, state_.path_of(base, FileKind::kLog))));
    }
    if (!pass_->status) return finish(later, pass_->status);
    learn_next(later);
  };
  scan_segment(step, state_.disk,
               {.file = state_.log_file(segment),
                .from = 0,
                .to = segment.size,
                .lowest = segment.base,
                .limit = segment.next,
                .ends_at_limit = true,
                .chunk_bytes = kChunkBytes},
               visit, on_end);
}

void Compactor::clean_next_group(Step& step) {
  const auto segment_bytes =
      static_cast<uint64_t>(std::max<int64_t>(state_.config.segment_bytes, 0));
  std::optional<Group> group;
  uint64_t size = 0;
  for (const Segment& segment : state_.segments) {
    if (segment.base < pass_->next_group || segment.size == 0) continue;
    if (segment.next > pass_->limit || segment.base >= pass_->cleaner.range_end()) break;
    if (!group) {
      group.emplace(segment.base);
    } else if (size + segment.size > segment_bytes ||
               segment.next - group->merged.base > INT32_MAX) {
      break;
    }
    group->bases.push_back(segment.base);
    size += segment.size;
  }
  if (!group) {
    state_.compacted_to = std::max(state_.compacted_to, pass_->cleaner.range_end());
    return checkpointer_.request(
        step, [this](Step& later, const Status& status) { finish(later, status); });
  }
  group->bytes_before = size;
  for (size_t i = 0; i < kKinds.size(); ++i) {
    group->cleaned[i] = state_.new_file(group->merged.base, cleaned_form(kKinds[i]));
    group->files[i] = state_.new_file(group->merged.base, kKinds[i]);
  }
  // An earlier pass may have left a file behind that it could not remove.
  const port::FileRef left_over = state_.new_file(group->merged.base, FileKind::kCleanedLog);
  pass_->group = std::move(group);
  step.ask(port::RemoveFile{left_over, then(&Compactor::clean_piece)});
}

// --- one group -----------------------------------------------------------------------------------

bool Compactor::is_intact(const Group& group) const {
  for (const Offset base : group.bases) {
    const Segment* segment = state_.find_segment(base);
    if (segment == nullptr || segment == &state_.active()) return false;
  }
  return true;
}

void Compactor::clean_piece(Step& step) {
  Group& group = *pass_->group;
  if (is_stopping() || !is_intact(group)) {
    return finish(step,
                  fail(ErrorKind::kUnavailable, "the log was closed, cut or trimmed meanwhile"));
  }
  if (group.reading == group.bases.size()) return finish_files(step);
  Segment& segment = *state_.find_segment(group.bases[group.reading]);
  const bool last_segment = group.reading + 1 == group.bases.size();
  auto visit = [this, size = segment.size, last_segment](Step&, const ScannedBatch& batch) {
    if (pass_->group->unwritten_bytes >= kPieceBytes) return false;
    const uint64_t end = batch.position + batch.header.size_bytes();
    return clean_batch(batch, last_segment && end == size);
  };
  auto on_end = [this, base = segment.base](Step& later, const ScanEnd& end) {
    if (!is_whole(end)) {
      return finish(later, fail(to_error(end, state_.path_of(base, FileKind::kLog))));
    }
    if (!pass_->status) return finish(later, pass_->status);
    Group& cleaned = *pass_->group;
    const bool segment_done = end.kind == ScanEnd::Kind::kComplete;
    cleaned.position = segment_done ? 0 : end.position;
    if (segment_done) ++cleaned.reading;
    write_piece(later);
  };
  scan_segment(step, state_.disk,
               {.file = state_.log_file(segment),
                .from = group.position,
                .to = segment.size,
                .lowest = segment.base,
                .limit = segment.next,
                .ends_at_limit = true,
                .chunk_bytes = kChunkBytes},
               visit, on_end);
}

bool Compactor::clean_batch(const ScannedBatch& batch, bool last_of_group) {
  // The last header stays in any case: it says where the segment ends.
  Result<std::optional<Buffer>> rest =
      pass_->cleaner.clean(batch.header, batch.bytes, last_of_group);
  if (!rest) {
    pass_->status = fail(rest.error());
    return false;
  }
  if (!*rest) return true;
  Group& group = *pass_->group;
  extend(group.merged, record::parse_header((*rest)->bytes()), state_.config.index_interval_bytes);
  group.unwritten_bytes += (*rest)->size();
  group.unwritten.push_back(std::move(**rest));
  return true;
}

void Compactor::write_piece(Step& step) {
  Group& group = *pass_->group;
  if (group.unwritten.empty()) return clean_piece(step);
  const uint64_t position = group.merged.size - std::exchange(group.unwritten_bytes, 0);
  step.ask(port::WriteFile{group.cleaned.back(), position, std::exchange(group.unwritten, {}),
                           false, then(&Compactor::clean_piece)});
}

void Compactor::finish_files(Step& step) {
  Group& group = *pass_->group;
  CHECK(group.merged.next == state_.find_segment(group.bases.back())->next);
  if (group.bases.size() == 1 && group.merged.size == group.bytes_before) {
    remove(step, group.cleaned.back());
    pass_->next_group = group.merged.next;
    return clean_next_group(step);
  }
  group.merged.created_millis = state_.find_segment(group.bases.back())->created_millis;
  group.merged.index.seal(group.merged.largest);
  const SegmentIndex::Fresh fresh = group.merged.index.fresh_before(group.merged.size);
  group.merged.index.on_stored(fresh);
  // Written one after the other, so that whatever fails ends the pass once.
  auto write_times = [this, fresh](Step& later, const port::DiskDone& done) {
    if (!done.status) return finish(later, done.status);
    later.ask(port::ReplaceFile{pass_->group->cleaned[1], {fresh.times}, then(&Compactor::swap)});
  };
  auto write_offsets = [this, fresh, write_times](Step& later, const port::DiskDone& done) {
    if (!done.status) return finish(later, done.status);
    later.ask(port::ReplaceFile{
        pass_->group->cleaned[0], {fresh.offsets}, state_.disk.then(write_times)});
  };
  step.ask(port::SyncFile{group.cleaned.back(), state_.disk.then(write_offsets)});
}

// --- putting it in place -------------------------------------------------------------------------

void Compactor::swap(Step& step) {
  Group& group = *pass_->group;
  if (group.renamed == 0 && !is_intact(group)) {
    checkpointer_.set_swap(std::nullopt);
    return finish(step, fail(ErrorKind::kUnavailable, "the log was trimmed meanwhile"));
  }
  for (const Offset base : group.bases) state_.find_segment(base)->swapping = true;
  checkpointer_.set_swap(SegmentRecord{.base = group.merged.base,
                                       .next = group.merged.next,
                                       .size = group.merged.size,
                                       .largest = group.merged.largest,
                                       .created_millis = group.merged.created_millis,
                                       .index = group.merged.index.stored(),
                                       .swapping = true});
  checkpointer_.request(step, [this](Step& later, const Status& status) {
    if (!status) return suspend(later, status.error());
    // Trimmed in the checkpoint before: then this one does not name the swap.
    if (!is_intact(*pass_->group)) return swap(later);
    rename_next(later);
  });
}

void Compactor::rename_next(Step& step) {
  Group& group = *pass_->group;
  if (group.renamed == kKinds.size()) return adopt(step);
  auto on_done = [this](Step& later, const port::DiskDone& done) {
    if (!done.status) return suspend(later, done.status.error());
    ++pass_->group->renamed;
    rename_next(later);
  };
  step.ask(port::RenameFile{group.cleaned[group.renamed], group.files[group.renamed],
                            state_.disk.then(on_done)});
}

// The files are in place; memory follows.
void Compactor::adopt(Step& step) {
  Group& group = *pass_->group;
  for (size_t i = 1; i < group.bases.size(); ++i) {
    for (const FileKind kind : kKinds) remove(step, state_.file_of({group.bases[i], kind}));
    const Segment* merged_away = state_.find_segment(group.bases[i]);
    state_.segments.erase(state_.segments.begin() + (merged_away - state_.segments.data()));
  }
  Segment& segment = *state_.find_segment(group.merged.base);
  segment = std::move(group.merged);
  segment.index_file = group.files[0];
  segment.time_index_file = group.files[1];
  segment.log_file = group.files[2];
  ++state_.layout;
  state_.recent.forget_below(segment.next);
  checkpointer_.set_swap(std::nullopt);
  pass_->next_group = segment.next;
  pass_->group.reset();
  reader_.on_swapped(step);
  clean_next_group(step);
}

// The checkpoint may or may not name the swap already, so the cleaned files must stay.
void Compactor::suspend(Step& step, const Error& error) {
  pass_->suspended = true;
  step.tell(engine::Compacted{fail(error), pass_->bytes_before, state_.size_bytes()});
  ended(step);
}

void Compactor::finish(Step& step, const Status& status) {
  if (pass_->group) {
    for (const Offset base : pass_->group->bases) {
      if (Segment* segment = state_.find_segment(base)) segment->swapping = false;
    }
    for (const port::FileRef& file : pass_->group->cleaned) remove(step, file);
  }
  if (status) next_horizon_ = pass_->cleaner.next_horizon();
  const uint64_t bytes_before = pass_->bytes_before;
  pass_.reset();
  reader_.on_swapped(step);
  step.tell(engine::Compacted{status, bytes_before, state_.size_bytes()});
  ended(step);
}

port::Completion Compactor::then(Next next) {
  return state_.disk.then([this, next](Step& step, const port::DiskDone& done) {
    if (!done.status) return finish(step, done.status);
    (this->*next)(step);
  });
}

// Nothing waits for it: what stays behind is removed when the log is opened.
void Compactor::remove(Step& step, const port::FileRef& file) {
  step.ask(port::RemoveFile{file, state_.disk.then([](Step&, const port::DiskDone&) {})});
}

}  // namespace magpie::log
