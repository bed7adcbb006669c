// What decisions need to know besides the state: the node's own settings.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "control/topic.h"

namespace magpie::control {

struct Policy {
  // Nodes that may host partitions, sorted. While a region has one node, it is this one.
  std::vector<NodeId> nodes;
  int32_t default_partitions = 1;
  // Partitions one node may host; more are refused with INVALID_PARTITIONS.
  int64_t partitions_per_node = 20'000;
  // For how long a deleted topic can be restored; none: it goes at once.
  Duration keep_deleted{};
  // Topic defaults that differ from Kafka's, by topic config name; checked before the node starts
  // (topic_defaults_problem in decide_configs.h).
  ConfigValues topic_defaults;
};

}  // namespace magpie::control
