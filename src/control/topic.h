// One topic as the cluster knows it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/uuid.h"

namespace magpie::control {

struct Topic {
  std::string name;
  Uuid id;                        // a topic created again under the same name has another id
  std::vector<NodeId> placement;  // for each partition, the node that hosts it

  int32_t partition_count() const { return static_cast<int32_t>(placement.size()); }
  bool has_partition(PartitionIndex partition) const {
    return partition.value >= 0 && partition.value < partition_count();
  }
  bool operator==(const Topic&) const = default;
};

// Values set for a topic, by Kafka config name. What is not here has its default.
using ConfigValues = std::map<std::string, std::string, std::less<>>;

// One of them as a client sent it; the protocol allows the value to be null.
struct WantedConfig {
  std::string name;
  std::optional<std::string> value;
};

}  // namespace magpie::control
