#include "log/appender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

namespace magpie::log {

using engine::FsyncPolicy;

namespace {

// The index counts offsets from the segment's base, in 31 bits.
bool fits_index(Offset base, const record::BatchHeader& header) {
  return header.last_offset() - base <= INT32_MAX;
}

}  // namespace

void Appender::resume(const Now& now) {
  const Segment& active = state_.active();
  ++session_;
  end_ = active.next;
  state_.durable_end = end_;
  state_.durable_size = active.size;
  durable_largest_ = active.largest;
  synced_ = {active.base, active.size, end_};
  in_flight_.clear();
  waiting_.clear();
  waiting_bytes_ = 0;
  when_quiet_.clear();
  rolling_ = roll_sync_asked_ = interval_sync_asked_ = false;
  last_sync_ = now.instant;
  const int64_t age = active.created_millis < 0 ? 0 : now.wall.millis - active.created_millis;
  created_ = {now.instant.nanos - Duration::milliseconds(std::max<int64_t>(age, 0)).nanos};
}

// --- appending -----------------------------------------------------------------------------------

void Appender::append(Step& step, engine::Append append) {
  CHECK(append.header.base_offset >= end_ && append.header.size_bytes() == append.batch.size());
  end_ = append.header.next_offset();
  appended_bytes_ += append.batch.size();
  state_.recent.add(append.header, append.batch);
  if (!rolling_ && !must_roll(step, append.header)) {
    write(step, std::move(append));
  } else {
    waiting_bytes_ += append.batch.size();
    waiting_.push_back(std::move(append));
    if (!rolling_) begin_roll(step);
  }
  state_.recent.shrink(state_.active().next);
}

bool Appender::must_roll(Step& step, const record::BatchHeader& header) const {
  const Segment& active = state_.active();
  if (!fits_index(active.base, header)) return true;
  if (active.size == 0) return false;
  const uint64_t size = active.size + header.size_bytes();
  const auto limit = static_cast<uint64_t>(std::max<int64_t>(state_.config.segment_bytes, 1));
  return size > std::min<uint64_t>(limit, INT32_MAX) || step.now.instant >= age_deadline();
}

Instant Appender::age_deadline() const {
  // A segment older than this process was created before the zero of the clock.
  const Duration age = state_.config.segment_age;
  return created_.nanos < 0 ? Instant{created_.nanos + age.nanos} : created_ + age;
}

void Appender::write(Step& step, engine::Append append) {
  Segment& active = state_.active();
  if (active.size == 0) {
    active.created_millis = step.now.wall.millis;
    created_ = step.now.instant;
  }
  const uint64_t position = active.size;
  extend(active, append.header, state_.config.index_interval_bytes);
  const bool sync =
      state_.config.fsync == FsyncPolicy::kAlways && !planted(PlantedBug::kAckBeforeFsync);
  in_flight_.push_back({++last_write_, active.next, active.size, active.largest, sync, false});
  BufferChain bytes;
  bytes.push_back(std::move(append.batch));
  step.ask(port::WriteFile{state_.log_file(active), position, std::move(bytes), sync,
                           state_.disk.append(last_write_)});
}

void Appender::on_append_done(Step& step, const port::DiskDone& done) {
  // Writes that were under way when the log failed are of no interest any more.
  if (in_flight_.empty() || done.then.cookie < in_flight_.front().write) return;
  const size_t index = done.then.cookie - in_flight_.front().write;
  CHECK(index < in_flight_.size());
  if (!done.status && !planted(PlantedBug::kFailedSyncForgotten)) {
    return fail(step, done.status.error());
  }
  in_flight_[index].done = true;
  advance(step);
}

// Reports what has become durable, in order.
void Appender::advance(Step& step) {
  const Offset before = state_.durable_end;
  while (!in_flight_.empty() && in_flight_.front().done) {
    const InFlight& write = in_flight_.front();
    state_.durable_end = write.end;
    state_.durable_size = write.size;
    durable_largest_ = write.largest;
    if (write.synced) synced_ = {state_.active().base, write.size, write.end};
    in_flight_.pop_front();
  }
  if (state_.durable_end > before) step.tell(engine::Durable{state_.durable_end});
  if (rolling_) continue_roll(step);
  run_if_quiet(step);
}

void Appender::run_if_quiet(Step& step) {
  if (!in_flight_.empty() || rolling_) return;
  for (const auto& then : std::exchange(when_quiet_, {})) then(step);
}

void Appender::when_quiet(Step& step, std::function<void(Step&)> then) {
  if (in_flight_.empty() && !rolling_) return then(step);
  when_quiet_.push_back(std::move(then));
}

// --- new segments --------------------------------------------------------------------------------

void Appender::roll(Step& step) {
  if (!rolling_ && state_.active().size > 0) begin_roll(step);
}

void Appender::begin_roll(Step& step) {
  rolling_ = true;
  roll_sync_asked_ = false;
  continue_roll(step);
}

void Appender::continue_roll(Step& step) {
  if (!in_flight_.empty()) return;
  if (synced_.segment == state_.active().base && synced_.size == state_.active().size) {
    return begin_segment(step);
  }
  if (std::exchange(roll_sync_asked_, true)) return;
  sync(step, [this](Step& later, const Status& status) {
    if (status && rolling_) continue_roll(later);
  });
}

void Appender::begin_segment(Step& step) {
  Segment& old = state_.active();
  old.index.seal(old.largest);
  const Offset end = old.next;
  // Where an epoch was opened with loss, offsets may jump further than a segment can hold.
  const bool too_far = !waiting_.empty() && !fits_index(end, waiting_.front().header);
  const Offset base = too_far ? waiting_.front().header.base_offset : end;
  state_.segments.emplace_back(base);
  state_.durable_size = 0;
  durable_largest_ = {};
  synced_ = {base, 0, end};
  rolling_ = false;
  rolled_ = true;
  drain(step);
  run_if_quiet(step);
}

// Writes what waited for the new segment, which may fill it, too.
void Appender::drain(Step& step) {
  while (!waiting_.empty()) {
    if (must_roll(step, waiting_.front().header)) {
      begin_roll(step);
      break;
    }
    waiting_bytes_ -= waiting_.front().batch.size();
    engine::Append append = std::move(waiting_.front());
    waiting_.pop_front();
    write(step, std::move(append));
  }
  if (waiting_.empty()) waiting_.clear();
  state_.recent.shrink(state_.active().next);
}

int64_t Appender::waiting_max_timestamp() const {
  int64_t largest = -1;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    largest = std::max(largest, waiting_[i].header.max_timestamp);
  }
  return largest;
}

// --- syncing -------------------------------------------------------------------------------------

void Appender::sync(Step& step, std::function<void(Step&, const Status&)> then) {
  Segment& active = state_.active();
  const Synced covered{active.base, active.size, active.next};
  if (synced_.segment == covered.segment && synced_.size >= covered.size) {
    return then(step, Status{});
  }
  // A sync that succeeds after one that failed proves nothing; reopening has its own way.
  if (state_.phase == Phase::kFailed || state_.phase == Phase::kReopening) {
    return then(step, magpie::fail(ErrorKind::kUnavailable, "the log has failed"));
  }
  last_sync_ = step.now.instant;
  auto on_done = [this, covered, session = session_, then = std::move(then)](
                     Step& later, const port::DiskDone& done) {
    if (session != session_) {
      return then(later, magpie::fail(ErrorKind::kUnavailable, "the log failed meanwhile"));
    }
    if (!done.status && !planted(PlantedBug::kFailedSyncForgotten)) {
      fail(later, done.status.error());
      return then(later, done.status);
    }
    const bool current = synced_.segment == covered.segment;
    if (current && covered.size > synced_.size) synced_ = covered;
    then(later, Status{});
  };
  step.ask(port::SyncFile{state_.log_file(active), state_.disk.then(std::move(on_done))});
}

void Appender::tick(Step& step) {
  if (state_.phase != Phase::kOpen) return;
  const Segment& active = state_.active();
  if (step.now.instant >= age_deadline()) roll(step);
  if (state_.config.fsync != FsyncPolicy::kInterval || interval_sync_asked_ || rolling_ ||
      synced_.size == active.size || step.now.instant < last_sync_ + state_.config.fsync_interval) {
    return;
  }
  interval_sync_asked_ = true;
  sync(step, [this](Step&, const Status&) { interval_sync_asked_ = false; });
}

Instant Appender::next_deadline() const {
  if (state_.phase != Phase::kOpen || rolling_) return Instant::never();
  const Segment& active = state_.active();
  if (active.size == 0) return Instant::never();
  Instant deadline = age_deadline();
  if (state_.config.fsync == FsyncPolicy::kInterval && !interval_sync_asked_ &&
      synced_.size < active.size) {
    deadline = std::min(deadline, last_sync_ + state_.config.fsync_interval);
  }
  return deadline;
}

// --- failing -------------------------------------------------------------------------------------

void Appender::fail(Step& step, const Error& error) {
  if (state_.phase == Phase::kFailed || state_.phase == Phase::kClosed) return;
  state_.phase = Phase::kFailed;
  ++session_;
  in_flight_.clear();
  waiting_.clear();
  waiting_bytes_ = 0;
  when_quiet_.clear();
  rolling_ = false;
  interval_sync_asked_ = false;
  Segment& active = state_.active();
  active.size = state_.durable_size;
  active.next = state_.durable_end;
  active.largest = durable_largest_;
  active.index.cut(state_.durable_size);
  end_ = state_.durable_end;
  state_.recent.cut(end_);
  ++state_.layout;
  step.tell(engine::Failed{end_, error});
}

void Appender::clear_progress() {
  appended_bytes_ = 0;
  rolled_ = false;
}

}  // namespace magpie::log
