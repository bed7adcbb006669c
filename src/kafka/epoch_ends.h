// Where an epoch ended in the leader's log, as consumers need to know it (KIP-320).
#pragma once

#include "partition/partition.h"

namespace magpie::kafka {

// Of an epoch older than all known ones there is no record, by retention or by a loss, so it ended
// where the known ones begin. To say "unknown" would make consumers start over as auto.offset.reset
// says, and perhaps skip what they have yet to read. {-1, -1} for an epoch that is yet to come.
// REQUIRES: the partition leads.
partition::EpochCache::EpochEnd end_of_epoch(const partition::Partition& partition,
                                             LeaderEpoch asked);

}  // namespace magpie::kafka
