// How positions, and groups with them, end by themselves. Internal to `group`.
//
// As in Kafka (KIP-211): positions of a group that has lost its members expire when it has been
// empty for the retention time (and nobody committed them from outside since, which Kafka does not
// ask); positions of a group that never had members expire one by one after their last commit; of a
// stable consumer group only those of topics that nobody in it subscribes to. A commit that named
// its own retention time (OffsetCommit 2 to 4) keeps it. Time is the broker's wall clock. A group
// with no members and no positions goes too. Positions of a topic that is away
// (GroupConfig::kept_prefix) wait for it, and their group with them.
#pragma once

#include "group/turn.h"

namespace magpie::group {

// One step of the sweep over all groups; sets when the next one is due.
void sweep(Turn& turn);

}  // namespace magpie::group
