#include "log/segment_log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::log {
namespace {

// A checkpoint is wanted after so many appended bytes: it bounds what a start reads after a crash.
constexpr uint64_t kCheckpointEveryBytes = 64ull * 1024 * 1024;
// A start that had to read this much wants one, too.
constexpr uint64_t kScannedBytesMax = 1024 * 1024;

}  // namespace

SegmentLog::SegmentLog(std::string folder, uint32_t owner, FileIds& file_ids,
                       RecentPool& recent_pool, const engine::EngineConfig& config,
                       const HashSeed& seed)
    : state_(std::move(folder), owner, file_ids, recent_pool, config),
      appender_(state_),
      checkpointer_(state_, appender_),
      indexes_(state_),
      cold_reader_(state_, indexes_),
      search_(state_, indexes_),
      tail_cutter_(state_, appender_, checkpointer_),
      compactor_(state_, checkpointer_, cold_reader_, seed) {}

// --- opening and closing -------------------------------------------------------------------------

void SegmentLog::open(const Now& now, engine::OpenMode mode, engine::Output& out) {
  CHECK(state_.phase == Phase::kNew);
  state_.phase = Phase::kOpening;
  Step step{now, out};
  opening_ = std::make_unique<Opening>(state_);
  opening_->start(step, mode, [this](Step& later, Result<OpenedFiles> opened) {
    on_opened(later, std::move(opened));
  });
}

void SegmentLog::on_opened(Step& step, Result<OpenedFiles> opened) {
  if (!opened) {
    state_.phase = Phase::kClosed;
    return step.tell(engine::OpenFailed{std::move(opened.error())});
  }
  appender_.resume(step.now);
  if (!opened->must_checkpoint) {
    if (opened->scanned_bytes == 0 && opened->torn_bytes == 0) checkpointer_.assume_up_to_date();
    return finish_opening(step, *opened);
  }
  checkpointer_.request(step, [this, files = *opened](Step& later, const Status& status) {
    if (status) return finish_opening(later, files);
    state_.phase = Phase::kClosed;
    later.tell(engine::OpenFailed{status.error()});
  });
}

void SegmentLog::finish_opening(Step& step, const OpenedFiles& opened) {
  state_.phase = Phase::kOpen;
  if (opened.scanned_bytes >= kScannedBytesMax) appender_.set_appended_bytes(kCheckpointEveryBytes);
  step.tell(engine::Opened{state_.start, appender_.end(), opened.torn_bytes});
}

void SegmentLog::reopen(const Now& now, engine::Output& out) {
  Step step{now, out};
  tail_cutter_.reopen(step);
}

void SegmentLog::close(const Now& now, engine::Output& out) {
  CHECK(!closing_ && state_.phase != Phase::kNew && state_.phase != Phase::kOpening);
  Step step{now, out};
  closing_ = true;
  if (state_.phase != Phase::kOpen) {
    return finish_close(step, fail(ErrorKind::kUnavailable, "closed while not writable"));
  }
  state_.phase = Phase::kClosing;
  appender_.when_quiet(step, [this](Step& quiet) {
    appender_.sync(quiet, [this](Step& synced, const Status& status) {
      if (!status) return finish_close(synced, status);
      checkpointer_.bring_up_to_date(
          synced, [this](Step& later, const Status& written) { finish_close(later, written); });
    });
  });
}

void SegmentLog::finish_close(Step& step, const Status& status) {
  if (state_.phase == Phase::kClosed) return;
  state_.phase = Phase::kClosed;
  step.tell(engine::Closed{status});
}

// --- appending -----------------------------------------------------------------------------------

void SegmentLog::append(const Now& now, engine::Append append, engine::Output& out) {
  CHECK(state_.phase == Phase::kOpen);
  Step step{now, out};
  appender_.append(step, std::move(append));
}

void SegmentLog::save_checkpoint(const Now& now, Offset at, Buffer state, engine::Output& out) {
  if (state_.phase != Phase::kOpen) return;
  Step step{now, out};
  appender_.clear_progress();
  checkpointer_.save(step, at, std::move(state));
}

bool SegmentLog::wants_checkpoint() const {
  return state_.phase == Phase::kOpen && (appender_.appended_bytes() >= kCheckpointEveryBytes ||
                                          appender_.rolled() || checkpointer_.wants_save());
}

// --- reading -------------------------------------------------------------------------------------

bool SegmentLog::is_readable() const {
  return state_.phase != Phase::kNew && state_.phase != Phase::kOpening &&
         state_.phase != Phase::kClosed;
}

std::optional<BufferChain> SegmentLog::read(const Now& now, const engine::Read& read,
                                            engine::Output& out) {
  CHECK(is_readable());
  if (read.from >= std::min(read.limit, appender_.end())) return BufferChain{};
  if (std::optional<BufferChain> recent = state_.recent.find(read)) return recent;
  Step step{now, out};
  cold_reader_.read(step, read);
  return std::nullopt;
}

void SegmentLog::find_timestamp(const Now& now, uint64_t ticket, int64_t timestamp, Offset limit,
                                engine::Output& out) {
  CHECK(is_readable());
  Step step{now, out};
  search_.find_first(step, ticket, timestamp, limit);
}

void SegmentLog::find_max_timestamp(const Now& now, uint64_t ticket, Offset limit,
                                    engine::Output& out) {
  CHECK(is_readable());
  Step step{now, out};
  search_.find_largest(step, ticket, limit);
}

// --- cutting, trimming, compacting ---------------------------------------------------------------

// A compaction puts files in place that a cut may take away, so it ends first. If the log fails
// meanwhile, that is the answer.
void SegmentLog::cut(const Now& now, Offset end, engine::Output& out) {
  CHECK(state_.phase == Phase::kOpen);
  Step step{now, out};
  compactor_.stop(step, [this, end](Step& later) {
    if (state_.phase == Phase::kOpen) tail_cutter_.cut(later, end);
  });
}

void SegmentLog::begin_anew(const Now& now, Offset at, engine::Output& out) {
  CHECK(state_.phase == Phase::kOpen);
  Step step{now, out};
  compactor_.stop(step, [this, at](Step& later) {
    if (state_.phase == Phase::kOpen) {
      tail_cutter_.begin_anew(later, at, [this](Step& last) { compactor_.forget(last); });
    }
  });
}

void SegmentLog::trim(const Now& now, Offset start, engine::Output& out) {
  CHECK(is_readable() && start <= appender_.end());
  Step step{now, out};
  if (start <= state_.start) return step.tell(engine::Trimmed{state_.start});
  // When everything goes, the active segment should, too.
  if (state_.phase == Phase::kOpen && start == appender_.end()) appender_.roll(step);
  checkpointer_.move_start(step, start,
                           [](Step& later, Offset moved) { later.tell(engine::Trimmed{moved}); });
}

Offset SegmentLog::retained_start(const Now& now, const engine::Retention& retention,
                                  Offset limit) const {
  uint64_t size = state_.size_bytes();
  Offset start = state_.start;
  for (const Segment& segment : state_.segments) {
    if (segment.size == 0 || segment.next > std::min(limit, state_.durable_end)) break;
    // Records without a timestamp age from the day their segment was begun.
    const int64_t newest =
        segment.largest.timestamp >= 0 ? segment.largest.timestamp : segment.created_millis;
    const bool too_old =
        retention.max_age && now.wall.millis - newest > retention.max_age->to_milliseconds();
    const bool too_much = retention.max_bytes && *retention.max_bytes >= 0 &&
                          size - segment.size >= static_cast<uint64_t>(*retention.max_bytes);
    if (!too_old && !too_much) break;
    size -= segment.size;
    start = std::max(start, segment.next);
  }
  return start;
}

void SegmentLog::expect_gaps(const Now& now, engine::Output& out) {
  state_.may_have_gaps = true;
  if (state_.gaps_are_noted || state_.phase != Phase::kOpen) return;
  Step step{now, out};
  checkpointer_.request(step, nullptr);
}

void SegmentLog::compact(const Now& now, Offset limit, Duration tombstone_age,
                         engine::Output& out) {
  Step step{now, out};
  if (state_.phase != Phase::kOpen) {
    return step.tell(engine::Compacted{fail(ErrorKind::kUnavailable, "the log is not writable")});
  }
  // The checkpoint that names the first swap says so.
  state_.may_have_gaps = true;
  compactor_.start(step, std::min(limit, state_.durable_end), tombstone_age);
}

// --- the world -----------------------------------------------------------------------------------

void SegmentLog::step(const Now& now, const port::DiskDone& done, engine::Output& out) {
  Step step{now, out};
  if (DiskCalls::is_append(done.then)) {
    appender_.on_append_done(step, done);
  } else {
    state_.disk.resume(step, done);
  }
  if (state_.phase != Phase::kOpening) opening_.reset();
  if (closing_ && state_.phase == Phase::kFailed) {
    finish_close(step, fail(ErrorKind::kIo, "the last writes failed"));
  }
}

void SegmentLog::tick(const Now& now, engine::Output& out) {
  Step step{now, out};
  appender_.tick(step);
}

void SegmentLog::configure(const engine::EngineConfig& config) {
  state_.config = config;
  state_.recent.set_limit(config.recent_bytes);
  if (!state_.segments.empty()) state_.recent.shrink(state_.active().next);
}

uint64_t SegmentLog::size_bytes() const {
  return state_.size_bytes() + appender_.waiting_bytes();
}

int64_t SegmentLog::max_timestamp() const {
  return std::max(state_.largest().timestamp, appender_.waiting_max_timestamp());
}

}  // namespace magpie::log
