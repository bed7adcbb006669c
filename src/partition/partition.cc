#include "partition/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "partition/admission.h"

namespace magpie::partition {
namespace {

constexpr int16_t kStateVersion = 3;
constexpr int16_t kStateWithoutLoss = 2;  // read, but not written any more
// After a failed write: how long until the disk is tried again.
constexpr Duration kReopenDelay = Duration::milliseconds(1'000);

}  // namespace

Partition::Partition(std::string label, PartitionConfig config,
                     std::unique_ptr<engine::Engine> engine, CompactionSlot& slot)
    : label_(std::move(label)),
      config_(std::move(config)),
      engine_(std::move(engine)),
      producers_(config_.producers_max),
      jumps_(config_.producers_max),
      compaction_slot_(slot) {}

Partition::~Partition() {
  end_compaction();
}

void Partition::configure(const Now& now, PartitionConfig config) {
  config_ = std::move(config);
  if (state_ == PartitionState::kOnline) schedule_upkeep(now);
}

// A topic that was just told to compact, or to keep less, need not wait for a whole interval.
void Partition::schedule_upkeep(const Now& now) {
  next_upkeep_ = now.instant + config_.upkeep_interval;
  next_compaction_ = config_.compact ? now.instant + config_.compaction_interval : Instant::never();
}

bool Partition::is_readable() const {
  return state_ == PartitionState::kOnline || state_ == PartitionState::kReadOnly;
}

void Partition::open(const Now& now, engine::OpenMode mode, LeaderEpoch epoch, Output& out) {
  CHECK(state_ == PartitionState::kNew);
  state_ = PartitionState::kOpening;
  if (epoch != kNoLeaderEpoch) {
    role_ = Role::kLeader;
    epoch_ = epoch;
    commitment_.require({});
  }
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->open(now, mode, engine_out);
  drain(now, events, out);
}

// --- appending ----------------------------------------------------------------------------------

void Partition::append(const Now& now, uint64_t ticket, Buffer batch, Output& out) {
  append_checked(now, ticket, std::move(batch), false, out);
}

void Partition::append_internal(const Now& now, uint64_t ticket, Buffer batch, Output& out) {
  append_checked(now, ticket, std::move(batch), true, out);
}

std::optional<Settled> Partition::refuse(const Now& now, uint64_t ticket, const Buffer& batch,
                                         bool internal) const {
  if (state_ == PartitionState::kReadOnly)
    return Settled{.ticket = ticket, .refusal = Refusal::kStorage};
  if (!is_writable()) return Settled{.ticket = ticket, .refusal = Refusal::kNotOpen};
  if (role_ != Role::kLeader || spent_)
    return Settled{.ticket = ticket, .refusal = Refusal::kNotLeader};
  if (held_) return Settled{.ticket = ticket, .refusal = Refusal::kBlocked};
  if (internal) return std::nullopt;
  return check_admission(config_, now.wall, ticket, batch);
}

void Partition::append_checked(const Now& now, uint64_t ticket, Buffer batch, bool internal,
                               Output& out) {
  if (auto refused = refuse(now, ticket, batch, internal)) {
    out.events.emplace_back(std::move(*refused));
    return;
  }
  record::BatchHeader header = record::parse_header(batch.bytes());
  if (header.producer_id != kNoProducerId && settle_known(now, ticket, header, out)) return;

  header.base_offset = next_offset();
  const bool reserved = header.next_offset() <= ceiling_ || planted(PlantedBug::kCeilingIgnored);
  if (blocked_ || !reserved) {
    out.events.emplace_back(Settled{.ticket = ticket, .refusal = Refusal::kBlocked});
    return;
  }
  header.leader_epoch = epoch_;
  record::stamp(batch.mutable_bytes(), header.base_offset, epoch_);
  int64_t append_time = -1;
  if (config_.log_append_time && !internal) {
    append_time = now.wall.millis;
    record::stamp_append_time(batch.mutable_bytes(), append_time);
    header = record::parse_header(batch.bytes());
  }
  // Offsets left out at the epoch's begin belong to nobody: the epoch before ended where the log
  // did.
  epochs_.assign(epoch_, engine_->end());
  given_out_ = header.next_offset();
  producers_.apply(header, now.instant);
  wait_for({ticket, header.next_offset(), header.base_offset, append_time});

  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->append(now, engine::Append{std::move(batch), header}, engine_out);
  if (engine_->wants_checkpoint()) save_checkpoint(now, engine_out);
  drain(now, events, out);
  if (replicated_) out.events.emplace_back(LogMoved{});
  if (planted(PlantedBug::kAckBeforeFsync)) advance(engine_->end(), out);
}

// True if the batch is not to be appended: a duplicate (settled now, or with its original) or a
// break in the producer's sequence (refused, or asked for once more).
bool Partition::settle_known(const Now& now, uint64_t ticket, const record::BatchHeader& header,
                             Output& out) {
  const ProducerTable::Answer answer = producers_.check(header);
  Settled settled{.ticket = ticket};
  switch (answer.verdict) {
    case SequenceVerdict::kNew:
      return false;
    case SequenceVerdict::kJump:
      if (jumps_.repeats(now.instant, header.producer_id, header.producer_epoch,
                         header.base_sequence)) {
        return false;
      }
      settled.refusal = Refusal::kBlocked;
      break;
    case SequenceVerdict::kDuplicate: {
      const int64_t append_time = config_.log_append_time ? answer.original.max_timestamp : -1;
      Offset needs = answer.original.last_offset + 1;
      if (planted(PlantedBug::kDedupeIgnoresInFlight)) needs = high_watermark_;
      wait_for({ticket, needs, answer.original.base_offset, append_time});
      release(out);
      return true;
    }
    case SequenceVerdict::kOldDuplicate:
      // Clients take this for an acknowledgement without an offset, so it waits for one's reasons.
      wait_for(
          {ticket, answer.original.last_offset + 1, Offset{-1}, -1, Refusal::kDuplicateSequence});
      release(out);
      return true;
    case SequenceVerdict::kOutOfOrder:
      if (planted(PlantedBug::kAnyJumpTaken)) return false;
      settled.refusal = is_certain(now, header) ? Refusal::kOutOfOrderSequence : Refusal::kBlocked;
      break;
    case SequenceVerdict::kFenced:
      settled.refusal = Refusal::kProducerFenced;
      break;
    case SequenceVerdict::kUnknownProducer:
      settled.refusal = is_certain(now, header) ? Refusal::kUnknownProducer : Refusal::kBlocked;
      break;
  }
  out.events.emplace_back(std::move(settled));
  return true;
}

// That a sequence is broken: alone this copy knows all of it; members may know another leader, and
// until the epoch is open it is not known who they are.
bool Partition::is_certain(const Now& now, const record::BatchHeader& header) {
  if (!blocked_ && commitment_.is_open() && !commitment_.requires_members()) return true;
  return jumps_.repeats(now.instant, header.producer_id, header.producer_epoch,
                        header.base_sequence, config_.break_patience);
}

void Partition::wait_for(Waiting waiting) {
  // A retry waits for its original, which may lie before newer appends.
  auto place = waiting_.end();
  while (place != waiting_.begin() && std::prev(place)->needs > waiting.needs) --place;
  waiting_.insert(place, waiting);
}

void Partition::release(Output& out) {
  while (!waiting_.empty() && waiting_.front().needs <= high_watermark_) {
    const Waiting& done = waiting_.front();
    out.events.emplace_back(Settled{.ticket = done.ticket,
                                    .refusal = done.refusal,
                                    .base_offset = done.base_offset,
                                    .log_append_time = done.log_append_time});
    waiting_.pop_front();
  }
}

void Partition::advance(Offset end, Output& out) {
  if (end <= high_watermark_) return;
  high_watermark_ = end;
  release(out);
  out.events.emplace_back(HighWatermarkMoved{high_watermark_});
}

void Partition::refuse_waiting(Refusal refusal, Output& out) {
  for (const Waiting& lost : waiting_) {
    out.events.emplace_back(Settled{.ticket = lost.ticket, .refusal = refusal});
  }
  waiting_.clear();
}

// --- reading ------------------------------------------------------------------------------------

std::optional<BufferChain> Partition::read(const Now& now, uint64_t ticket, Offset from,
                                           uint64_t max_bytes, bool at_least_one, Output& out) {
  CHECK(is_readable() && log_start() <= from && from <= high_watermark_);
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  const bool all = planted(PlantedBug::kHighWatermarkAhead) ||
                   (planted(PlantedBug::kCopyShowsAll) && role_ == Role::kFollower);
  const Offset limit = all ? engine_->end() : high_watermark_;
  const engine::Read read{ticket, from, limit, max_bytes, at_least_one};
  std::optional<BufferChain> batches = engine_->read(now, read, engine_out);
  drain(now, events, out);
  return batches;
}

void Partition::find_timestamp(const Now& now, uint64_t ticket, int64_t timestamp, Output& out) {
  CHECK(is_readable());
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->find_timestamp(now, ticket, timestamp, high_watermark_, engine_out);
  drain(now, events, out);
}

void Partition::find_max_timestamp(const Now& now, uint64_t ticket, Output& out) {
  CHECK(is_readable());
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->find_max_timestamp(now, ticket, high_watermark_, engine_out);
  drain(now, events, out);
}

EpochCache::EpochEnd Partition::epoch_end(LeaderEpoch asked) const {
  return epochs_.end_of(asked, epoch_, engine_->end());
}

void Partition::trim(const Now& now, Offset start, Output& out) {
  CHECK(is_readable() && start <= high_watermark_);
  // What is being cut may lie below.
  if (cutting_) {
    out.events.emplace_back(Trimmed{start, log_start()});
    return;
  }
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  trims_.push_back(start);
  engine_->trim(now, start, engine_out);
  drain(now, events, out);
}

// --- upkeep -------------------------------------------------------------------------------------

void Partition::tick(const Now& now, Output& out) {
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  if (engine_->next_deadline() <= now.instant) engine_->tick(now, engine_out);
  if (state_ == PartitionState::kReadOnly && next_reopen_ <= now.instant) {
    next_reopen_ = Instant::never();
    engine_->reopen(now, engine_out);
  }
  if (is_writable() && next_upkeep_ <= now.instant) upkeep(now, engine_out);
  if (is_writable() && next_compaction_ <= now.instant) compact(now, engine_out);
  drain(now, events, out);
}

void Partition::upkeep(const Now& now, engine::Output& out) {
  next_upkeep_ = now.instant + config_.upkeep_interval;
  producers_.expire(now.instant, config_.producer_expiration);
  // Followers drop old records when the leader says so.
  if (config_.delete_old && role_ == Role::kLeader) {
    const Offset start = engine_->retained_start(now, config_.retention, high_watermark_);
    if (start > engine_->start()) {
      trims_.push_back(start);
      engine_->trim(now, start, out);
    }
  }
  if (engine_->wants_checkpoint()) save_checkpoint(now, out);
}

void Partition::compact(const Now& now, engine::Output& out) {
  next_compaction_ = now.instant + config_.compaction_interval;
  if (compacting_ || compaction_slot_.taken) return;
  compacting_ = compaction_slot_.taken = true;
  // A tombstone must not go before every copy has passed it, or a copy would keep what it deletes.
  const bool may_go = role_ == Role::kLeader && tombstones_may_go_;
  engine_->compact(now, high_watermark_, may_go ? config_.tombstone_age : Duration::max(), out);
}

void Partition::end_compaction() {
  if (compacting_) compaction_slot_.taken = false;
  compacting_ = false;
}

Instant Partition::next_deadline() const {
  // Upkeep waits while the disk refuses writes, or a tail is cut; its time may pass meanwhile.
  const Instant upkeep =
      is_writable() ? std::min(next_upkeep_, next_compaction_) : Instant::never();
  return std::min({engine_->next_deadline(), upkeep, next_reopen_});
}

void Partition::close(const Now& now, Output& out) {
  CHECK(state_ != PartitionState::kClosing && state_ != PartitionState::kClosed);
  if (state_ != PartitionState::kOnline && state_ != PartitionState::kReadOnly) {
    state_ = PartitionState::kClosed;
    refuse_waiting(Refusal::kNotOpen, out);
    out.events.emplace_back(Closed{});
    return;
  }
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  if (state_ == PartitionState::kOnline) save_checkpoint(now, engine_out);
  state_ = PartitionState::kClosing;
  next_upkeep_ = next_compaction_ = next_reopen_ = Instant::never();
  engine_->close(now, engine_out);
  drain(now, events, out);
}

void Partition::abandon(Output& out) {
  state_ = PartitionState::kClosed;
  end_compaction();
  refuse_waiting(Refusal::kNotOpen, out);
}

void Partition::step(const Now& now, const port::DiskDone& done, Output& out) {
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->step(now, done, engine_out);
  drain(now, events, out);
}

// --- the partition's own state in the engine's checkpoint ---------------------------------------

void Partition::save_checkpoint(const Now& now, engine::Output& out) {
  engine_->save_checkpoint(now, engine_->end(), encode_state(), out);
}

Buffer Partition::encode_state() const {
  ByteWriter out;
  out.write_int16(kStateVersion);
  epochs_.encode(out);
  producers_.encode(out);
  out.write_int64(high_watermark_.value);
  out.write_int32(producers_.last_loss().value);
  return flatten(out.finish());
}

Status Partition::restore_state(const Now& now, const Buffer& state) {
  epochs_.clear();
  producers_.clear();
  if (state.empty()) return {};
  ByteReader in(state);
  const int16_t version = in.read_int16();
  if (version != kStateVersion && version != kStateWithoutLoss) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("partition {}: checkpoint state has version {}, this build reads {} "
                            "and {}; start the version that wrote it",
                            label_, version, kStateWithoutLoss, kStateVersion));
  }
  const bool with_loss = version != kStateWithoutLoss;
  const bool whole = epochs_.decode(in) && producers_.decode(in, now.instant, with_loss);
  saved_high_watermark_ = whole ? Offset{in.read_int64()} : Offset{};
  if (whole && with_loss) producers_.opened_with_loss(LeaderEpoch{in.read_int32()});
  if (!whole || !in.ok()) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("partition {}: checkpoint state is malformed", label_));
  }
  return {};
}

// --- what the engine says -----------------------------------------------------------------------

void Partition::drain(const Now& now, std::vector<engine::Event>& events, Output& out) {
  // A reaction may ask the engine for more, which appends to the list.
  for (size_t i = 0; i < events.size(); ++i) {
    // Closed for good: what the engine still finishes concerns nobody any more.
    if (state_ == PartitionState::kClosed) return;
    engine::Event event = std::move(events[i]);
    std::visit([&](auto& concrete) { on(now, concrete, out); }, event);
  }
}

void Partition::on(const Now& now, engine::ReplayBegan& event, Output&) {
  replayed_end_ = event.at;
  restored_ = restore_state(now, event.checkpoint);
}

void Partition::on(const Now& now, engine::Replayed& event, Output&) {
  for (const record::BatchHeader& header : event.headers) {
    epochs_.assign(header.leader_epoch, replayed_end_);
    replayed_end_ = header.next_offset();
    if (planted(PlantedBug::kDedupeWindowLost)) continue;
    producers_.apply(header, now.instant);
  }
}

void Partition::on(const Now& now, engine::Opened& event, Output& out) {
  CHECK(state_ == PartitionState::kOpening || state_ == PartitionState::kReadOnly);
  if (!restored_) {
    state_ = PartitionState::kOffline;
    out.events.emplace_back(OpenFailed{restored_.error()});
    return;
  }
  const bool recovered = state_ == PartitionState::kReadOnly;
  damaged_ = false;  // if it is still there it is met again
  state_ = PartitionState::kOnline;
  durable_end_ = event.end;
  if (!recovered) high_watermark_ = std::clamp(saved_high_watermark_, event.start, event.end);
  schedule_upkeep(now);
  if (recovered) {
    out.events.emplace_back(StorageRecovered{});
  } else {
    out.events.emplace_back(Opened{event.torn_bytes});
  }
  recommit(out);
  out.events.emplace_back(HighWatermarkMoved{high_watermark_});
}

void Partition::on(const Now&, engine::OpenFailed& event, Output& out) {
  state_ = PartitionState::kOffline;
  refuse_waiting(Refusal::kNotOpen, out);
  out.events.emplace_back(OpenFailed{std::move(event.error)});
}

void Partition::on(const Now& now, engine::Durable& event, Output& out) {
  told_durable(event.end, out);
  trim_as_told(now, out);
}

void Partition::on(const Now& now, engine::Failed& event, Output& out) {
  const bool news = state_ != PartitionState::kReadOnly;
  if (state_ == PartitionState::kOnline) state_ = PartitionState::kReadOnly;
  cutting_ = beginning_anew_ = false;
  next_reopen_ = now.instant + kReopenDelay;
  durable_end_ = event.end;
  // The log may have been emptied already by begin_anew().
  high_watermark_ = std::max(std::min(high_watermark_, event.end), log_start());
  epochs_.cut(event.end);
  // A compaction goes on and says when it is over; until then none may be started.
  next_upkeep_ = next_compaction_ = Instant::never();
  refuse_waiting(Refusal::kStorage, out);
  if (news) out.events.emplace_back(StorageFailed{std::move(event.error)});
  if (role_ == Role::kFollower) part_from_leader();
  const bool goes_on = planted(PlantedBug::kSpentEpochGoesOn);
  if (role_ == Role::kLeader && replicated_ && !goes_on && !std::exchange(spent_, true)) {
    out.events.emplace_back(EpochSpent{});
  }
}

void Partition::note_damage(const Status& status, Output& out) {
  if (status || damaged_) return;
  const Error& error = status.error();
  if (error.kind != ErrorKind::kCorrupt && error.kind != ErrorKind::kIo) return;
  damaged_ = true;
  out.events.emplace_back(Damaged{error});
}

void Partition::on(const Now&, engine::ReadDone& event, Output& out) {
  note_damage(event.status, out);
  out.events.emplace_back(
      ReadDone{event.ticket, std::move(event.status), std::move(event.batches)});
}

void Partition::on(const Now&, engine::Trimmed& event, Output& out) {
  CHECK(!trims_.empty());
  epochs_.trim(event.start);
  out.events.emplace_back(Trimmed{trims_.front(), event.start});
  trims_.pop_front();
  note_start(out);
}

void Partition::on(const Now&, engine::TimestampFound& event, Output& out) {
  note_damage(event.status, out);
  out.events.emplace_back(
      TimestampFound{event.ticket, std::move(event.status), event.offset, event.timestamp});
}

void Partition::on(const Now&, engine::Compacted& event, Output& out) {
  end_compaction();
  if (event.status || cutting_) return;  // a cut ends it early
  out.effects.add(
      port::LogLine{port::Severity::kError, "compaction_failed",
                    fmt::format("partition {}: {}", label_, event.status.error().message)});
}

void Partition::on(const Now&, engine::Closed& event, Output& out) {
  state_ = PartitionState::kClosed;
  refuse_waiting(Refusal::kNotOpen, out);
  out.events.emplace_back(Closed{std::move(event.status)});
}

}  // namespace magpie::partition
