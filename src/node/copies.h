// The node's partitions as links see them: found by topic id, called through the table.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "control/state.h"
#include "kafka/partition_table.h"
#include "link/copies.h"

namespace magpie::node {

class NodeCopies final : public link::Copies {
 public:
  // Both must outlive this object. `is_current` says whether the control store was read since the
  // start.
  NodeCopies(kafka::PartitionTable& partitions, const control::State& state,
             std::function<bool()> is_current)
      : partitions_(partitions), state_(state), is_current_(std::move(is_current)) {}

  std::optional<link::Route> find(const Uuid& topic, PartitionIndex index) const override;
  partition::Partition* at(link::Route route) override;
  // Well as long as the state is not current: a leader of long ago does not know who relies on this
  // copy by now.
  link::Condition condition(link::Route route) const override;
  void call(link::Route route, port::Effects& effects, const Action& action) override;

 private:
  kafka::PartitionTable& partitions_;
  const control::State& state_;
  std::function<bool()> is_current_;
};

}  // namespace magpie::node
