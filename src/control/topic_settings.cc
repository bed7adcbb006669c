#include "control/topic_settings.h"

#include "base/check.h"
#include "control/config_definition.h"
#include "control/topic_configs.h"

namespace magpie::control {
namespace {

// Reads one topic's keys. Every key named here is in the table; a test goes through all of them.
class Reader {
 public:
  Reader(const ConfigValues& topic_configs, const ConfigValues& defaults)
      : topic_configs_(topic_configs), defaults_(defaults) {}

  std::string_view text(std::string_view name) const {
    return effective_config(name, topic_configs_, defaults_);
  }
  int64_t number(std::string_view name) const {
    const std::optional<int64_t> value = parse_integer(text(name));
    CHECK(value.has_value());
    return *value;
  }
  int32_t small_number(std::string_view name) const { return static_cast<int32_t>(number(name)); }
  int32_t percent(std::string_view name) const {
    const std::optional<int64_t> millionths = parse_millionths(text(name));
    CHECK(millionths.has_value());
    return static_cast<int32_t>(*millionths / 10'000);
  }
  Duration duration(std::string_view name) const { return Duration::milliseconds(number(name)); }
  bool contains(std::string_view name, std::string_view element) const {
    bool found = false;
    for_each_element(text(name), [&](std::string_view each) { found = found || each == element; });
    return found;
  }

 private:
  const ConfigValues& topic_configs_;
  const ConfigValues& defaults_;
};

const std::string* usable(const ConfigDefinition& definition, const ConfigValues& values) {
  const auto found = values.find(definition.name);
  if (found == values.end() || config_value_problem(definition, found->second)) return nullptr;
  return &found->second;
}

}  // namespace

std::string_view effective_config(std::string_view name, const ConfigValues& topic_configs,
                                  const ConfigValues& defaults) {
  const ConfigDefinition* definition = find_topic_config(name);
  CHECK(definition != nullptr);
  if (const std::string* own = usable(*definition, topic_configs)) return trim(*own);
  if (const std::string* given = usable(*definition, defaults)) return trim(*given);
  return definition->default_value;
}

TopicSettings effective_settings(const ConfigValues& topic_configs, const ConfigValues& defaults) {
  const Reader read(topic_configs, defaults);
  TopicSettings settings;
  settings.deletes = read.contains("cleanup.policy", "delete");
  settings.compacts = read.contains("cleanup.policy", "compact");

  settings.retention_age.reset();
  if (read.number("retention.ms") >= 0) settings.retention_age = read.duration("retention.ms");
  if (read.number("retention.bytes") >= 0)
    settings.retention_bytes = read.number("retention.bytes");
  const bool has_internal = !read.text("internal.segment.bytes").empty();
  settings.segment_bytes = read.number(has_internal ? "internal.segment.bytes" : "segment.bytes");
  settings.segment_age = read.duration("segment.ms");
  settings.index_interval_bytes = read.small_number("index.interval.bytes");

  settings.tombstone_age = read.duration("delete.retention.ms");
  settings.compaction_lag = read.duration("min.compaction.lag.ms");
  settings.min_dirty_percent = read.percent("min.cleanable.dirty.ratio");

  settings.max_message_bytes = read.small_number("max.message.bytes");
  settings.log_append_time = read.text("message.timestamp.type") == "LogAppendTime";
  settings.timestamp_future_max = read.duration("message.timestamp.after.max.ms");
  if (read.number("message.timestamp.before.max.ms") != INT64_MAX) {
    settings.timestamp_past_max = read.duration("message.timestamp.before.max.ms");
  }
  return settings;
}

}  // namespace magpie::control
