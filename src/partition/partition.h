// One region's copy of one partition: who may append, what is acknowledged, what may be read.
//
// The problem: a producer must hear "stored" only when its records would survive what the policy
// promises, a consumer must never see a record that could still disappear, and a retry must not be
// stored twice. The idea: one owner for all of it. The partition checks a batch, gives it its
// offset, hands it to its engine and keeps the producer waiting in a queue ordered by offset; only
// the high watermark releases from that queue, and only the engine's Durable reports (and, with
// several regions, the members of the sync set) move the high watermark.
//
// Guarantees: G1 (nothing is settled as stored below the offset it needs), G3 (reads end at the
// high watermark, which never goes back while the partition is open), G8 (producer_table.h), G12 (a
// partition whose storage failed to open serves nothing; one whose disk fails takes no writes, goes
// on serving reads and tries to recover).
//
// What it does not do: it does not park fetches (the node wakes them on HighWatermarkMoved), name
// files, or know about topics' names beyond its label for messages.
#pragma once

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
#include "partition/epoch_cache.h"
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

// --- the partition ------------------------------------------------------------------------------

class Partition {
 public:
  // `label` ("orders-3") appears in messages only. `slot` must outlive the partition.
  Partition(std::string label, PartitionConfig config, std::unique_ptr<engine::Engine> engine,
            CompactionSlot& slot);
  ~Partition();

  // Opens the storage; this copy leads in `epoch`. Ends with Opened or OpenFailed.
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

  void step(const Now& now, const port::DiskDone& done, Output& out);
  void tick(const Now& now, Output& out);
  Instant next_deadline() const;

  void configure(const Now& now, PartitionConfig config);
  engine::Engine& engine() { return *engine_; }

  const std::string& label() const { return label_; }
  PartitionState state() const { return state_; }
  // Readable: online, or serving reads while the disk refuses writes.
  bool is_readable() const;
  LeaderEpoch leader_epoch() const { return epoch_; }
  Offset log_start() const { return engine_->start(); }
  Offset log_end() const { return engine_->end(); }
  Offset high_watermark() const { return high_watermark_; }
  // Transactions are not offered, so nothing is ever undecided.
  Offset last_stable_offset() const { return high_watermark_; }
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
  };

  void append_checked(const Now& now, uint64_t ticket, Buffer batch, bool internal, Output& out);
  std::optional<Settled> refuse(const Now& now, uint64_t ticket, const Buffer& batch,
                                bool internal) const;
  bool settle_known(uint64_t ticket, const record::BatchHeader& header, Output& out);
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
  LeaderEpoch epoch_ = kNoLeaderEpoch;
  Offset high_watermark_;
  EpochCache epochs_;
  ProducerTable producers_;
  std::deque<Waiting> waiting_;  // ordered by `needs`
  Instant next_upkeep_ = Instant::never();
  Instant next_compaction_ = Instant::never();
  Instant next_reopen_ = Instant::never();
  std::deque<Offset> trims_;  // asked for, oldest first
  CompactionSlot& compaction_slot_;
  bool compacting_ = false;  // and holding the slot
  Status restored_;          // of the partition's own state, in the replay under way
};

}  // namespace magpie::partition
