// Which partitions really exist on a node's disk.
//
// A topic is committed first and its partitions' files are created afterwards. Without a record of
// how far that went, a node that stopped in between could not tell a partition that was never
// created (create it now) from one whose files are gone (refuse to serve it: G12). So a node
// commits this fact when the files exist, and only then lets anyone write to the partition.
//
// At a start, partitions for which State::is_created() are opened as known ones; the others are
// created, after removing what an interrupted attempt left behind: nothing was ever acknowledged
// there. Those that belong to other nodes are recorded as absent: one of them may move here later.
// The fact is one of a data directory. A node that begins with an empty one has created nothing,
// and if its former one comes back, as a volume does that was not mounted, it holds what it held.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/uuid.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

struct PartitionsMarked {
  int32_t partitions = 0;
};

// Records that the first `partitions` partitions of the topic exist on `disk`, without those in
// `absent`, which is in ascending order. Refused with kUnknownTopicId if the topic is gone, and
// with kUnavailable unless that directory is the one its node is registered with: while a region is
// removed none of its is. What exists once stays so. REQUIRES: 1 <= partitions <= those of the
// topic.
Decided<PartitionsMarked> decide_mark_created(const State& state, const DataDirectory& disk,
                                              const Uuid& topic, int32_t partitions,
                                              const std::vector<int32_t>& absent = {});

}  // namespace magpie::control
