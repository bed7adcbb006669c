#include "sim/planted_names.h"

#include <algorithm>

namespace magpie::sim {
namespace {

constexpr PlantedName kNames[] = {
    {PlantedBug::kAckBeforeFsync, "ack-before-fsync", 10},
    {PlantedBug::kHighWatermarkAhead, "high-watermark-ahead", 10},
    {PlantedBug::kDedupeWindowLost, "dedupe-window-lost", 10},
    {PlantedBug::kDedupeIgnoresInFlight, "dedupe-ignores-in-flight", 60},
    {PlantedBug::kTornMiddleAsTail, "torn-middle-as-tail", 100},
    {PlantedBug::kMissingLogIsEmpty, "missing-log-is-empty", 100},
    {PlantedBug::kStartNotPersisted, "start-not-persisted", 10},
    {PlantedBug::kCheckpointBeforeSync, "checkpoint-before-sync", 100},
    {PlantedBug::kFailedSyncForgotten, "failed-sync-forgotten", 40},
    {PlantedBug::kEpochReused, "epoch-reused", 10},
    {PlantedBug::kCommitBeforeDurable, "commit-before-durable", 60},
    {PlantedBug::kGenerationNotFenced, "generation-not-fenced", 20},
    {PlantedBug::kTombstoneKeptNot, "tombstone-kept-not", 40},
    {PlantedBug::kCompactionKeepsOldest, "compaction-keeps-oldest", 40},
    {PlantedBug::kMetadataBeforeDurable, "metadata-before-durable", 100},
    {PlantedBug::kAckWithoutMembers, "ack-without-members", 5, true},
    {PlantedBug::kPositionsOutliveEpoch, "positions-outlive-epoch", 30, true},
    {PlantedBug::kAckBeforeOpen, "ack-before-open", 20, true},
    {PlantedBug::kShrunkStaysPromotable, "shrunk-stays-promotable", 100, true},
    {PlantedBug::kBlockIgnored, "block-ignored", 20, true},
    {PlantedBug::kCeilingIgnored, "ceiling-ignored", 20, true},
    {PlantedBug::kEpochNotCounted, "epoch-not-counted", 5, true},
    {PlantedBug::kPromotionOfStranger, "promotion-of-stranger", 100, true},
    {PlantedBug::kIncarnationIgnored, "incarnation-ignored", 100, true},
    {PlantedBug::kSpentEpochGoesOn, "spent-epoch-goes-on", 100, true},
    {PlantedBug::kDivergenceByLength, "divergence-by-length", 100, true},
    {PlantedBug::kFollowersForgetProducers, "followers-forget-producers", 100, true},
    {PlantedBug::kShrinkBeforeCommit, "shrink-before-commit", 100, true},
    {PlantedBug::kJoiningCountsAtOnce, "joining-counts-at-once", 100, true},
    {PlantedBug::kOpensWithLacking, "opens-with-lacking", 100, true},
    {PlantedBug::kCutBeforeExport, "cut-before-export", 100, true},
    {PlantedBug::kStoreNeeded, "store-needed", 20, true},
    {PlantedBug::kPowerLossForgotten, "power-loss-forgotten", 40, true},
    {PlantedBug::kLeaseIgnored, "lease-ignored", 40, true},
    {PlantedBug::kOldDirectoryBelieved, "old-directory-believed", 60, true, 101},
    {PlantedBug::kFloorIgnored, "floor-ignored", 20, true},
    {PlantedBug::kFenceIgnored, "fence-ignored", 40, true, 400},
    {PlantedBug::kAnyJumpTaken, "any-jump-taken", 20, true},
    {PlantedBug::kCopyShowsAll, "copy-shows-all", 20, true},
    {PlantedBug::kClampedTooFar, "clamped-too-far", 100, true},
};

}  // namespace

std::span<const PlantedName> planted_names() {
  return kNames;
}

std::optional<PlantedBug> find_planted(std::string_view name) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const PlantedName& entry) { return entry.name == name; });
  if (found == std::end(kNames)) return std::nullopt;
  return found->bug;
}

}  // namespace magpie::sim
