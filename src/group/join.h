// JoinGroup. Internal to `group`.
//
// A request without a member id is a new member: it is given an id and, from version 4 on, sent
// away to come back with it (KIP-394), so that requests given up by their client leave no ghost
// members. What is special about static members is in static_join.h.
#pragma once

#include <string>

#include "group/turn.h"

namespace magpie::group {

void join(Turn& turn, const JoinGroup& request);

// Adds a member under this id, parks its request and begins or goes on with a rebalance.
void add_member(Turn& turn, Group& group, const JoinGroup& request, const std::string& member_id);

}  // namespace magpie::group
