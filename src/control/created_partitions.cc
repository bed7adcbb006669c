#include "control/created_partitions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "control/keys.h"
#include "control/transaction_builder.h"
#include "control/values.h"

namespace magpie::control {

Decided<PartitionsMarked> decide_mark_created(const State& state, const DataDirectory& disk,
                                              const Uuid& topic, int32_t partitions,
                                              const std::vector<int32_t>& absent) {
  const Topic* found = state.find_topic(topic);
  if (found == nullptr) {
    return refuse(RefusalCode::kUnknownTopicId,
                  fmt::format("there is no topic with id {}", to_string(topic)));
  }
  const Node* known = state.find_node(disk.node);
  if (disk.incarnation && (known == nullptr || known->first_incarnation() != *disk.incarnation)) {
    return refuse(
        RefusalCode::kUnavailable,
        fmt::format("node {} is not registered with this data directory", disk.node.value));
  }
  CHECK(partitions >= 1 && partitions <= found->partition_count());
  Decision<PartitionsMarked> decision;
  const int32_t held = state.created_partitions(disk, topic);
  decision.answer.partitions = std::max(held, partitions);
  CreatedPartitions created{decision.answer.partitions, disk.incarnation, {}};
  bool changed = partitions > held;
  for (int32_t i = 0; i < created.partitions; ++i) {
    const bool existed = state.is_created(disk, topic, i);
    const bool looked_at = i < partitions;
    const bool exists =
        existed || (looked_at && !std::binary_search(absent.begin(), absent.end(), i));
    if (!exists) created.absent.push_back(i);
    changed = changed || exists != existed;
  }
  if (!changed) return decision;
  const std::string key = created_key(disk.node, topic);
  decision.transaction.compares = {{topic_key(found->name), state.modified(topic_key(found->name))},
                                   {key, state.modified(key)}};
  if (known != nullptr) compare_key(state, node_key(disk.node), decision.transaction);
  decision.transaction.changes = {{key, encode_created(created)}};
  return decision;
}

}  // namespace magpie::control
