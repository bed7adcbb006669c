// The node's partitions as links see them: found by topic id, called through the table.
#pragma once

#include <optional>

#include "control/state.h"
#include "kafka/partition_table.h"
#include "link/copies.h"

namespace magpie::node {

class NodeCopies final : public link::Copies {
 public:
  // Both must outlive this object.
  NodeCopies(kafka::PartitionTable& partitions, const control::State& state)
      : partitions_(partitions), state_(state) {}

  std::optional<link::Route> find(const Uuid& topic, PartitionIndex index) const override;
  partition::Partition* at(link::Route route) override;
  link::Condition condition(link::Route route) const override;
  void call(link::Route route, port::Effects& effects, const Action& action) override;

 private:
  kafka::PartitionTable& partitions_;
  const control::State& state_;
};

}  // namespace magpie::node
