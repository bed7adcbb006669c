#include "control/topic_configs.h"

#include <algorithm>
#include <array>
#include <vector>

namespace magpie::control {
namespace {

constexpr std::string_view kStoredAsSent =
    "Batches are stored and delivered exactly as the producer sent them, so nothing is compressed "
    "again; producers choose the codec.";
constexpr std::string_view kNoTieredStorage =
    "Magpie keeps all records in its own log; there is no tiered storage to control.";
constexpr std::string_view kFsyncPolicy =
    "When records are forced to disk is decided by the node's `fsync` setting (default: before "
    "every acknowledgement), which a topic cannot weaken.";
constexpr std::string_view kReplicationTraffic =
    "How much bandwidth replication may use is set per link between regions, not per replica.";

constexpr ConfigDefinition kDefinitions[] = {
    {.name = "cleanup.policy",
     .type = ConfigType::kList,
     .default_value = "delete",
     .rule = ConfigRule::kListOf,
     .choices = "compact,delete",
     .broker_name = "log.cleanup.policy",
     .documentation = "How old records are removed: `delete` drops whole segments by age and size, "
                      "`compact` keeps the last record of each key, both together do both. An "
                      "empty list keeps everything."},
    {.name = "compression.gzip.level",
     .type = ConfigType::kInt,
     .default_value = "-1",
     .low = -1,
     .high = 9,
     .broker_name = "compression.gzip.level",
     .support = ConfigSupport::kAccepted,
     .documentation = "Level used where the broker compresses with gzip.",
     .effect = kStoredAsSent},
    {.name = "compression.lz4.level",
     .type = ConfigType::kInt,
     .default_value = "9",
     .low = 1,
     .high = 17,
     .broker_name = "compression.lz4.level",
     .support = ConfigSupport::kAccepted,
     .documentation = "Level used where the broker compresses with lz4.",
     .effect = kStoredAsSent},
    {.name = "compression.type",
     .type = ConfigType::kString,
     .default_value = "producer",
     .rule = ConfigRule::kOneOf,
     .choices = "uncompressed,zstd,lz4,snappy,gzip,producer",
     .broker_name = "compression.type",
     .support = ConfigSupport::kAccepted,
     .documentation =
         "Codec in which records are stored; `producer` keeps what the producer chose.",
     .effect = kStoredAsSent},
    {.name = "compression.zstd.level",
     .type = ConfigType::kInt,
     .default_value = "3",
     .low = -131'072,
     .high = 22,
     .broker_name = "compression.zstd.level",
     .support = ConfigSupport::kAccepted,
     .documentation = "Level used where the broker compresses with zstd.",
     .effect = kStoredAsSent},
    {.name = "delete.retention.ms",
     .type = ConfigType::kLong,
     .default_value = "86400000",
     .low = 0,
     .broker_name = "log.cleaner.delete.retention.ms",
     .documentation = "How long a compacted topic keeps tombstones (records without a value), so "
                      "that a consumer reading from the start learns of every deletion."},
    {.name = "file.delete.delay.ms",
     .type = ConfigType::kLong,
     .default_value = "60000",
     .low = 0,
     .broker_name = "log.segment.delete.delay.ms",
     .support = ConfigSupport::kAccepted,
     .documentation = "How long a dropped segment's files stay on disk.",
     .effect = "Files are removed as soon as their records are dropped; reads under way are not "
               "disturbed."},
    {.name = "flush.messages",
     .type = ConfigType::kLong,
     .default_value = "9223372036854775807",
     .low = 1,
     .broker_name = "log.flush.interval.messages",
     .support = ConfigSupport::kAccepted,
     .documentation = "After how many records the log is forced to disk.",
     .effect = kFsyncPolicy},
    {.name = "flush.ms",
     .type = ConfigType::kLong,
     .default_value = "9223372036854775807",
     .low = 0,
     .broker_name = "log.flush.interval.ms",
     .support = ConfigSupport::kAccepted,
     .documentation = "After what time the log is forced to disk.",
     .effect = kFsyncPolicy},
    {.name = "follower.replication.throttled.replicas",
     .type = ConfigType::kList,
     .rule = ConfigRule::kReplicaList,
     .support = ConfigSupport::kAccepted,
     .documentation = "Replicas whose followers are throttled, as partition:node pairs or `*`.",
     .effect = kReplicationTraffic},
    {.name = "index.interval.bytes",
     .type = ConfigType::kInt,
     .default_value = "4096",
     .low = 0,
     .broker_name = "log.index.interval.bytes",
     .documentation = "How many bytes of records lie between two entries of the offset index. "
                      "Less makes lookups shorter and indexes larger."},
    {.name = "internal.segment.bytes",
     .type = ConfigType::kInt,
     .low = 1,
     .documentation = "Replaces segment.bytes without its lower limit. For tests.",
     .hidden = true},
    {.name = "leader.replication.throttled.replicas",
     .type = ConfigType::kList,
     .rule = ConfigRule::kReplicaList,
     .support = ConfigSupport::kAccepted,
     .documentation = "Replicas whose leaders are throttled, as partition:node pairs or `*`.",
     .effect = kReplicationTraffic},
    {.name = "local.retention.bytes",
     .type = ConfigType::kLong,
     .default_value = "-2",
     .low = -2,
     .broker_name = "log.local.retention.bytes",
     .support = ConfigSupport::kAccepted,
     .documentation = "With tiered storage, how many bytes of a partition stay on local disks.",
     .effect = kNoTieredStorage},
    {.name = "local.retention.ms",
     .type = ConfigType::kLong,
     .default_value = "-2",
     .low = -2,
     .broker_name = "log.local.retention.ms",
     .support = ConfigSupport::kAccepted,
     .documentation = "With tiered storage, how long records stay on local disks.",
     .effect = kNoTieredStorage},
    {.name = "magpie.failover.group",
     .type = ConfigType::kString,
     .default_value = "default",
     .rule = ConfigRule::kGroupList,
     .documentation = "The failover group that the topic's partitions belong to: the unit in which "
                      "leadership moves between regions.",
     .effect = "Several names with commas between them spread the partitions: partition p belongs "
               "to the name in place p, and the list is used again from its start. The groups must "
               "exist; partitions can move only between groups that one node leads."},
    {.name = "max.compaction.lag.ms",
     .type = ConfigType::kLong,
     .default_value = "9223372036854775807",
     .low = 1,
     .broker_name = "log.cleaner.max.compaction.lag.ms",
     .support = ConfigSupport::kAccepted,
     .documentation = "After what time a record must have been looked at by compaction.",
     .effect = "Compaction looks at every compacted partition at a fixed interval and goes by "
               "min.cleanable.dirty.ratio alone."},
    {.name = "max.message.bytes",
     .type = ConfigType::kInt,
     .default_value = "1048588",
     .low = 0,
     .broker_name = "message.max.bytes",
     .documentation = "Largest record batch, as sent and so after compression. A larger one is "
                      "refused with MESSAGE_TOO_LARGE."},
    {.name = "message.downconversion.enable",
     .type = ConfigType::kBoolean,
     .default_value = "true",
     .broker_name = "log.message.downconversion.enable",
     .support = ConfigSupport::kAccepted,
     .documentation = "Whether records were converted to formats that Kafka 4 no longer has.",
     .effect = "No effect, as in Kafka 4: there is one record format."},
    {.name = "message.timestamp.after.max.ms",
     .type = ConfigType::kLong,
     .default_value = "3600000",
     .low = 0,
     .broker_name = "log.message.timestamp.after.max.ms",
     .documentation = "How far a record's timestamp may lie in the future of the broker's clock. "
                      "Beyond it the batch is refused with INVALID_TIMESTAMP. Ignored with "
                      "LogAppendTime."},
    {.name = "message.timestamp.before.max.ms",
     .type = ConfigType::kLong,
     .default_value = "9223372036854775807",
     .low = 0,
     .broker_name = "log.message.timestamp.before.max.ms",
     .documentation = "How far a record's timestamp may lie in the past of the broker's clock. "
                      "Beyond it the batch is refused with INVALID_TIMESTAMP. Ignored with "
                      "LogAppendTime."},
    {.name = "message.timestamp.type",
     .type = ConfigType::kString,
     .default_value = "CreateTime",
     .rule = ConfigRule::kOneOf,
     .choices = "CreateTime,LogAppendTime",
     .broker_name = "log.message.timestamp.type",
     .documentation = "Whether a record keeps the producer's timestamp or gets the time at which "
                      "the broker stored it."},
    {.name = "min.cleanable.dirty.ratio",
     .type = ConfigType::kDouble,
     .default_value = "0.5",
     .low = 0,
     .high = 1'000'000,
     .broker_name = "log.cleaner.min.cleanable.ratio",
     .documentation = "Share of a compacted log that must be dirty before it is compacted again."},
    {.name = "min.compaction.lag.ms",
     .type = ConfigType::kLong,
     .default_value = "0",
     .low = 0,
     .broker_name = "log.cleaner.min.compaction.lag.ms",
     .documentation = "How long a record is safe from compaction."},
    {.name = "min.insync.replicas",
     .type = ConfigType::kInt,
     .default_value = "1",
     .low = 1,
     .broker_name = "min.insync.replicas",
     .support = ConfigSupport::kAccepted,
     .documentation = "How many replicas must hold a record before a producer with acks=all hears "
                      "of it.",
     .effect = "How many regions must hold a record is the policy of the topic's failover group. "
               "This value neither raises nor lowers it."},
    {.name = "preallocate",
     .type = ConfigType::kBoolean,
     .default_value = "false",
     .broker_name = "log.preallocate",
     .support = ConfigSupport::kAccepted,
     .documentation = "Whether a new segment's file is created at its full size.",
     .effect = "Files grow as records arrive."},
    {.name = "remote.copy.lag.bytes",
     .type = ConfigType::kLong,
     .default_value = "0",
     .low = -1,
     .support = ConfigSupport::kAccepted,
     .documentation = "With tiered storage, how many bytes a segment may wait to be copied.",
     .effect = kNoTieredStorage},
    {.name = "remote.copy.lag.ms",
     .type = ConfigType::kLong,
     .default_value = "0",
     .low = -1,
     .support = ConfigSupport::kAccepted,
     .documentation = "With tiered storage, how long a segment may wait to be copied.",
     .effect = kNoTieredStorage},
    {.name = "remote.log.copy.disable",
     .type = ConfigType::kBoolean,
     .default_value = "false",
     .support = ConfigSupport::kAccepted,
     .documentation = "With tiered storage, whether copying to it is stopped.",
     .effect = kNoTieredStorage},
    {.name = "remote.log.delete.on.disable",
     .type = ConfigType::kBoolean,
     .default_value = "false",
     .support = ConfigSupport::kAccepted,
     .documentation = "Whether tiered data is deleted when tiered storage is switched off.",
     .effect = kNoTieredStorage},
    {.name = "remote.storage.enable",
     .type = ConfigType::kBoolean,
     .default_value = "false",
     .rule = ConfigRule::kOneOf,
     .choices = "false",
     .support = ConfigSupport::kAccepted,
     .documentation = "Whether old segments move to tiered storage.",
     .effect = kNoTieredStorage},
    {.name = "retention.bytes",
     .type = ConfigType::kLong,
     .default_value = "-1",
     .broker_name = "log.retention.bytes",
     .documentation =
         "With cleanup.policy=delete, how large a partition may grow before its oldest "
         "segments are dropped. Negative: no limit."},
    {.name = "retention.ms",
     .type = ConfigType::kLong,
     .default_value = "604800000",
     .low = -1,
     .broker_name = "log.retention.ms",
     .documentation = "With cleanup.policy=delete, how old a segment's newest record may become "
                      "before the segment is dropped. -1: no limit."},
    {.name = "segment.bytes",
     .type = ConfigType::kInt,
     .default_value = "1073741824",
     .low = 1'048'576,
     .broker_name = "log.segment.bytes",
     .documentation =
         "Size at which a new segment is begun. Records are dropped by whole segments."},
    {.name = "segment.index.bytes",
     .type = ConfigType::kInt,
     .default_value = "10485760",
     .low = 4,
     .broker_name = "log.index.size.max.bytes",
     .support = ConfigSupport::kAccepted,
     .documentation = "Largest size of a segment's index.",
     .effect = "Indexes grow with their segment and are not limited on their own."},
    {.name = "segment.jitter.ms",
     .type = ConfigType::kLong,
     .default_value = "0",
     .low = 0,
     .broker_name = "log.roll.jitter.ms",
     .support = ConfigSupport::kAccepted,
     .documentation = "Random time by which segments are begun earlier than segment.ms.",
     .effect = "Segments are begun exactly at segment.ms."},
    {.name = "segment.ms",
     .type = ConfigType::kLong,
     .default_value = "604800000",
     .low = 1,
     .broker_name = "log.roll.ms",
     .documentation = "Age at which a new segment is begun even if segment.bytes is not reached."},
    {.name = "unclean.leader.election.enable",
     .type = ConfigType::kBoolean,
     .default_value = "false",
     .broker_name = "unclean.leader.election.enable",
     .support = ConfigSupport::kAccepted,
     .documentation = "Whether a replica that may lack acknowledged records can become leader.",
     .effect = "Whether a failover may lose records is the policy of the topic's failover group; "
               "this value cannot permit it."},
};

constexpr bool is_sorted_by_name() {
  for (size_t i = 1; i < std::size(kDefinitions); ++i) {
    if (!(kDefinitions[i - 1].name < kDefinitions[i].name)) return false;
  }
  return true;
}
static_assert(is_sorted_by_name(), "find_topic_config searches by halves");

// Levenshtein's edit distance: insertions, deletions and replacements of one character.
size_t distance(std::string_view one, std::string_view other) {
  std::vector<size_t> row(other.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 0; i < one.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < other.size(); ++j) {
      const size_t replaced = diagonal + (one[i] == other[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::span<const ConfigDefinition> topic_config_definitions() {
  return kDefinitions;
}

const ConfigDefinition* find_topic_config(std::string_view name) {
  const auto* found =
      std::lower_bound(std::begin(kDefinitions), std::end(kDefinitions), name,
                       [](const ConfigDefinition& a, std::string_view b) { return a.name < b; });
  return found != std::end(kDefinitions) && found->name == name ? found : nullptr;
}

std::string_view nearest_topic_config(std::string_view name) {
  // Longer than any key and its typing errors; also bounds the work for names that clients invent.
  if (name.size() > 64) return {};
  std::string_view nearest;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const ConfigDefinition& definition : kDefinitions) {
    if (definition.hidden) continue;
    const size_t edits = distance(name, definition.name);
    if (edits >= least) continue;
    least = edits;
    nearest = definition.name;
  }
  return nearest;
}

}  // namespace magpie::control
