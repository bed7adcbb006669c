// Idempotent producers: a retried batch is stored once (G8).
//
// A producer numbers its records per partition. The table remembers, for each producer, its epoch
// and the last five batches; a batch is new only if it continues where the last one ended. Five is
// the number of requests a client may have in flight (KIP-98, max.in.flight ≤ 5), so every retry
// still finds its original. Sequence numbers count records and wrap from 2^31-1 to 0.
//
// After an epoch was opened with loss a producer goes on behind records that are gone. It may jump
// forward once, in that epoch or in any later one: as long as its newest batch is older than the
// newest such epoch. What it jumped over is remembered and accepted once, should it come after all
// (a retry, or records replayed from salvage). A producer all of whose batches are gone may begin
// anywhere, and what lies before counts as jumped over. Whether a jump is one, or its beginning is
// only late, is for whoever appends to find out (jump_offers.h).
//
// That a batch was stored longer ago than the table remembers is said only if it must be so,
// because clients take it for an acknowledgement. Where a jump may have been forgotten the batch is
// out of order instead.
//
// The table is rebuilt from the batches' own headers, so it fails over with the log. Producers are
// forgotten by the broker's clock, never by record timestamps, which clients choose freely; what
// was rebuilt counts as seen at the time of the rebuild.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/ids.h"
#include "base/time.h"
#include "record/batch.h"

namespace magpie::partition {

enum class SequenceVerdict {
  kNew,             // append it
  kJump,            // append it if it is offered twice (jump_offers.h): records before it are gone
  kDuplicate,       // one of the last five: answer with the original's offset
  kOldDuplicate,    // stored longer ago, below `original`: DUPLICATE_SEQUENCE_NUMBER
  kOutOfOrder,      // leaves a gap: OUT_OF_ORDER_SEQUENCE_NUMBER
  kFenced,          // older producer epoch: INVALID_PRODUCER_EPOCH
  kUnknownProducer  // not at sequence 0 and not remembered: UNKNOWN_PRODUCER_ID
};

// Sequence number `count` records after `sequence`.
int32_t sequence_plus(int32_t sequence, int64_t count);
// Whether `a` lies before `b`, by the nearer way round the wrap.
bool sequence_precedes(int32_t a, int32_t b);

class ProducerTable {
 public:
  static constexpr size_t kWindow = 5;

  struct StoredBatch {
    int32_t first_sequence = -1;
    int32_t last_sequence = -1;
    Offset base_offset;
    Offset last_offset;
    int64_t max_timestamp = -1;
    bool operator==(const StoredBatch&) const = default;
  };
  // Sequence numbers [first, last] that were jumped over; none if `first` is -1.
  struct Gap {
    int32_t first = -1;
    int32_t last = -1;
    bool operator==(const Gap&) const = default;
  };
  struct Producer {
    ProducerEpoch epoch{-1};
    LeaderEpoch written_in = kNoLeaderEpoch;    // the newest batch
    uint8_t count = 0;                          // of `window` in use
    std::array<StoredBatch, kWindow> window{};  // oldest first
    Instant last_seen;
    Gap gap;
    const StoredBatch& newest() const { return window[count - 1]; }
  };
  struct Answer {
    SequenceVerdict verdict = SequenceVerdict::kNew;
    // For kDuplicate. For kOldDuplicate: the one that lies last.
    StoredBatch original;
  };

  // `capacity`: producers remembered at most; the one seen longest ago makes room.
  explicit ProducerTable(size_t capacity) : capacity_(capacity) {}

  // What to do with a batch that has a producer id. Changes nothing.
  Answer check(const record::BatchHeader& header) const;

  // `epoch` was opened with loss. Only the newest one counts; clear() and decode() keep it.
  void opened_with_loss(LeaderEpoch epoch) { last_loss_ = std::max(last_loss_, epoch); }
  LeaderEpoch last_loss() const { return last_loss_; }

  // Remembers an appended batch (also during replay). Batches without producer id are ignored.
  void apply(const record::BatchHeader& header, Instant now);

  // Forgets producers not seen for `age`.
  void expire(Instant now, Duration age);
  // When expire() would next forget one.
  Instant next_expiry(Duration age) const;

  size_t size() const { return producers_.size(); }
  const std::map<ProducerId, Producer>& producers() const { return producers_; }
  void clear();

  void encode(ByteWriter& out) const;
  // Replaces the content; everyone counts as seen `now`. False if malformed (table then empty).
  // `with_epochs`: false for what builds wrote that did not note when a batch was written.
  bool decode(ByteReader& in, Instant now, bool with_epochs = true);

 private:
  static bool fills_gap(const Producer& producer, const StoredBatch& batch);
  static void remember(Producer& producer, const StoredBatch& batch, bool may_have_jumped);
  bool surely_stored(const Producer& producer, const StoredBatch& batch) const;
  bool may_jump(const Producer& producer) const { return producer.written_in < last_loss_; }
  void touch(ProducerId id, Producer& producer, Instant now);
  void make_room();

  size_t capacity_;
  LeaderEpoch last_loss_ = kNoLeaderEpoch;
  std::map<ProducerId, Producer> producers_;
  std::set<std::pair<Instant, ProducerId>> by_last_seen_;
};

}  // namespace magpie::partition
