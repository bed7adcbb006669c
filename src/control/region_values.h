// The values of regions, nodes and offset ceilings; see values.h and
// docs/formats/control-store.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/uuid.h"
#include "control/region.h"

namespace magpie::control {

std::string encode_region(const Region& region);
Result<Region> decode_region(std::string_view key, std::string_view name, std::string_view value);

std::string encode_node(const Node& node);
Result<Node> decode_node(std::string_view key, NodeId id, std::string_view value);

// That a node with this incarnation holds its lease.
std::string encode_alive(const Uuid& incarnation);
Result<Uuid> decode_alive(std::string_view key, std::string_view value);

// For each partition of a topic. A missing entry is 0.
struct Ceilings {
  std::vector<Offset> offsets;  // below them its leader may give out offsets
  // No leader gives out an offset below them that its log does not hold: leaders that were lost may
  // have done so.
  std::vector<Offset> floors;

  Offset ceiling(PartitionIndex partition) const { return at(offsets, partition); }
  Offset floor(PartitionIndex partition) const { return at(floors, partition); }
  bool operator==(const Ceilings&) const = default;

 private:
  static Offset at(const std::vector<Offset>& list, PartitionIndex partition) {
    const auto index = static_cast<size_t>(partition.value);
    return index < list.size() ? list[index] : Offset{};
  }
};
std::string encode_ceilings(const Ceilings& ceilings);
Result<Ceilings> decode_ceilings(std::string_view key, std::string_view value);

}  // namespace magpie::control
