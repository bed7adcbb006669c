// Which leader epoch wrote which offsets.
//
// After a change of leadership two copies of a partition may differ beyond the point where one of
// them stopped following. The high watermark alone cannot find that point; the list of "epoch e
// began at offset o" can (KIP-101, KIP-279, KIP-320). Clients ask for it through
// OffsetForLeaderEpoch, followers when they reconcile.
//
// An epoch begins where the log ended when it wrote first. Its first record may lie higher (after a
// loss, offsets are left out); were that taken for its begin, the epoch before would seem to reach
// up to it, and a lost tail would pass for records that both copies hold.
//
// Entries are strictly increasing in epoch and never decreasing in offset. The cache is rebuilt
// from the batches' headers; an epoch that appended nothing leaves no trace, and needs none.
#pragma once

#include <optional>
#include <vector>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/ids.h"

namespace magpie::partition {

class EpochCache {
 public:
  struct Entry {
    LeaderEpoch epoch;
    Offset start;
    bool operator==(const Entry&) const = default;
  };
  // The largest epoch at or below the one asked for, and where it ended.
  struct EpochEnd {
    LeaderEpoch epoch = kNoLeaderEpoch;
    Offset end{-1};
    bool operator==(const EpochEnd&) const = default;
  };

  // Records that `epoch` wrote from `start` on. Known or older epochs change nothing.
  void assign(LeaderEpoch epoch, Offset start);

  // Epoch of the last batch; kNoLeaderEpoch if there never was one.
  LeaderEpoch latest() const;

  // Epoch of the batch that holds `offset`; kNoLeaderEpoch if it lies before all entries.
  LeaderEpoch epoch_of(Offset offset) const;

  // Answer to OffsetForLeaderEpoch. `current` is the leader's own epoch and `log_end` its log end:
  // the end of the newest epoch is the log end. An epoch newer than `current`, or older than all
  // known ones, yields {-1, -1} (UNDEFINED_EPOCH_OFFSET).
  EpochEnd end_of(LeaderEpoch asked, LeaderEpoch current, Offset log_end) const;

  // Forgets what began at or beyond `end` (a tail was cut).
  void cut(Offset end);
  // Moves the first entry up to `start` (the head was trimmed), keeping the epoch that covers it.
  void trim(Offset start);

  const std::vector<Entry>& entries() const { return entries_; }
  void clear() { entries_.clear(); }

  void encode(ByteWriter& out) const;
  // False if the bytes contradict the invariants; the cache is then empty.
  bool decode(ByteReader& in);

 private:
  std::vector<Entry> entries_;
};

}  // namespace magpie::partition
