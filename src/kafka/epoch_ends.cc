#include "kafka/epoch_ends.h"

namespace magpie::kafka {

partition::EpochCache::EpochEnd end_of_epoch(const partition::Partition& partition,
                                             LeaderEpoch asked) {
  if (asked.value < 0 || asked >= partition.leader_epoch()) return partition.epoch_end(asked);
  const auto& known = partition.epochs().entries();
  if (known.empty()) return {asked, partition.log_end()};
  if (asked < known.front().epoch) return {asked, known.front().start};
  return partition.epoch_end(asked);
}

}  // namespace magpie::kafka
