// Where one partition's records are kept, seen from the partition.
//
// The problem: a partition decides what is appended, who may read it and when it is safe to
// acknowledge; it must not know whether the bytes go to files of this node, to memory, or (later)
// to an existing Kafka cluster. The idea: the partition asks an Engine for append, read, cut and
// trim and hears back in events; it never names a file. `log` implements this interface on segment
// files; MemoryEngine is the simple twin that the conformance suite compares it with.
//
// Guarantees every engine gives:
//  - Durable{end} is reported only when every batch below `end` would survive what the fsync policy
//    promises to survive; reports never go back except after Cut or Failed.
//  - Batches come back byte for byte as appended, whole, in offset order.
//  - Damage is reported (OpenFailed, ReadDone with kCorrupt), never returned as "no data" (G12).
//  - After Failed the engine holds exactly the batches below Failed::end, and refuses appends until
//    reopen() succeeds; reads below that go on.
//
// What it does not do: it does not check batches, assign offsets, know epochs or high watermarks,
// or decide what to retain. Engines are pure machines; docs/decisions/ tells how an engine that
// assigns offsets itself fits.
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
#include "port/effect.h"
#include "port/event.h"
#include "record/batch.h"

namespace magpie::engine {

// When an append counts as durable.
enum class FsyncPolicy {
  kAlways,    // after fdatasync
  kInterval,  // after the write; synced every fsync_interval. A power loss may lose that long
  kNever,     // after the write; the operating system syncs when it likes
};

// What an operator can set for one partition's storage.
struct EngineConfig {
  FsyncPolicy fsync = FsyncPolicy::kAlways;
  Duration fsync_interval = Duration::milliseconds(1'000);
  int64_t segment_bytes = 1'073'741'824;              // segment.bytes
  Duration segment_age = Duration::seconds(604'800);  // segment.ms
  int32_t index_interval_bytes = 4'096;               // index.interval.bytes
  uint64_t recent_bytes = 4 * 1024 * 1024;            // batches kept in memory for tail reads
  // cleanup.policy contains compact: offsets missing between batches are normal, not damage. Looked
  // at when a log is opened; one that once expected gaps (expect_gaps) does so for good.
  bool may_have_gaps = false;
  // Compaction waits until this part of what it would read is new (min.cleanable.dirty.ratio).
  int32_t min_dirty_percent = 50;
};

// --- requests ----------------------------------------------------------------------------------

// One batch, checked and stamped by the partition. `base_offset` is the engine's end; it may be
// higher, by less than 2^31, in the first batch of a new leader epoch (offsets that were given out
// in an epoch that was lost are not used again) and, in a log that expects gaps, in a batch that is
// copied from another region.
struct Append {
  Buffer batch;
  record::BatchHeader header;
};

struct Read {
  uint64_t ticket = 0;  // comes back in ReadDone
  Offset from;          // the first batch returned is the one that holds this offset or, in a gap,
                        // the next one
  Offset limit;         // only batches that lie wholly below this
  uint64_t max_bytes = 0;
  bool at_least_one = false;  // return the first batch even if it is larger than max_bytes (KIP-74)
};

// Which old records the leader no longer wants.
struct Retention {
  std::optional<int64_t> max_bytes;  // retention.bytes
  std::optional<Duration> max_age;   // retention.ms, by record timestamp
};

// --- events ------------------------------------------------------------------------------------

// Replay: what the partition needs to rebuild its own state (producers, epochs). ReplayBegan says
// where the last saved checkpoint stands; Replayed brings the headers of all batches from there on,
// in order, in any number of pieces, also of those below start() that the checkpoint does not
// cover; Opened or CutDone ends it.
struct ReplayBegan {
  Offset at;
  Buffer checkpoint;  // as given to save_checkpoint; empty if there is none
};
struct Replayed {
  std::vector<record::BatchHeader> headers;
};
struct Opened {
  Offset start;
  Offset end;
  uint64_t torn_bytes = 0;  // length of a torn tail that was cut off; said in the log
};
// The stored bytes contradict themselves; error.message names file, position and what to do.
// Nothing was changed on disk.
struct OpenFailed {
  Error error;
};
struct Durable {
  Offset end;
};
// A write or sync failed. Batches at and above `end` are gone; they were never reported durable.
struct Failed {
  Offset end;
  Error error;
};
struct ReadDone {
  uint64_t ticket = 0;
  Status status;
  BufferChain batches;
};
// Ends cut() and begin_anew().
struct CutDone {
  Offset end;
};
// Answer to trim. `start` is lower than asked for if that could not be made durable; a log line
// says why.
struct Trimmed {
  Offset start;
};
// Offset and timestamp of the first record at or after the wanted time; none if there is none.
struct TimestampFound {
  uint64_t ticket = 0;
  Status status;
  std::optional<Offset> offset;
  int64_t timestamp = -1;
};
struct Compacted {
  Status status;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
};
struct Closed {
  Status status;
};

using Event = std::variant<ReplayBegan, Replayed, Opened, OpenFailed, Durable, Failed, ReadDone,
                           CutDone, Trimmed, TimestampFound, Compacted, Closed>;

// Where an engine leaves what it wants done and what it has to say.
struct Output {
  port::Effects& effects;
  std::vector<Event>& events;
};

// --- the engine --------------------------------------------------------------------------------

enum class OpenMode {
  kCreate,    // a new partition: an existing one in its place is an error
  kExisting,  // a known partition: absence is an error, never an empty log (G12)
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Starts opening; ends with Opened or OpenFailed. Called once, before anything else.
  virtual void open(const Now& now, OpenMode mode, Output& out) = 0;

  // Tries to become writable again after Failed; ends with Opened (after a replay) or Failed.
  // REQUIRES: failed, and no reopen under way.
  virtual void reopen(const Now& now, Output& out) = 0;

  // Takes over one batch. REQUIRES: open, not failed, base offset not below end() (see Append).
  virtual void append(const Now& now, Append append, Output& out) = 0;

  // Returns the batches at once if they are in memory; otherwise nothing, and ReadDone follows.
  // REQUIRES: start() <= from. An empty chain means no batch lies in [from, limit).
  virtual std::optional<BufferChain> read(const Now& now, const Read& read, Output& out) = 0;

  // First record with timestamp >= `timestamp` below `limit`; TimestampFound follows.
  virtual void find_timestamp(const Now& now, uint64_t ticket, int64_t timestamp, Offset limit,
                              Output& out) = 0;

  // The first of the records below `limit` that have the largest timestamp (ListOffsets with -3,
  // KIP-734); TimestampFound follows.
  virtual void find_max_timestamp(const Now& now, uint64_t ticket, Offset limit, Output& out) = 0;

  // Removes all batches at and above `end` (a batch boundary), durably; replays, then CutDone, or
  // Failed. No appends until then. REQUIRES: start() <= end <= end().
  virtual void cut(const Now& now, Offset end, Output& out) = 0;

  // Throws everything away, the saved checkpoint too, and leaves an empty log that begins and ends
  // at `at`, which may be lower or higher than what there was; durably. Replays (nothing), then
  // CutDone, or Failed. No appends until then. A crash in the middle leaves the old log, whole, or
  // the new one. Reads and searches under way may fail. REQUIRES: open, not failed; 0 <= at.
  virtual void begin_anew(const Now& now, Offset at, Output& out) = 0;

  // Makes `start` the first readable offset, durably, and frees what lies wholly below it and below
  // the saved checkpoint, which replay needs. Trimmed follows. Works after Failed, too.
  // REQUIRES: start <= end().
  virtual void trim(const Now& now, Offset start, Output& out) = 0;

  // Where the log would start if `retention` were applied now: start(), or the border of a segment.
  // Never beyond `limit`.
  virtual Offset retained_start(const Now& now, const Retention& retention, Offset limit) const = 0;

  // Keeps, for each key, only the last record below `limit` (cleanup.policy=compact), as far as
  // segments that are no longer written and the saved checkpoint reach. A tombstone goes once
  // `tombstone_age` has passed since compaction first saw it (delete.retention.ms, KIP-534); with
  // Duration::max() it stays, and its time does not begin. Cheap if there is nothing to do. Ends
  // with Compacted. REQUIRES: no compaction is under way.
  virtual void compact(const Now& now, Offset limit, Duration tombstone_age, Output& out) = 0;

  // From now on, and for good, offsets may be missing between batches, whatever the settings
  // become: a compacted log is being copied. (compact() does the same.) It counts once
  // expects_gaps() says so, which is when it is durable. REQUIRES: open.
  virtual void expect_gaps(const Now& now, Output& out) = 0;
  virtual bool expects_gaps() const = 0;

  // Stores the partition's own state as it is after the batch that ends at `at`, so that replay can
  // begin there. The newest durable one at or below the end is what ReplayBegan returns.
  virtual void save_checkpoint(const Now& now, Offset at, Buffer state, Output& out) = 0;

  // True when it is worth calling save_checkpoint (a segment was rolled, much was appended).
  virtual bool wants_checkpoint() const = 0;

  // Makes everything durable and ends with Closed. Only step() may be called afterwards. After
  // Failed, or if a write fails now, Closed says so; what was reported durable is safe all the
  // same.
  virtual void close(const Now& now, Output& out) = 0;

  // A disk effect of this engine finished.
  virtual void step(const Now& now, const port::DiskDone& done, Output& out) = 0;

  // Time passed: interval syncs, rolling by age. Call at or after next_deadline().
  virtual void tick(const Now& now, Output& out) = 0;
  virtual Instant next_deadline() const = 0;

  // `recent_bytes` applies at once, everything else from the next append on.
  virtual void configure(const EngineConfig& config) = 0;

  virtual Offset start() const = 0;           // first readable offset
  virtual Offset end() const = 0;             // one after the last appended
  virtual uint64_t size_bytes() const = 0;    // what the batches occupy
  virtual int64_t max_timestamp() const = 0;  // largest record timestamp held, -1 if none
};

}  // namespace magpie::engine
