// Where two copies of a partition part.
//
// The problem: after a change of leadership a copy may hold records that its new leader does not
// have, at offsets that the leader uses for others. The idea: within one epoch a single leader
// wrote, and never gave an offset out twice, so two copies that both hold a record of an epoch
// agree on everything before it. It is therefore enough to find the newest epoch that both have
// written in, and the lower of the two ends of that epoch (KIP-101; one exchange of whole epoch
// lists replaces the repeated questions of KIP-279).
//
// Guarantee: nothing above the answer is the same in both copies unless it was never shared by
// replication; nothing below it differs, up to what compaction removed on one side.
//
// It relies on the epochs' true starts: compaction must not move them (engine.h: it keeps to what
// the saved checkpoint covers, and the checkpoint holds the epoch list).
#pragma once

#include <vector>

#include "base/ids.h"
#include "partition/epoch_cache.h"

namespace magpie::partition {

// What a copy says of itself.
struct CopyState {
  std::vector<EpochCache::Entry> epochs;
  Offset start;
  Offset end;

  bool operator==(const CopyState&) const = default;
};

struct Divergence {
  // The follower keeps what lies below.
  Offset common_end;
  // The leader no longer has the records that follow, or the follower, empty, begins beyond the
  // leader's end: its log must be begun anew at `restart_at`; what lies between is a gap to be
  // counted (G10).
  bool restart = false;
  Offset restart_at;

  bool operator==(const Divergence&) const = default;
};

// What a follower must do before it may follow.
Divergence find_divergence(const CopyState& leader, const CopyState& follower);

}  // namespace magpie::partition
