#include "node/copies.h"

#include "base/check.h"

namespace magpie::node {

std::optional<link::Route> NodeCopies::find(const Uuid& topic, PartitionIndex index) const {
  const control::Topic* known = state_.find_topic(topic);
  if (known == nullptr) return std::nullopt;
  const kafka::HostedPartition* hosted = partitions_.find(known->name, index);
  // Under the name of a topic that is being replaced the old one's partitions may still be here.
  if (hosted == nullptr || hosted->topic_id != topic) return std::nullopt;
  return hosted->route;
}

partition::Partition* NodeCopies::at(link::Route route) {
  kafka::HostedPartition* hosted = partitions_.find(route);
  return hosted == nullptr ? nullptr : hosted->partition.get();
}

link::Condition NodeCopies::condition(link::Route route) const {
  const kafka::HostedPartition* hosted = partitions_.find(route);
  if (hosted == nullptr) return link::Condition::kWell;
  if (hosted->unusable) return link::Condition::kLost;
  return hosted->partition->is_damaged() ? link::Condition::kDamaged : link::Condition::kWell;
}

void NodeCopies::call(link::Route route, port::Effects& effects, const Action& action) {
  kafka::HostedPartition* hosted = partitions_.find(route);
  CHECK(hosted != nullptr);
  partitions_.call(*hosted, effects,
                   [&](partition::Partition& copy, partition::Output& out) { action(copy, out); });
}

}  // namespace magpie::node
