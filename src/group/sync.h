// SyncGroup and Heartbeat. Internal to `group`.
//
// The leader's SyncGroup brings everybody's assignment. It is stored with the group's metadata, and
// only then is anybody told, so that a restarted coordinator knows every generation that a member
// ever worked in.
#pragma once

#include <optional>

#include "group/turn.h"

namespace magpie::group {

void sync(Turn& turn, const SyncGroup& request);
void heartbeat(Turn& turn, const Heartbeat& request);

// The leader's assignments were stored, or could not be.
void finish_assignments(Turn& turn, Group& group, AppendId id, HeldAssignments held,
                        std::optional<AppendFailure> failure);

}  // namespace magpie::group
