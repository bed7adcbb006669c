#include "sim/topics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace magpie::sim {

Topics::Topics(Scene& scene, const Knobs& knobs) : scene_(scene) {
  const std::string segment_bytes = std::to_string(knobs.segment_bytes);
  for (int i = 0; i < knobs.topics; ++i) {
    SimTopic topic;
    topic.name = fmt::format("plain-{}", i);
    topic.partitions = knobs.partitions;
    topic.configs = {{"internal.segment.bytes", segment_bytes}, {"retention.ms", "-1"}};
    add(std::move(topic));
  }
  if (knobs.compacted_topic) {
    const Duration tombstone_age = knobs.tombstone_age;
    SimTopic topic;
    topic.name = "compacted";
    topic.configs = {{"internal.segment.bytes", "1024"},
                     {"cleanup.policy", "compact"},
                     {"delete.retention.ms", fmt::format("{}", tombstone_age.to_milliseconds())},
                     {"min.cleanable.dirty.ratio", "0.01"}};
    topic.compacted = true;
    topic.tombstone_age = tombstone_age;
    add(std::move(topic));
  }
  if (knobs.trimmed_topic) {
    SimTopic topic;
    topic.name = "trimmed";
    topic.configs = {{"internal.segment.bytes", segment_bytes}, {"retention.ms", "-1"}};
    add(std::move(topic));
  }
  if (knobs.retention_topic) {
    SimTopic topic;
    topic.name = "short-lived";
    topic.configs = {{"internal.segment.bytes", segment_bytes},
                     {"retention.bytes", std::to_string(knobs.segment_bytes * 2)}};
    topic.may_trim = true;
    add(std::move(topic));
  }
}

void Topics::add(SimTopic topic) {
  for (int32_t p = 0; p < topic.partitions; ++p) {
    Ledger::Settings settings{fmt::format("{}-{}", topic.name, p), topic.compacted, topic.may_trim,
                              topic.tombstone_age};
    ledgers_[{topic.name, p}] = std::make_unique<Ledger>(scene_, std::move(settings));
  }
  list_.push_back(std::move(topic));
}

void Topics::power_lost() {
  lost_power_ = true;
  for (auto& [key, ledger] : ledgers_) ledger->power_lost();
}

void Topics::saw_leader(const std::string& topic, int32_t partition, int32_t epoch, int32_t node) {
  const auto found = ledgers_.find({topic, partition});
  if (found != ledgers_.end()) found->second->saw_leader(epoch, node);
}

void Topics::set_acknowledged(const Hear& hear) {
  for (auto& [key, ledger] : ledgers_) {
    ledger->set_acknowledged([hear, key = key](int64_t offset, uint32_t crc) {
      hear(key.first, key.second, offset, crc);
    });
  }
}

const SimTopic& Topics::find(const std::string& name) const {
  const auto found = std::find_if(list_.begin(), list_.end(),
                                  [&](const SimTopic& topic) { return topic.name == name; });
  CHECK(found != list_.end());
  return *found;
}

const SimTopic& Topics::find(const Uuid& id) const {
  const auto found = std::find_if(list_.begin(), list_.end(),
                                  [&](const SimTopic& topic) { return topic.id == id; });
  CHECK(found != list_.end());
  return *found;
}

Ledger& Topics::ledger(const std::string& topic, int32_t partition) {
  return *ledgers_.at({topic, partition});
}

}  // namespace magpie::sim
