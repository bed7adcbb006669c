// Bugs put in on purpose, to prove that the simulator would notice them.
//
// A checker that never fails proves nothing. Each safety rule that matters has a place where a test
// build can break it: `if (planted(PlantedBug::kAckBeforeFsync)) …`. The simulator switches one on
// and must report a violation within a stated number of seeds (docs/simulator.md). In release
// builds `planted` is a constant false and the code behind it is not there.
#pragma once

#include <cstdint>

namespace magpie {

enum class PlantedBug : uint8_t {
  kNone,
  kAckBeforeFsync,         // an append is settled when written, not when synced
  kHighWatermarkAhead,     // consumers may read up to the log end
  kDedupeWindowLost,       // producers are not restored from the checkpoint and the batches
  kDedupeIgnoresInFlight,  // a retry of an uncommitted batch is acknowledged at once
  kTornMiddleAsTail,       // damage in the middle of a log is cut off like a torn tail
  kMissingLogIsEmpty,      // a known partition without files opens empty
  kStartNotPersisted,      // the log start is not stored before segments go
  kCheckpointBeforeSync,   // a checkpoint covers bytes that are not yet durable
  kFailedSyncForgotten,    // after a failed fsync the log goes on as if nothing happened
  kEpochReused,            // a restarted node leads in its old epoch
  kCommitBeforeDurable,    // a position is confirmed before its record is durable
  kGenerationNotFenced,    // a member of an old generation may commit
  kTombstoneKeptNot,       // compaction drops tombstones at once
  kCompactionKeepsOldest,  // compaction keeps the first value of a key
  kMetadataBeforeDurable,  // a topic is announced before its record is durable
  // Of several regions.
  kAckWithoutMembers,         // what the leader holds is committed, whoever else must hold it
  kPositionsOutliveEpoch,     // members count before they were compared in the new epoch
  kAckBeforeOpen,             // a new leader acknowledges before its epoch is open
  kShrunkStaysPromotable,     // who left the sync set may still take over without loss
  kBlockIgnored,              // a group that blocks goes on with too few copies
  kCeilingIgnored,            // offsets are given out that were not reserved
  kEpochNotCounted,           // a new epoch is not taken from the cluster's counter
  kPromotionOfStranger,       // anybody may take over without loss
  kIncarnationIgnored,        // a node that was rebuilt empty counts as the member it was
  kSpentEpochGoesOn,          // after a failed write the epoch goes on
  kDivergenceByLength,        // copies are compared by their ends instead of their epochs
  kFollowersForgetProducers,  // a follower keeps no deduplication window
  kShrinkBeforeCommit,        // a member is not waited for before its leaving is committed
  kJoiningCountsAtOnce,       // a member belongs to the sync set when it begins to join
  kOpensWithLacking,          // an epoch is opened with members that lack records
  kCutBeforeExport,           // a tail that differs is cut and not kept
  kStoreNeeded,               // no other site is asked to promise time
  kPowerLossForgotten,        // a node that may have lost unsynced records is who it was
  kLeaseIgnored,              // a leader acknowledges without lease and promises
  kOldDirectoryBelieved,      // a directory that was put back to an earlier state comes in
  kFloorIgnored,              // a term with loss begins where its leader's log ends
  kFenceIgnored,              // a failover with loss waits for no lease and no other site
  kAnyJumpTaken,              // a leader takes whatever sequence a producer goes on with
  kCopyShowsAll,              // a copy shows its readers what is not committed
  kClampedTooFar              // a position beyond a loss is set back to the beginning
};

#ifdef MAGPIE_PLANTED_BUGS
bool planted(PlantedBug bug);
// Switches on one bug for everything in this process; kNone switches off.
void plant(PlantedBug bug);
#else
constexpr bool planted(PlantedBug) {
  return false;
}
#endif

}  // namespace magpie
