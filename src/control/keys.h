// The names under which cluster state is kept. docs/formats/metadata-journal.md and
// docs/formats/control-store.md list them for operators.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/uuid.h"

namespace magpie::control {

inline constexpr std::string_view kTopicPrefix = "topics/";
inline constexpr std::string_view kTopicConfigsPrefix = "configs/topics/";
inline constexpr std::string_view kProducerIdsKey = "producer_ids/next";
inline constexpr std::string_view kEpochsKey = "epochs/next";

// Of several regions.
inline constexpr std::string_view kRegionPrefix = "regions/";
inline constexpr std::string_view kNodePrefix = "nodes/";
inline constexpr std::string_view kAlivePrefix = "alive/";
inline constexpr std::string_view kGroupPrefix = "failover_groups/";
inline constexpr std::string_view kLeadershipPrefix = "leadership/";
inline constexpr std::string_view kCeilingsPrefix = "ceilings/";
inline constexpr std::string_view kOperationPrefix = "operations/";
inline constexpr std::string_view kCertificatePrefix = "certificates/";
inline constexpr std::string_view kAdoptedPrefix = "adopted/";
inline constexpr std::string_view kExposurePrefix = "exposure/";
inline constexpr std::string_view kDeletedTopicPrefix = "deleted_topics/";
inline constexpr std::string_view kDeletedGroupPrefix = "deleted_failover_groups/";

inline std::string deleted_topic_key(const Uuid& topic) {
  return std::string(kDeletedTopicPrefix) + to_string(topic);
}
inline std::string region_key(std::string_view region) {
  return std::string(kRegionPrefix).append(region);
}
inline std::string node_key(NodeId node) {
  return std::string(kNodePrefix) + std::to_string(node.value);
}
// Exists while the node holds its lease.
inline std::string alive_key(NodeId node) {
  return std::string(kAlivePrefix) + std::to_string(node.value);
}
// The policy of a failover group.
inline std::string group_key(std::string_view group) {
  return std::string(kGroupPrefix).append(group);
}
// Who leads the partitions of a failover group, in which epoch, and with whom.
inline std::string leadership_key(std::string_view group) {
  return std::string(kLeadershipPrefix).append(group);
}
// Offsets that leaders of the group have reserved in the partitions of a topic.
inline std::string ceilings_key(std::string_view group, const Uuid& topic) {
  return std::string(kCeilingsPrefix).append(group) + "/" + to_string(topic);
}

// A switchover or failover, by its number.
inline std::string operation_key(int64_t id) {
  return std::string(kOperationPrefix) + std::to_string(id);
}

// certificates/<operation>/<group>: what the move of a group has proven.
inline std::string certificates_prefix(int64_t operation) {
  return std::string(kCertificatePrefix) + std::to_string(operation) + "/";
}
inline std::string certificate_key(int64_t operation, std::string_view group) {
  return certificates_prefix(operation).append(group);
}

// adopted/<cluster id of a store>: nodes that knew that one may use this one (adoption.h).
inline std::string adopted_key(uint64_t store_id) {
  return std::string(kAdoptedPrefix) + std::to_string(store_id);
}

inline std::string topic_key(std::string_view topic) {
  return std::string(kTopicPrefix).append(topic);
}
inline std::string topic_configs_key(std::string_view topic) {
  return std::string(kTopicConfigsPrefix).append(topic);
}

// created/<node>/<topic id>/<data directory>: partitions of the topic that exist in that directory
// of the node; without the last part, of a node that is alone.
inline constexpr std::string_view kCreatedPrefix = "created/";
inline std::string created_key(NodeId node, const Uuid& topic,
                               const std::optional<Uuid>& directory = std::nullopt) {
  std::string key(kCreatedPrefix);
  key.append(std::to_string(node.value)).append("/").append(to_string(topic));
  return directory ? key + "/" + to_string(*directory) : key;
}

// What follows `prefix` in `key`; nothing if the key does not begin with it.
inline std::optional<std::string_view> without_prefix(std::string_view key,
                                                      std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return key.substr(prefix.size());
}

// The number that `text` writes, as the keys above do; nothing if it is anything else.
inline std::optional<NodeId> node_in_key(std::string_view text) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  if (std::to_string(value) != text) return std::nullopt;
  return NodeId{value};
}

inline std::optional<int64_t> operation_in_key(std::string_view key) {
  const auto rest = without_prefix(key, kOperationPrefix);
  if (!rest) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(rest->data(), rest->data() + rest->size(), value);
  if (error != std::errc() || end != rest->data() + rest->size() || value <= 0) return std::nullopt;
  if (std::to_string(value) != *rest) return std::nullopt;
  return value;
}

}  // namespace magpie::control
