// One region's copy of one partition: who may append, what is acknowledged, what may be read.
//
// The problem: a producer must hear "stored" only when its records would survive what the policy
// promises, a consumer must never see a record that could still disappear, and a retry must not be
// stored twice. The idea: one owner for all of it. The partition checks a batch, gives it its
// offset, hands it to its engine and keeps the producer waiting in a queue ordered by offset; only
// the high watermark releases from that queue, and only the engine's Durable reports (and, with
// several regions, the members of the sync set) move the high watermark.
//
// With several regions a copy leads or follows, in an epoch. A leader's high watermark is what it
// and every required member hold (commitment.h). A follower takes over the leader's batches as they
// are, after its log was compared with the leader's and cut where it differed (divergence.h).
//
// Guarantees: G1 (nothing is settled as stored below the offset it needs), G2 (batches are taken
// only while leading, and a leader whose write failed gives out no more offsets in its epoch), G3
// (reads end at the high watermark, which never goes back while the partition is open, except by a
// cut), G4 (a follower appends nothing that does not follow), G8 (producer_table.h), G12 (a
// partition whose storage failed to open serves nothing; one whose disk fails takes no writes, goes
// on serving reads and tries to recover).
//
// What it does not do: it does not decide who leads or who is required, send anything, park fetches
// (the node wakes them on HighWatermarkMoved), keep what is cut (whoever cuts has exported it),
// name files, or know about topics' names beyond its label for messages.
//
// partition.cc is a single copy's life; replication.cc is what leaders and followers add.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/engine.h"
#include "partition/commitment.h"
#include "partition/divergence.h"
#include "partition/epoch_cache.h"
#include "partition/jump_offers.h"
#include "partition/messages.h"
#include "partition/producer_table.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::partition {

// Compaction remembers a key's last place for many keys at once, so only one partition of a node
// compacts at a time. Shared by all of them.
struct CompactionSlot {
  bool taken = false;
};

enum class PartitionState { kNew, kOpening, kOnline, kReadOnly, kOffline, kClosing, kClosed };

// What a follower is told of its leader's log.
struct LeaderLog {
  std::vector<EpochCache::Entry> epochs;
  LeaderEpoch last_loss = kNoLeaderEpoch;  // the newest epoch that was opened with loss
  bool may_have_gaps = false;              // it is compacted, or was once
};

// --- the partition ------------------------------------------------------------------------------

class Partition {
 public:
  // `label` ("orders-3") appears in messages only. `slot` must outlive the partition.
  Partition(std::string label, PartitionConfig config, std::unique_ptr<engine::Engine> engine,
            CompactionSlot& slot);
  ~Partition();

  // Opens the storage. This copy leads in `epoch`, alone; with kNoLeaderEpoch it has no role until
  // lead() or follow(). Ends with Opened or OpenFailed.
  void open(const Now& now, engine::OpenMode mode, LeaderEpoch epoch, Output& out);

  // Stores one batch as sent by a producer. `ticket` comes back in Settled, now or later. The
  // buffer must be unshared: offset and epoch are written into it.
  void append(const Now& now, uint64_t ticket, Buffer batch, Output& out);

  // Stores a batch built by this node (positions, group metadata); same rules, no size limit.
  void append_internal(const Now& now, uint64_t ticket, Buffer batch, Output& out);

  // Batches from the one that holds `from`, below the high watermark. Either the chain at once or
  // ReadDone later. REQUIRES: log_start() <= from <= high_watermark().
  std::optional<BufferChain> read(const Now& now, uint64_t ticket, Offset from, uint64_t max_bytes,
                                  bool at_least_one, Output& out);

  // First record at or after `timestamp` (milliseconds); TimestampFound follows.
  void find_timestamp(const Now& now, uint64_t ticket, int64_t timestamp, Output& out);

  // The first record with the largest timestamp (ListOffsets -3); TimestampFound follows.
  void find_max_timestamp(const Now& now, uint64_t ticket, Output& out);

  // Makes `start` the first offset (DeleteRecords). Trimmed follows.
  // REQUIRES: start <= high_watermark().
  void trim(const Now& now, Offset start, Output& out);

  // Stops taking writes, makes all durable, marks it cleanly closed; ends with Closed.
  void close(const Now& now, Output& out);

  // The partition is about to be removed: refuses whatever waits. Nothing may be called afterwards.
  void abandon(Output& out);

  // --- leading, with members (replication.cc) ---

  // Begins a term. Nothing is committed, and so nothing acknowledged, before require(), and no
  // tombstone goes before set_tombstones_may_go(). Whoever waits for an earlier term is refused.
  // REQUIRES: readable; the epoch is above leader_epoch() and above every epoch in the log.
  void lead(const Now& now, const Lead& lead, Output& out);

  // Who must hold a record besides this copy, from now on. REQUIRES: leading.
  void require(const Now& now, const std::vector<NodeId>& members, Output& out);

  // The leader is about to hand over to it, or no longer (G10: what clients were told is gone must
  // be gone where they look next). REQUIRES: leading.
  void set_successor(std::optional<NodeId> successor, Output& out);

  // Offsets from `ceiling` on may not be given out yet; appends that need one are refused. lead()
  // sets it, too.
  void set_ceiling(Offset ceiling) { ceiling_ = ceiling; }
  Offset ceiling() const { return ceiling_; }
  // While blocked, new appends are refused; those taken over before go on waiting.
  void set_blocked(bool blocked) { blocked_ = blocked; }
  // While held, nothing is committed, and so nothing acknowledged, also of what was taken over
  // before; new appends are refused. For a leader whose lease has run out. Ends with the term.
  void hold_commits(bool held, Output& out);
  bool holds_commits() const { return held_; }
  // False keeps compaction from dropping tombstones: a member has not passed them yet.
  void set_tombstones_may_go(bool may_go) { tombstones_may_go_ = may_go; }

  // A member's log agrees with this one below `durable`, which it holds; or it now holds more.
  void member_reconciled(NodeId member, Offset durable, Output& out);
  void member_durable(NodeId member, Offset durable, Output& out);
  void member_lost(NodeId member) { commitment_.forget(member); }
  // Where a reconciled member's log begins now. TrimmedEverywhere follows if it was the last one.
  void member_starts_at(NodeId member, Offset start, Output& out);
  // Below this everyone who must hold a record, this copy and a successor included, has dropped
  // everything.
  Offset start_everywhere() const {
    return replicated_ ? commitment_.start(log_start()) : log_start();
  }
  // The member cannot read some of its copy, or can again. It counts on, until it is not required
  // any more. REQUIRES: leading.
  void set_member_unreadable(NodeId member, bool unreadable) {
    commitment_.set_unreadable(member, unreadable);
  }
  bool is_unreadable(NodeId member) const { return commitment_.is_unreadable(member); }
  // Nothing rests on what the member holds, this leader may say so, and what is here can be read as
  // far as is known.
  bool can_spare(NodeId member) const {
    return commitment_.can_spare(member) && !damaged_ && !held_ && !spent_;
  }
  // Whose copy a promise rests on though nobody waits for it. REQUIRES: leading.
  void set_last_copy(std::optional<NodeId> member) { commitment_.set_last_copy(member); }
  Offset member_position(NodeId member) const { return commitment_.position(member); }
  // It has nothing any more of what was dropped here, by retention or because it was deleted.
  bool has_dropped_all(NodeId member) const { return commitment_.start_of(member) >= log_start(); }

  // Batches for a member, up to the end of the log, durable or not. As read().
  // REQUIRES: log_start() <= from <= log_end().
  std::optional<BufferChain> read_for_member(const Now& now, uint64_t ticket, Offset from,
                                             uint64_t max_bytes, Output& out);

  // --- following (replication.cc) ---

  // Takes the leader's batches of `epoch` from now on, once they follow what is here. Whoever waits
  // is refused. REQUIRES: readable; the epoch is not below leader_epoch().
  void follow(const Now& now, LeaderEpoch epoch, Output& out);

  // Epochs and borders of this copy, for a comparison.
  CopyState copy_state() const;

  // Removes everything at and above `end`; CutDone follows, or StorageFailed. Whoever calls has
  // exported what goes (G10). REQUIRES: following, online, and no cut under way.
  void cut(const Now& now, Offset end, Output& out);

  // Throws the whole log away and leaves an empty one that begins and ends at `at`: for a copy
  // whose leader no longer has what follows, or whose own bytes are damaged. BegunAnew follows, or
  // StorageFailed (then the log is empty after StorageRecovered, or as it was). Whoever calls has
  // exported what differs from the leader's, and counted what lies between (G10).
  // REQUIRES: as cut().
  void begin_anew(const Now& now, Offset at, Output& out);

  // From cut() to CutDone, or begin_anew() to BegunAnew. A copy that leads meanwhile takes nothing,
  // and copy_state() means nothing.
  bool is_cutting() const { return cutting_; }

  // The log agrees with the leader's, of which this is known.
  void reconciled(const Now& now, LeaderLog leader, Output& out);

  // True from reconciled() to the end of the term, a cut or a failed write: what lies below the
  // high watermark here is committed for the present leader too.
  bool is_reconciled() const { return is_reconciled_; }

  // Since reconciled() it has held durably, at some moment, all that the present leader had then
  // acknowledged, in this term and those before. Not kept over a restart: whoever was emptied
  // meanwhile must not say it.
  bool has_caught_up() const { return has_caught_up_; }

  // Appends one batch as the leader stored it. Error: it does not follow, or is damaged; then
  // nothing was done, and the log has to be compared again.
  Status append_copied(const Now& now, Buffer batch, Output& out);

  // What the leader said of its log. The high watermark here is at most what this copy holds.
  void learn(const Now& now, Offset high_watermark, Offset log_start, Output& out);

  void step(const Now& now, const port::DiskDone& done, Output& out);
  void tick(const Now& now, Output& out);
  Instant next_deadline() const;

  void configure(const Now& now, PartitionConfig config);
  engine::Engine& engine() { return *engine_; }

  const std::string& label() const { return label_; }
  PartitionState state() const { return state_; }
  // A read met damage; see Damaged.
  bool is_damaged() const { return damaged_; }
  // Readable: online, or serving reads while the disk refuses writes.
  bool is_readable() const;
  Role role() const { return role_; }
  LeaderEpoch leader_epoch() const { return epoch_; }
  Offset log_start() const { return engine_->start(); }
  Offset log_end() const { return engine_->end(); }
  // The next append's offset. Above log_end() where an epoch that follows a loss, or a failed
  // write, has written nothing yet; no record will ever have an offset between the two.
  Offset next_offset() const { return std::max(engine_->end(), floor_); }
  // Above every offset that this copy gave out as a leader, in this process and since it followed.
  Offset given_out() const { return given_out_; }
  // What a copy of the partition gave out that was closed since, in this process.
  void set_given_out(Offset end) { given_out_ = end; }
  // Where the log ended when the present term of leadership began. A leader whose high watermark is
  // not there yet may not know all that was committed before.
  Offset term_start() const;
  // The lowest offset that a record of that term can have; there is none between the two.
  Offset term_first() const { return std::max(term_start(), floor_); }
  // Everything below is held here durably.
  Offset durable_end() const { return durable_end_; }
  Offset high_watermark() const { return high_watermark_; }
  // Transactions are not offered, so nothing is ever undecided.
  Offset last_stable_offset() const { return high_watermark_; }
  // Offsets may be missing between batches: it is compacted, or was once, or is a copy of such a
  // log.
  bool may_have_gaps() const { return config_.compact || engine_->expects_gaps(); }
  uint64_t size_bytes() const { return engine_->size_bytes(); }
  int64_t max_timestamp() const { return engine_->max_timestamp(); }
  size_t producer_count() const { return producers_.size(); }
  const ProducerTable& producers() const { return producers_; }
  const EpochCache& epochs() const { return epochs_; }
  // Answer to OffsetForLeaderEpoch.
  EpochCache::EpochEnd epoch_end(LeaderEpoch asked) const;
  // Appends that wait for the high watermark.
  size_t unsettled() const { return waiting_.size(); }

 private:
  struct Waiting {
    uint64_t ticket;
    Offset needs;  // settled once the high watermark is here
    Offset base_offset;
    int64_t log_append_time;
    Refusal refusal = Refusal::kNone;  // what it then hears
  };

  bool is_writable() const { return state_ == PartitionState::kOnline && !cutting_; }
  void set_role(Role role, LeaderEpoch epoch, Output& out);
  void recommit(Output& out);
  void part_from_leader();
  void note_start(Output& out);
  void note_damage(const Status& status, Output& out);
  void remember_loss(const Now& now, LeaderEpoch epoch, Output& out);
  void told_durable(Offset end, Output& out);
  void trim_as_told(const Now& now, Output& out);
  void append_checked(const Now& now, uint64_t ticket, Buffer batch, bool internal, Output& out);
  std::optional<Settled> refuse(const Now& now, uint64_t ticket, const Buffer& batch,
                                bool internal) const;
  bool settle_known(const Now& now, uint64_t ticket, const record::BatchHeader& header,
                    Output& out);
  bool is_certain(const Now& now, const record::BatchHeader& header);
  void wait_for(Waiting waiting);
  void advance(Offset end, Output& out);
  void release(Output& out);
  void refuse_waiting(Refusal refusal, Output& out);
  void schedule_upkeep(const Now& now);
  void upkeep(const Now& now, engine::Output& out);
  void compact(const Now& now, engine::Output& out);
  void end_compaction();
  void save_checkpoint(const Now& now, engine::Output& out);
  Buffer encode_state() const;
  Status restore_state(const Now& now, const Buffer& state);
  void drain(const Now& now, std::vector<engine::Event>& events, Output& out);

  // Reactions to the engine, one per event.
  void on(const Now& now, engine::ReplayBegan& event, Output& out);
  void on(const Now& now, engine::Replayed& event, Output& out);
  void on(const Now& now, engine::Opened& event, Output& out);
  void on(const Now& now, engine::OpenFailed& event, Output& out);
  void on(const Now& now, engine::Durable& event, Output& out);
  void on(const Now& now, engine::Failed& event, Output& out);
  void on(const Now& now, engine::ReadDone& event, Output& out);
  void on(const Now& now, engine::CutDone& event, Output& out);
  void on(const Now& now, engine::Trimmed& event, Output& out);
  void on(const Now& now, engine::TimestampFound& event, Output& out);
  void on(const Now& now, engine::Compacted& event, Output& out);
  void on(const Now& now, engine::Closed& event, Output& out);

  std::string label_;
  PartitionConfig config_;
  std::unique_ptr<engine::Engine> engine_;
  PartitionState state_ = PartitionState::kNew;
  Role role_ = Role::kNone;
  LeaderEpoch epoch_ = kNoLeaderEpoch;
  Offset durable_end_;
  Offset high_watermark_;
  Offset saved_high_watermark_;  // from the checkpoint
  EpochCache epochs_;
  ProducerTable producers_;
  JumpOffers jumps_;             // of this term
  std::deque<Waiting> waiting_;  // ordered by `needs`
  Instant next_upkeep_ = Instant::never();
  Instant next_compaction_ = Instant::never();
  Instant next_reopen_ = Instant::never();
  std::deque<Offset> trims_;  // asked for, oldest first
  CompactionSlot& compaction_slot_;
  bool compacting_ = false;  // and holding the slot
  bool damaged_ = false;
  // Leading.
  Commitment commitment_;
  bool replicated_ = false;  // members elsewhere may hold what was appended in this epoch
  bool spent_ = false;       // see EpochSpent
  bool blocked_ = false;
  bool held_ = false;
  bool tombstones_may_go_ = true;
  Offset floor_;  // also of earlier terms: nothing may have been written above it yet
  Offset ceiling_{INT64_MAX};
  Offset given_out_;
  // Following.
  Offset leader_high_watermark_;
  Offset leader_log_start_;
  Offset trimmed_everywhere_;  // as it was said last
  bool is_reconciled_ = false;
  Offset leader_term_start_;    // below it lies what was acknowledged in earlier terms
  bool heard_leader_ = false;   // where its high watermark is, since then
  bool has_caught_up_ = false;  // since then
  bool cutting_ = false;
  bool beginning_anew_ = false;                   // and cutting_
  std::vector<EpochCache::Entry> leader_epochs_;  // those not yet reached

  // The replay under way.
  Status restored_;  // the partition's own state
  Offset replayed_end_;
};

}  // namespace magpie::partition
