// What a node must tell the requests under way when a copy's right to serve changes.
//
// Call role_changed() for a hosted partition after each of these, in the same step:
//
//   Partition::lead(), follow()              it leads or follows in another epoch
//   Partition::hold_commits(true or false)   the node's lease has run out, or it has one again
//   HostedPartition::cut_off                 a follower has not heard from its leader for as long
//   as
//                                            a lease lasts, or hears from it again. While it is set
//                                            consumers are sent to the leader, wherever that is:
//                                            a region that is cut off serves nothing
//
// Not needed for open(), for changes of the sync set, or when nothing changed. What waits in the
// partition itself (appends) is refused by the partition, with events of its own.
#pragma once

#include "kafka/broker.h"

namespace magpie::kafka {

// Answers at once whatever waits for the copy and must not wait any longer: parked fetches are
// looked at again in the next tick (and refused, or go on waiting if they may), reads and lookups
// that are under way are refused, so are deletions of records. Of a copy that leads now, reports
// committed positions that it cannot serve (positions_ahead.h).
void role_changed(Broker& broker, HostedPartition& hosted);

}  // namespace magpie::kafka
