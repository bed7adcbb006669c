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

// For each partition of a topic, the offset below which its leader may give out offsets.
using Ceilings = std::vector<Offset>;
std::string encode_ceilings(const Ceilings& ceilings);
Result<Ceilings> decode_ceilings(std::string_view key, std::string_view value);

}  // namespace magpie::control
