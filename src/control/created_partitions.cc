#include "control/created_partitions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "control/keys.h"
#include "control/transaction_builder.h"
#include "control/values.h"

namespace magpie::control {

namespace {

// Other directories of a node may come back: a volume that was not mounted for a while. Of so many
// it is known what they hold.
constexpr size_t kOthersMax = 3;

// Forgets what was marked longest ago.
void make_room(const State& state, const DataDirectory& disk, const Uuid& topic,
               Transaction& transaction) {
  const std::string prefix = created_key(disk.node, topic) + "/";
  const std::string own = created_key(disk.node, topic, disk.incarnation);
  std::vector<std::string> others;
  auto at = state.entries().lower_bound(prefix);
  for (; at != state.entries().end() && at->first.starts_with(prefix); ++at) {
    if (at->first != own) others.push_back(at->first);
  }
  std::stable_sort(others.begin(), others.end(), [&](const auto& one, const auto& other) {
    return state.modified(one) > state.modified(other);
  });
  for (size_t i = kOthersMax; i < others.size(); ++i) {
    change_key(state, others[i], std::nullopt, transaction);
  }
}

}  // namespace

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
  CreatedPartitions created{decision.answer.partitions, std::nullopt, {}};
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
  const std::string key = created_key(disk.node, topic, disk.incarnation);
  decision.transaction.compares = {{topic_key(found->name), state.modified(topic_key(found->name))},
                                   {key, state.modified(key)}};
  if (known != nullptr) compare_key(state, node_key(disk.node), decision.transaction);
  decision.transaction.changes = {{key, encode_created(created)}};
  if (disk.incarnation) make_room(state, disk, topic, decision.transaction);
  return decision;
}

}  // namespace magpie::control
