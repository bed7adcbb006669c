#include "control/created_partitions.h"

#include <fmt/format.h>

#include "base/check.h"
#include "control/keys.h"
#include "control/transaction_builder.h"
#include "control/values.h"

namespace magpie::control {

Decided<PartitionsMarked> decide_mark_created(const State& state, NodeId node, const Uuid& topic,
                                              int32_t partitions) {
  const Topic* found = state.find_topic(topic);
  if (found == nullptr) {
    return refuse(RefusalCode::kUnknownTopicId,
                  fmt::format("there is no topic with id {}", to_string(topic)));
  }
  CHECK(partitions >= 1 && partitions <= found->partition_count());
  Decision<PartitionsMarked> decision;
  const int32_t held = state.created_partitions(node, topic);
  decision.answer.partitions = std::max(held, partitions);
  if (partitions <= held) return decision;
  const std::string key = created_key(node, topic);
  decision.transaction.compares = {{topic_key(found->name), state.modified(topic_key(found->name))},
                                   {key, state.modified(key)}};
  const Node* known = state.find_node(node);
  CreatedPartitions created{partitions, std::nullopt};
  if (known != nullptr) {
    created.incarnation = known->incarnation;
    compare_key(state, node_key(node), decision.transaction);
  }
  decision.transaction.changes = {{key, encode_created(created)}};
  return decision;
}

}  // namespace magpie::control
