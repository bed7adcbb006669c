#include "log/random_life.h"

#include <fmt/format.h>

#include <algorithm>

#include "record/builder.h"

namespace magpie::log {

using engine::FsyncPolicy;

namespace {

std::string why(const Status& status) {
  return status ? "" : status.error().message;
}

}  // namespace

RandomLife::RandomLife(uint64_t seed) : random_(seed), harness_(random_.next()) {
  engine::EngineConfig& config = harness_.config;
  config.segment_bytes = random_.between(600, 8'000);
  config.index_interval_bytes = static_cast<int32_t>(random_.between(0, 900));
  config.recent_bytes = random_.chance(1, 2) ? 0 : random_.below(6'000);
  config.segment_age = Duration::seconds(random_.between(5, 600));
  config.fsync = random_.chance(2, 3)   ? FsyncPolicy::kAlways
                 : random_.chance(1, 2) ? FsyncPolicy::kInterval
                                        : FsyncPolicy::kNever;
  config.may_have_gaps = random_.chance(1, 3);
  boot();
  engine::Output out = harness_.out();
  harness_.engine().open(harness_.now, engine::OpenMode::kCreate, out);
  harness_.settle();
  drain_events();
}

std::string RandomLife::live(int actions) {
  for (int i = 0; i < actions && broken_.empty(); ++i) {
    act();
    drain_events();
  }
  if (!broken_.empty()) return broken_;
  heal_disk();
  crash();
  if (broken_.empty()) check_all_readable();
  return broken_;
}

void RandomLife::expect(bool holds, const std::string& rule) {
  if (!holds && broken_.empty()) broken_ = rule;
}

void RandomLife::act() {
  harness_.now.instant.nanos += static_cast<int64_t>(random_.below(2'000'000'000));
  harness_.now.wall.millis += static_cast<int64_t>(random_.below(2'000));
  const uint64_t dice = random_.below(100);
  if (dice < 35) {
    append();
  } else if (dice < 65) {
    run(random_.below(6));
  } else if (dice < 80) {
    read();
  } else if (dice < 83) {
    search();
  } else if (dice < 86) {
    save_checkpoint();
  } else if (dice < 88) {
    trim();
  } else if (dice < 89) {
    random_.chance(1, 3) ? begin_anew() : cut();
  } else if (dice < 91) {
    disk_broken_ ? heal_disk() : break_disk();
  } else if (dice < 94) {
    finish_reopening();
  } else if (dice < 96) {
    crash();
  } else if (dice < 97) {
    close();
  } else if (harness_.engine().next_deadline() <= harness_.now.instant) {
    engine::Output out = harness_.out();
    harness_.engine().tick(harness_.now, out);
  }
}

void RandomLife::run(uint64_t steps) {
  for (uint64_t i = 0; i < steps && harness_.step(); ++i) drain_events();
}

void RandomLife::forget_from(Offset end) {
  while (!batches_.empty() && batches_.back().header.base_offset >= end) batches_.pop_back();
  end_ = end;
  start_ = std::min(start_, end);  // it lay in a gap
  ++generation_;
}

// The first batch at or above `offset`.
const RandomLife::Batch* RandomLife::first_from(Offset offset) const {
  const auto found =
      std::partition_point(batches_.begin(), batches_.end(),
                           [&](const Batch& batch) { return batch.header.base_offset < offset; });
  return found == batches_.end() ? nullptr : &*found;
}

void RandomLife::forget_all() {
  batches_.clear();
  ghosts_.clear();
  saved_.clear();
  end_ = durable_ = start_ = asked_start_ = anew_at_;
  ++generation_;
}

// The engine's log was begun anew, as far as it is known.
bool RandomLife::is_anew() {
  return before_ && harness_.segment_log().start() == anew_at_ &&
         harness_.segment_log().end() == anew_at_;
}

// --- actions -------------------------------------------------------------------------------------

void RandomLife::append() {
  if (!open_) return;
  record::BatchBuilder builder(static_cast<record::Codec>(random_.below(5)));
  const uint64_t records = 1 + random_.below(4);
  for (uint64_t i = 0; i < records; ++i) {
    std::string value(random_.below(random_.chance(1, 20) ? 5'000 : 200), '\0');
    for (char& c : value) c = static_cast<char>(1 + random_.below(255));
    builder.add({.timestamp = 1'000 + static_cast<int64_t>(random_.below(5'000)), .value = value});
  }
  Buffer batch = builder.build();
  expect(harness_.engine().end() == end_, "the engine's end is not that of the last batch");
  const bool leaves_gap = harness_.engine().expects_gaps() && random_.chance(1, 3);
  const Offset base = end_ + (leaves_gap ? random_.between(1, 4) : 0);
  record::stamp(batch.mutable_bytes(), base, {1});
  const record::BatchHeader header = record::parse_header(batch.bytes());
  end_ = header.next_offset();
  batches_.push_back({header, std::string(batch.text())});
  engine::Output out = harness_.out();
  harness_.engine().append(harness_.now, {std::move(batch), header}, out);
  if (harness_.engine().wants_checkpoint() && random_.chance(3, 4)) save_checkpoint();
}

void RandomLife::read() {
  if (!open_ && !failed_) return;
  const Offset first = harness_.engine().start();
  if (durable_ < first) return;
  engine::Read read{.ticket = ++next_ticket_, .from = {}, .limit = durable_};
  read.from = {random_.between(first.value, durable_.value)};
  if (random_.chance(1, 4)) read.limit = {random_.between(read.from.value, durable_.value)};
  read.max_bytes = random_.below(random_.chance(1, 2) ? 400 : 20'000);
  read.at_least_one = random_.chance(2, 3);
  engine::Output out = harness_.out();
  const auto chain = harness_.engine().read(harness_.now, read, out);
  if (chain) return check_chain(read, *chain);
  reads_[read.ticket] = {read, generation_};
}

// A chain must be a first part of what was asked for, and not empty if there was something.
void RandomLife::check_chain(const engine::Read& read, const BufferChain& chain) {
  size_t taken = 0;
  uint64_t bytes = 0;
  for (const Batch& batch : batches_) {
    if (batch.header.next_offset() <= read.from) continue;
    if (batch.header.next_offset() > read.limit) break;
    bytes += batch.bytes.size();
    if (bytes > read.max_bytes && !(taken == 0 && read.at_least_one)) break;
    if (taken == chain.size()) {
      expect(taken > 0, "a read brought nothing although there is something");
      return;
    }
    expect(chain[taken].text() == batch.bytes, "a read brought other bytes than were appended");
    ++taken;
  }
  expect(taken == chain.size(), "a read brought more than was asked for");
}

void RandomLife::search() {
  if ((!open_ && !failed_) || durable_ < harness_.engine().start()) return;
  const int64_t wanted = 900 + static_cast<int64_t>(random_.below(5'500));
  searches_[++next_ticket_] = {wanted, durable_};
  engine::Output out = harness_.out();
  harness_.engine().find_timestamp(harness_.now, next_ticket_, wanted, durable_, out);
}

void RandomLife::save_checkpoint() {
  if (!open_) return;
  const Offset at = harness_.engine().end();
  saved_[at.value] = "state at " + std::to_string(at.value);
  engine::Output out = harness_.out();
  harness_.engine().save_checkpoint(harness_.now, at, Buffer::copy_of(saved_[at.value]), out);
}

void RandomLife::trim() {
  if ((!open_ && !failed_) || trimming_ || durable_ < harness_.engine().start()) return;
  trimming_ = true;
  asked_start_ = std::max(asked_start_, {random_.between(start_.value, durable_.value)});
  engine::Output out = harness_.out();
  harness_.engine().trim(harness_.now, asked_start_, out);
}

void RandomLife::cut() {
  if (!open_ || trimming_) return;
  std::vector<Offset> borders = {end_};
  for (const Batch& batch : batches_) {
    if (batch.header.base_offset >= start_) borders.push_back(batch.header.base_offset);
  }
  cut_to_ = borders[random_.below(borders.size())];
  cutting_ = true;
  open_ = false;
  ++generation_;
  engine::Output out = harness_.out();
  harness_.engine().cut(harness_.now, cut_to_, out);
}

void RandomLife::begin_anew() {
  if (!open_ || trimming_ || !ghosts_.empty()) return;
  before_ = Before{batches_, end_, durable_, start_, saved_};
  anew_at_ = {random_.between(0, end_.value + 50)};
  cutting_ = true;
  open_ = false;
  // They may fail.
  for (const auto& [ticket, read] : reads_) given_up_.insert(ticket);
  for (const auto& [ticket, search] : searches_) given_up_.insert(ticket);
  reads_.clear();
  searches_.clear();
  engine::Output out = harness_.out();
  harness_.engine().begin_anew(harness_.now, anew_at_, out);
}

void RandomLife::break_disk() {
  disk_broken_ = true;
  if (random_.chance(1, 2)) {
    harness_.disk().set_write_error(Error{ErrorKind::kNoSpace, "disk full"});
  } else {
    harness_.disk().set_sync_error(Error{ErrorKind::kIo, "sync failed"});
  }
}

void RandomLife::heal_disk() {
  disk_broken_ = false;
  harness_.disk().set_write_error(std::nullopt);
  harness_.disk().set_sync_error(std::nullopt);
}

void RandomLife::finish_reopening() {
  if (!failed_) return;
  failed_ = false;
  engine::Output out = harness_.out();
  harness_.engine().reopen(harness_.now, out);
  if (random_.chance(1, 2)) run(1'000);
}

void RandomLife::close() {
  if (!open_) return;
  if (random_.chance(1, 2)) save_checkpoint();
  open_ = closed_ = false;
  engine::Output out = harness_.out();
  harness_.engine().close(harness_.now, out);
  harness_.settle();
  drain_events();
  expect(closed_, "close() did not end");
  expect(reads_.empty() && searches_.empty(), "a ticket was not answered");
  heal_disk();
  boot();
  engine::Output again = harness_.out();
  harness_.engine().open(harness_.now, engine::OpenMode::kExisting, again);
  harness_.settle();
  drain_events();
  expect(open_, "a closed log did not open");
}

void RandomLife::crash() {
  ++crashes_;
  const Crash mode = random_.chance(1, 2)   ? Crash::kTear
                     : random_.chance(1, 2) ? Crash::kLoseAll
                                            : Crash::kProcess;
  power_lost_ |= mode != Crash::kProcess;
  heal_disk();
  harness_.crash(mode);
  harness_.events.clear();
  boot();
  engine::Output out = harness_.out();
  harness_.engine().open(harness_.now, engine::OpenMode::kExisting, out);
  // Sometimes it crashes again while it recovers.
  if (random_.chance(1, 5)) {
    run(random_.below(12));
    if (!open_) return crash();
  }
  harness_.settle();
  drain_events();
  expect(open_, "the log did not open after a crash");
  if (broken_.empty() && random_.chance(1, 3)) check_all_readable();
}

void RandomLife::boot() {
  reads_.clear();
  searches_.clear();
  open_ = failed_ = cutting_ = trimming_ = false;
  batches_.insert(batches_.end(), ghosts_.begin(), ghosts_.end());
  if (!ghosts_.empty()) end_ = batches_.back().header.next_offset();
  ghosts_.clear();
  if (before_) {
    batches_ = before_->batches;
    saved_ = before_->saved;
    end_ = before_->end;
    durable_ = before_->durable;
    start_ = asked_start_ = before_->start;
  }
  harness_.boot();
}

void RandomLife::check_all_readable() {
  Offset from = start_;
  while (from < durable_ && broken_.empty()) {
    const engine::Read read{++next_ticket_, from, durable_, 3'000, true};
    engine::Output out = harness_.out();
    auto chain = harness_.engine().read(harness_.now, read, out);
    if (!chain) {
      harness_.settle();
      const auto done = harness_.take<engine::ReadDone>();
      expect(done && done->status,
             "a read of durable batches failed: " + (done ? why(done->status) : "no answer"));
      if (!broken_.empty()) return;
      chain = done->batches;
    }
    check_chain(read, *chain);
    if (!broken_.empty() || chain->empty()) return;
    from = record::parse_header(chain->back().bytes()).next_offset();
  }
}

// --- events --------------------------------------------------------------------------------------

void RandomLife::drain_events() {
  for (const engine::Event& event : std::exchange(harness_.events, {})) {
    std::visit([this](const auto& concrete) { on(concrete); }, event);
  }
}

void RandomLife::on(const engine::Durable& event) {
  expect(event.end > durable_ && event.end <= end_, "Durable went back or too far");
  durable_ = event.end;
}

void RandomLife::on(const engine::Failed& event) {
  ++failures_;
  if (is_anew()) {
    forget_all();
  } else {
    before_.reset();
  }
  const Batch* const first_dropped = first_from(event.end);
  expect(first_dropped == nullptr || first_dropped->header.base_offset >=
                                         (cutting_ ? std::min(cut_to_, durable_) : durable_),
         "Failed dropped durable batches");
  open_ = cutting_ = false;
  failed_ = true;
  const auto dropped = std::partition_point(
      batches_.begin(), batches_.end(),
      [&](const Batch& batch) { return batch.header.base_offset < event.end; });
  ghosts_.insert(ghosts_.begin(), dropped, batches_.end());
  forget_from(event.end);
  durable_ = event.end;
}

void RandomLife::on(const engine::ReadDone& event) {
  const auto found = reads_.find(event.ticket);
  if (found == reads_.end()) {
    return expect(given_up_.erase(event.ticket) > 0, "a read was answered twice");
  }
  const PendingRead pending = found->second;
  reads_.erase(found);
  if (pending.read.from < start_) return;
  expect(event.status.has_value(), "a read failed: " + why(event.status));
  if (event.status && pending.generation == generation_) check_chain(pending.read, event.batches);
}

void RandomLife::on(const engine::TimestampFound& event) {
  const auto found = searches_.find(event.ticket);
  if (found == searches_.end()) {
    return expect(given_up_.erase(event.ticket) > 0, "a search was answered twice");
  }
  const auto [wanted, limit] = found->second;
  searches_.erase(found);
  expect(event.status.has_value(), "a search failed: " + why(event.status));
  if (!event.offset) return;
  expect(event.timestamp >= wanted, "a search found something else");
}

void RandomLife::on(const engine::Trimmed& event) {
  expect(event.start >= start_ && event.start <= asked_start_, "Trimmed says something else");
  start_ = event.start;
  asked_start_ = event.start;
  trimming_ = false;
}

void RandomLife::on(const engine::CutDone& event) {
  expect(cutting_ && event.end == (before_ ? anew_at_ : cut_to_), "CutDone says something else");
  if (std::exchange(before_, std::nullopt)) forget_all();
  cutting_ = false;
  open_ = true;
  cut_to_ = {INT64_MAX};
  forget_from(event.end);
  durable_ = event.end;
  std::erase_if(saved_, [&](const auto& saved) { return saved.first > event.end.value; });
}

void RandomLife::on(const engine::ReplayBegan& event) {
  if (!event.checkpoint.empty()) {
    const auto found = saved_.find(event.at.value);
    expect(found != saved_.end() && found->second == event.checkpoint.text(),
           "replay began with a state that was not saved");
  }
  replay_next_ = event.at;
}

void RandomLife::on(const engine::Replayed& event) {
  for (const record::BatchHeader& header : event.headers) {
    const Batch* const batch = first_from(replay_next_);
    expect(batch != nullptr && batch->header == header, "replay told another header");
    replay_next_ = header.next_offset();
  }
}

void RandomLife::on(const engine::Opened& event) {
  torn_bytes_ += event.torn_bytes;
  if (is_anew()) forget_all();
  before_.reset();
  const bool may_lose = power_lost_ && harness_.config.fsync != FsyncPolicy::kAlways;
  const Offset least = std::min(cut_to_, durable_);
  const Batch* const first_gone = first_from(event.end);
  expect(first_gone == nullptr || first_gone->header.base_offset >= least || may_lose,
         fmt::format("a durable batch is gone: the log ends at {}, durable was {}", event.end.value,
                     least.value));
  expect(event.end <= end_, "the log holds more than was appended");
  // After a cut into a gap that was interrupted the log may end, and so start, before that gap.
  const Batch* const first = first_from(event.start);
  const bool same_start =
      harness_.config.may_have_gaps && (first == nullptr || first->header.base_offset >= start_);
  expect(event.start >= start_ || same_start || may_lose, "the log start went back");
  expect(event.start <= std::max(asked_start_, start_), "the log start went too far");
  const Batch* const next = first_from(replay_next_);
  expect(next == nullptr || next->header.base_offset >= event.end, "replay ended before the end");
  forget_from(event.end);
  ghosts_.clear();
  durable_ = event.end;
  start_ = asked_start_ = event.start;
  cut_to_ = {INT64_MAX};
  open_ = true;
  failed_ = cutting_ = power_lost_ = false;
  std::erase_if(saved_, [&](const auto& saved) { return saved.first > event.end.value; });
}

void RandomLife::on(const engine::OpenFailed& event) {
  expect(false, "OpenFailed: " + event.error.message);
}

}  // namespace magpie::log
