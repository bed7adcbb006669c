// The node's partitions, as replication sees them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/uuid.h"
#include "partition/partition.h"
#include "port/effect.h"

namespace magpie::link {

// The node's number for one of its partitions.
using Route = uint32_t;

// What a copy can be read of.
enum class Condition {
  kWell,
  kDamaged,  // a read met bytes that are not what was written, or that the disk does not give
  kLost      // it could not be opened for that reason; nobody gives it a role
};

class Copies {
 public:
  using Action = std::function<void(partition::Partition&, partition::Output&)>;

  virtual ~Copies() = default;

  // Nothing if this node does not host it, or has not opened it.
  virtual std::optional<Route> find(const Uuid& topic, PartitionIndex index) const = 0;

  // Null if it is gone.
  virtual partition::Partition* at(Route route) = 0;

  // kWell if it is gone.
  virtual Condition condition(Route route) const = 0;

  // Calls `action` on the partition, which must be there, and keeps what it says for later.
  virtual void call(Route route, port::Effects& effects, const Action& action) = 0;
};

}  // namespace magpie::link
