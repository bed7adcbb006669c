#include "sim/planted_names.h"

#include <algorithm>

namespace magpie::sim {
namespace {

constexpr PlantedName kNames[] = {
    {PlantedBug::kAckBeforeFsync, "ack-before-fsync", 20},
    {PlantedBug::kHighWatermarkAhead, "high-watermark-ahead", 20},
    {PlantedBug::kDedupeWindowLost, "dedupe-window-lost", 20},
    {PlantedBug::kDedupeIgnoresInFlight, "dedupe-ignores-in-flight", 40},
    {PlantedBug::kTornMiddleAsTail, "torn-middle-as-tail", 100},
    {PlantedBug::kMissingLogIsEmpty, "missing-log-is-empty", 0},
    {PlantedBug::kStartNotPersisted, "start-not-persisted", 40},
    {PlantedBug::kCheckpointBeforeSync, "checkpoint-before-sync", 100},
    {PlantedBug::kFailedSyncForgotten, "failed-sync-forgotten", 20},
    {PlantedBug::kEpochReused, "epoch-reused", 20},
    {PlantedBug::kCommitBeforeDurable, "commit-before-durable", 20},
    {PlantedBug::kGenerationNotFenced, "generation-not-fenced", 40},
    {PlantedBug::kTombstoneKeptNot, "tombstone-kept-not", 0},
    {PlantedBug::kCompactionKeepsOldest, "compaction-keeps-oldest", 40},
    {PlantedBug::kMetadataBeforeDurable, "metadata-before-durable", 40},
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
