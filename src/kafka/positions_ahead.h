// Committed positions that lie beyond what there is to read.
//
// The problem: after a failover with loss a consumer group may have committed a position in the
// part of the log that was lost. An epoch that follows a loss begins above every offset that was
// given out, so such a position never points into newer records; but the group must not be reset,
// and somebody should know.
//
// What happens: a position is clamped to where the leader's log parts from what the group has read,
// when it is asked for, if this node leads the partition. If it is led elsewhere the position is
// handed out as it was committed, and the partition's leader sorts it out: it says where the epoch
// ended to a client that checks (OffsetForLeaderEpoch), and lets one that does not wait for the
// next record (fetch_requests.h). Either way nothing that can be read is skipped (G9).
//
// What it does not do: the stored positions stay as they are; the group overwrites them with its
// next commit. A position that names no epoch is recognised only until the new epoch has written.
#pragma once

#include <optional>

#include "group/change.h"
#include "kafka/broker.h"

namespace magpie::kafka {

struct ClampedPosition {
  Offset offset;
  LeaderEpoch epoch;
};

// Where to resume instead; nothing if the position is not ahead as far as is known here.
std::optional<ClampedPosition> clamp_position(const Broker& broker, const group::TopicPartition& at,
                                              Offset offset, LeaderEpoch epoch);

// Counts and logs the positions of all groups that are ahead: in every partition led here, or in
// one of them.
void report_positions_ahead(Broker& broker);
void report_positions_ahead(Broker& broker, const HostedPartition& hosted);

}  // namespace magpie::kafka
