// Which partitions really exist on a node's disk.
//
// A topic is committed first and its partitions' files are created afterwards. Without a record of
// how far that went, a node that stopped in between could not tell a partition that was never
// created (create it now) from one whose files are gone (refuse to serve it: G12). So a node
// commits this fact when the files exist, and only then lets anyone write to the partition.
//
// At a start, partitions below State::created_partitions() are opened as known ones; the others are
// created, after removing what an interrupted attempt left behind: nothing was ever acknowledged
// there.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/uuid.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

struct PartitionsMarked {
  int32_t partitions = 0;
};

// Records that the first `partitions` partitions of the topic exist on `node`; partitions placed on
// other nodes count as existing here. Refused with kUnknownTopicId if the topic is gone. Never
// lowers the number. REQUIRES: 1 <= partitions <= those of the topic.
Decided<PartitionsMarked> decide_mark_created(const State& state, NodeId node, const Uuid& topic,
                                              int32_t partitions);

}  // namespace magpie::control
