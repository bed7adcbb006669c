// The names under which cluster state is kept. docs/formats/metadata-journal.md lists them for
// operators.
#pragma once

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
// Who leads the partitions of the failover group `default`, and in which epoch.
inline constexpr std::string_view kLeadershipKey = "failover_groups/default";

inline std::string topic_key(std::string_view topic) {
  return std::string(kTopicPrefix).append(topic);
}
inline std::string topic_configs_key(std::string_view topic) {
  return std::string(kTopicConfigsPrefix).append(topic);
}

// created/<node>/<topic id>: partitions of the topic that exist on the node's disk.
inline constexpr std::string_view kCreatedPrefix = "created/";
inline std::string created_key(NodeId node, const Uuid& topic) {
  return std::string(kCreatedPrefix) + std::to_string(node.value) + "/" + to_string(topic);
}

// What follows `prefix` in `key`; nothing if the key does not begin with it.
inline std::optional<std::string_view> without_prefix(std::string_view key,
                                                      std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return key.substr(prefix.size());
}

}  // namespace magpie::control
