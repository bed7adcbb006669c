// What leaders and followers add to a single copy's life. Section 7 of the design: who may append,
// what is committed, how a copy is made to agree with its leader's.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "partition/partition.h"

namespace magpie::partition {

void Partition::set_role(Role role, LeaderEpoch epoch, Output& out) {
  refuse_waiting(Refusal::kNotLeader, out);
  role_ = role;
  epoch_ = epoch;
  replicated_ = role == Role::kLeader;
  spent_ = blocked_ = held_ = false;
  ceiling_ = Offset{INT64_MAX};
  part_from_leader();
  leader_epochs_.clear();
  leader_high_watermark_ = high_watermark_;
  leader_log_start_ = trimmed_everywhere_ = Offset{};
  jumps_.clear();
  commitment_.begin();
}

// --- leading -------------------------------------------------------------------------------------

void Partition::lead(const Now& now, const Lead& lead, Output& out) {
  CHECK(is_readable() && lead.epoch > epoch_ && lead.epoch > epochs_.latest());
  set_role(Role::kLeader, lead.epoch, out);
  if (!planted(PlantedBug::kFloorIgnored)) floor_ = std::max({floor_, lead.floor, given_out_});
  ceiling_ = lead.ceiling;
  tombstones_may_go_ = false;
  if (lead.with_loss) remember_loss(now, lead.epoch, out);
}

// Kept at once: a producer that was silent through the whole epoch comes back in a later term, or
// after a restart.
void Partition::remember_loss(const Now& now, LeaderEpoch epoch, Output& out) {
  if (epoch <= producers_.last_loss()) return;
  producers_.opened_with_loss(epoch);
  if (!is_writable()) return;  // it goes into the next checkpoint
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  save_checkpoint(now, engine_out);
  drain(now, events, out);
}

void Partition::require(const Now&, const std::vector<NodeId>& members, Output& out) {
  CHECK(role_ == Role::kLeader);
  commitment_.require(members);
  recommit(out);
  note_start(out);
}

void Partition::set_successor(std::optional<NodeId> successor, Output& out) {
  CHECK(role_ == Role::kLeader);
  commitment_.set_successor(successor);
  note_start(out);
}

void Partition::hold_commits(bool held, Output& out) {
  held_ = held;
  recommit(out);
}

void Partition::member_reconciled(NodeId member, Offset durable, Output& out) {
  commitment_.reconciled(member, durable);
  recommit(out);
  note_start(out);
}

void Partition::member_durable(NodeId member, Offset durable, Output& out) {
  commitment_.durable(member, durable);
  recommit(out);
}

void Partition::member_starts_at(NodeId member, Offset start, Output& out) {
  commitment_.starts_at(member, start);
  note_start(out);
}

// A member that is new, or was compared anew, may begin lower until it says otherwise.
void Partition::note_start(Output& out) {
  const Offset before = std::exchange(trimmed_everywhere_, start_everywhere());
  if (!replicated_ || trimmed_everywhere_ <= before) return;
  out.events.emplace_back(TrimmedEverywhere{trimmed_everywhere_});
}

std::optional<BufferChain> Partition::read_for_member(const Now& now, uint64_t ticket, Offset from,
                                                      uint64_t max_bytes, Output& out) {
  CHECK(is_readable() && log_start() <= from && from <= log_end());
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  const engine::Read read{ticket, from, log_end(), max_bytes, true};
  std::optional<BufferChain> batches = engine_->read(now, read, engine_out);
  drain(now, events, out);
  return batches;
}

// An epoch's entry says where the log ended when it wrote first, and nobody else writes in it.
Offset Partition::term_start() const {
  const bool has_written = epochs_.latest() == epoch_;
  return has_written ? epochs_.entries().back().start : log_end();
}

// The high watermark follows what is committed (leader) or known to be (follower).
void Partition::recommit(Output& out) {
  if (role_ == Role::kLeader && !held_) advance(commitment_.end(durable_end_), out);
  if (role_ == Role::kFollower && is_reconciled_) {
    advance(std::min(leader_high_watermark_, durable_end_), out);
    const bool knows_its_end = heard_leader_ && leader_high_watermark_ >= leader_term_start_;
    if (knows_its_end && durable_end_ >= leader_high_watermark_) has_caught_up_ = true;
  }
}

void Partition::told_durable(Offset end, Output& out) {
  durable_end_ = std::max(durable_end_, end);
  recommit(out);
  if (replicated_ || role_ == Role::kFollower) out.events.emplace_back(LogMoved{});
}

// --- following -----------------------------------------------------------------------------------

void Partition::follow(const Now&, LeaderEpoch epoch, Output& out) {
  CHECK(is_readable() && epoch >= epoch_);
  set_role(Role::kFollower, epoch, out);
  given_out_ = Offset{};  // whoever leads now says where offsets begin
}

CopyState Partition::copy_state() const {
  return {epochs_.entries(), log_start(), log_end()};
}

// What it held in the leader's eyes may go; it counts again when the logs were compared.
void Partition::part_from_leader() {
  is_reconciled_ = heard_leader_ = has_caught_up_ = false;
}

void Partition::cut(const Now& now, Offset end, Output& out) {
  CHECK(role_ == Role::kFollower && is_writable() && end <= log_end());
  part_from_leader();
  cutting_ = true;
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->cut(now, std::max(end, log_start()), engine_out);
  drain(now, events, out);
}

void Partition::begin_anew(const Now& now, Offset at, Output& out) {
  CHECK(role_ == Role::kFollower && is_writable());
  part_from_leader();
  cutting_ = beginning_anew_ = true;
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->begin_anew(now, at, engine_out);
  drain(now, events, out);
}

void Partition::on(const Now&, engine::CutDone& event, Output& out) {
  cutting_ = false;
  const bool anew = std::exchange(beginning_anew_, false);
  damaged_ = false;  // if it is still there it is met again
  if (!restored_) {
    state_ = PartitionState::kOffline;
    out.events.emplace_back(OpenFailed{restored_.error()});
    return;
  }
  durable_end_ = event.end;
  if (anew) {
    // What the leader no longer has was committed.
    high_watermark_ = leader_high_watermark_ = event.end;
    leader_log_start_ = Offset{};
    out.events.emplace_back(BegunAnew{event.end});
    return;
  }
  high_watermark_ = std::min(high_watermark_, event.end);
  leader_high_watermark_ = std::min(leader_high_watermark_, event.end);
  out.events.emplace_back(CutDone{event.end});
}

void Partition::reconciled(const Now& now, LeaderLog leader, Output& out) {
  CHECK(role_ == Role::kFollower);
  is_reconciled_ = true;
  leader_epochs_ = std::move(leader.epochs);
  // It names the epoch that it leads in also before it has written in it.
  const bool named = !leader_epochs_.empty() && leader_epochs_.back().epoch == epoch_;
  leader_term_start_ = named ? leader_epochs_.back().start : Offset{INT64_MAX};
  remember_loss(now, leader.last_loss, out);
  if (!is_writable() || engine_->expects_gaps() || !(leader.may_have_gaps || config_.compact)) {
    return;
  }
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->expect_gaps(now, engine_out);
  drain(now, events, out);
}

Status Partition::append_copied(const Now& now, Buffer batch, Output& out) {
  if (role_ != Role::kFollower || !is_reconciled_ || state_ != PartitionState::kOnline) {
    return fail(ErrorKind::kUnavailable, label_ + " does not follow");
  }
  if (batch.size() < record::kBatchHeaderBytes) {
    return fail(ErrorKind::kCorrupt, label_ + ": a batch from the leader is too short");
  }
  const record::BatchHeader header = record::parse_header(batch.bytes());
  if (!record::is_plausible(header) || header.size_bytes() != batch.size() ||
      !record::checksum_matches(batch.bytes())) {
    return fail(ErrorKind::kCorrupt, label_ + ": a batch from the leader is damaged");
  }
  const bool may_jump = engine_->expects_gaps() || header.leader_epoch > epochs_.latest();
  const bool follows = may_jump ? header.base_offset >= log_end() : header.base_offset == log_end();
  if (!follows || header.leader_epoch < epochs_.latest() || header.leader_epoch > epoch_) {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: a batch at offset {} of epoch {} does not follow a log that ends at "
                    "{} in epoch {}",
                    label_, header.base_offset.value, header.leader_epoch.value, log_end().value,
                    epochs_.latest().value));
  }
  // The true starts of epochs whose first records compaction has taken.
  for (const EpochCache::Entry& entry : leader_epochs_) {
    if (entry.start <= header.base_offset && entry.start >= log_end()) {
      epochs_.assign(entry.epoch, entry.start);
    }
  }
  epochs_.assign(header.leader_epoch, log_end());
  if (!planted(PlantedBug::kFollowersForgetProducers)) producers_.apply(header, now.instant);
  std::vector<engine::Event> events;
  engine::Output engine_out{out.effects, events};
  engine_->append(now, engine::Append{std::move(batch), header}, engine_out);
  if (engine_->wants_checkpoint()) save_checkpoint(now, engine_out);
  drain(now, events, out);
  return {};
}

void Partition::learn(const Now& now, Offset high_watermark, Offset log_start, Output& out) {
  if (role_ != Role::kFollower || !is_reconciled_) return;
  heard_leader_ = true;
  leader_high_watermark_ = std::max(leader_high_watermark_, high_watermark);
  leader_log_start_ = std::max(leader_log_start_, log_start);
  recommit(out);
  trim_as_told(now, out);
}

// As far as the high watermark here allows; the rest follows when it moves.
void Partition::trim_as_told(const Now& now, Output& out) {
  if (role_ != Role::kFollower || !is_reconciled_ || !is_readable()) return;
  const Offset start = std::min(leader_log_start_, high_watermark_);
  const bool asked = !trims_.empty() && trims_.back() >= start;
  if (start > log_start() && !asked) trim(now, start, out);
}

}  // namespace magpie::partition
