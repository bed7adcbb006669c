// What a partition is told and what it says: settings, refusals and events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/engine.h"
#include "port/effect.h"

namespace magpie::partition {

// The topic settings a partition acts on. Changes apply from the next call on.
struct PartitionConfig {
  int32_t max_message_bytes = 1'048'588;
  bool log_append_time = false;
  bool delete_old = true;                              // cleanup.policy contains delete
  bool compact = false;                                // cleanup.policy contains compact
  engine::Retention retention;                         // applies when delete_old
  Duration tombstone_age = Duration::seconds(86'400);  // delete.retention.ms
  Duration compaction_lag = Duration{};                // min.compaction.lag.ms
  Duration timestamp_future_max = Duration::max();     // message.timestamp.after.max.ms
  Duration timestamp_past_max = Duration::max();       // message.timestamp.before.max.ms
  Duration producer_expiration = Duration::seconds(86'400);
  Duration upkeep_interval = Duration::seconds(300);     // how often retention looks
  Duration compaction_interval = Duration::seconds(15);  // and compaction (log.cleaner.backoff.ms)
  size_t producers_max = 100'000;
  // Where members take part in commits: for how long a producer is asked again before a break in
  // its sequence is called one. Longer than a leader's lease (jump_offers.h).
  Duration break_patience{};
};

// Why a batch was not stored. Mapped to Kafka's error codes in `kafka`.
enum class Refusal {
  kNone,
  kNotOpen,    // still recovering, failed to open, or closing
  kNotLeader,  // this copy follows, or its leadership has ended; the outcome is unknown if the
               // batch was already taken over
  kBlocked,    // not now, but when it comes again: too few copies, no offsets reserved, or a
               // sequence that another leader may know more of (jump_offers.h)
  kStorage,    // the disk refuses writes
  kCorrupt,    // bad checksum or malformed
  kUnsupportedCodec,
  kUnsupportedFormat,  // message format 0 or 1
  kTooLarge,           // larger than max.message.bytes
  kInvalidRecord,      // e.g. a record without key in a compacted topic
  kInvalidTimestamp,   // outside message.timestamp.before/after.max.ms
  kTransactional,      // transactions are not offered
  kDuplicateSequence,  // stored long ago
  kOutOfOrderSequence,
  kProducerFenced,
  kUnknownProducer,
};

enum class Role { kNone, kLeader, kFollower };

// A term of leadership that begins.
struct Lead {
  LeaderEpoch epoch;
  // The first offset of the epoch is not below this: what a lost epoch may have given out. Given in
  // every term, by whoever leads, until something committed stands above it: a lossy epoch that
  // wrote nothing leaves no trace in the log.
  Offset floor;
  bool with_loss = false;  // records of an earlier epoch may be missing
  // Offsets from here on may not be given out yet; raised by set_ceiling().
  Offset ceiling{INT64_MAX};
};

// --- what it says -------------------------------------------------------------------------------

struct Opened {
  uint64_t torn_bytes = 0;
};
struct OpenFailed {
  Error error;
};
// The answer to append(); exactly one per ticket.
struct Settled {
  uint64_t ticket = 0;
  Refusal refusal = Refusal::kNone;
  Offset base_offset{-1};
  int64_t log_append_time = -1;
  std::string message;                  // for kInvalidRecord and kCorrupt
  std::vector<int32_t> record_indexes;  // for kInvalidRecord: which records
};
struct HighWatermarkMoved {
  Offset high_watermark;
};
// Of a partition that has members elsewhere: new records to send, or what is held here durably has
// moved. Look at log_end() and durable_end().
struct LogMoved {};
// A follower's tail was cut; its log ends at `end` now.
struct CutDone {
  Offset end;
};
// A follower's log was begun anew: it is empty, and begins and ends at `at`.
struct BegunAnew {
  Offset at;
};
// A write of a leader with members failed. Offsets it gave out may be held elsewhere, so it gives
// out none of them again: it appends nothing until lead() is called with a new epoch, and then
// above them. A member that holds such a record, and is made leader with a loss before it was
// compared, shows it at an offset that is nobody else's (G4).
struct EpochSpent {};
struct ReadDone {
  uint64_t ticket = 0;
  Status status;
  BufferChain batches;
};
struct TimestampFound {
  uint64_t ticket = 0;
  Status status;
  std::optional<Offset> offset;
  int64_t timestamp = -1;
};
// The log begins at `start` now. Lower than `asked` if that could not be made durable.
struct Trimmed {
  Offset asked;
  Offset start;
};
// Of a partition that has members elsewhere: everyone whose word counts has dropped what lies below
// `start`, so no failover without loss brings it back.
struct TrimmedEverywhere {
  Offset start;
};
// Writes fail (or work again). Says why once, not per batch.
struct StorageFailed {
  Error error;
};
struct StorageRecovered {};
// A read met bytes that are damaged or cannot be read. Said once, until a cut or begin_anew(). A
// leader should give the partition up to a copy that is whole. A follower's copy can be repaired by
// begin_anew(), but only while it is in no sync set: until it has caught up it holds nothing (G12).
struct Damaged {
  Error error;
};
struct Closed {
  Status status;
};

using Event = std::variant<Opened, OpenFailed, Settled, HighWatermarkMoved, ReadDone,
                           TimestampFound, Trimmed, StorageFailed, StorageRecovered, Closed,
                           LogMoved, CutDone, EpochSpent, BegunAnew, Damaged, TrimmedEverywhere>;

struct Output {
  port::Effects& effects;
  std::vector<Event>& events;
};

}  // namespace magpie::partition
