#include "control/group_list.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/limits.h"
#include "control/config_definition.h"
#include "control/failover_group.h"

namespace magpie::control {

std::vector<std::string> group_list(std::string_view value) {
  std::vector<std::string> groups;
  for_each_element(value, [&](std::string_view group) { groups.emplace_back(group); });
  return groups;
}

std::string group_for_partition(std::string_view value, PartitionIndex partition) {
  const std::vector<std::string> groups = group_list(value);
  CHECK(!groups.empty() && partition.value >= 0);
  return groups[static_cast<size_t>(partition.value) % groups.size()];
}

std::optional<std::string> group_list_problem(std::string_view value) {
  const std::vector<std::string> groups = group_list(value);
  if (groups.empty()) return "it must name a failover group";
  if (groups.size() > static_cast<size_t>(limits::kPartitionsPerTopic)) {
    return "it names more groups than a topic can have partitions";
  }
  for (const std::string& group : groups) {
    if (const auto problem = label_problem(group)) {
      return fmt::format("the name of a failover group {}", *problem);
    }
  }
  return std::nullopt;
}

}  // namespace magpie::control
