// The topic config `magpie.failover.group`: which failover groups a topic's partitions belong to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace magpie::control {

inline constexpr std::string_view kFailoverGroupConfig = "magpie.failover.group";

// One name, or several with commas between them: partition p belongs to the name in place p, and
// the list is used again from its start when there are more partitions. So "a" is one group for
// all, and "a,b" spreads the partitions over two.
std::vector<std::string> group_list(std::string_view value);

// REQUIRES: the value names at least one group, and the partition is not negative.
std::string group_for_partition(std::string_view value, PartitionIndex partition);

// What is wrong with such a value, as a sentence; nothing if it can be one.
std::optional<std::string> group_list_problem(std::string_view value);

}  // namespace magpie::control
