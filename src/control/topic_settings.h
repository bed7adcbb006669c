// A topic's configuration as the partition and its log use it: typed, complete, safe to compute
// with.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "control/topic.h"

namespace magpie::control {

// Durations are clamped, because clients set "never" as the largest long; where Kafka has a value
// that means "no limit", the member is empty.
struct TopicSettings {
  bool deletes = true;    // cleanup.policy contains delete
  bool compacts = false;  // cleanup.policy contains compact

  std::optional<Duration> retention_age = Duration::seconds(604'800);  // retention.ms
  std::optional<int64_t> retention_bytes;                              // retention.bytes
  int64_t segment_bytes = 1'073'741'824;              // segment.bytes or internal.segment.bytes
  Duration segment_age = Duration::seconds(604'800);  // segment.ms
  int32_t index_interval_bytes = 4'096;               // index.interval.bytes

  Duration tombstone_age = Duration::seconds(86'400);  // delete.retention.ms
  Duration compaction_lag;                             // min.compaction.lag.ms
  int32_t min_dirty_percent = 50;                      // min.cleanable.dirty.ratio

  int32_t max_message_bytes = 1'048'588;                     // max.message.bytes
  bool log_append_time = false;                              // message.timestamp.type
  Duration timestamp_future_max = Duration::seconds(3'600);  // message.timestamp.after.max.ms
  std::optional<Duration> timestamp_past_max;                // message.timestamp.before.max.ms

  bool operator==(const TopicSettings&) const = default;
};

// What is in force for a topic: its own values, else the node's defaults, else Kafka's. A value
// that this version cannot read (set by a newer one) counts as not set.
TopicSettings effective_settings(const ConfigValues& topic_configs, const ConfigValues& defaults);

// The text in force for one key; empty for a hidden key that is not set.
// REQUIRES: the key exists (topic_configs.h).
std::string_view effective_config(std::string_view name, const ConfigValues& topic_configs,
                                  const ConfigValues& defaults);

}  // namespace magpie::control
