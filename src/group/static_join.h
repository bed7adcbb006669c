// JoinGroup of a static member (KIP-345) that does not say who it was. Internal to `group`.
//
// A static member is known by its instance id: under a new member id it takes the place of its
// former self, which is fenced. If that happens in a stable group without changing the chosen
// protocol, the group is stored with the new id and nobody else notices.
#pragma once

#include <optional>

#include "group/turn.h"

namespace magpie::group {

// REQUIRES: the request has an instance id and no member id, and fits the group.
void join_static(Turn& turn, Group& group, const JoinGroup& request);

// A static member's new id was stored, or could not be.
void finish_replacement(Turn& turn, Group& group, HeldReplacement held,
                        std::optional<AppendFailure> failure);

}  // namespace magpie::group
