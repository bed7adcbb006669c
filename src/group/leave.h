// LeaveGroup, for one member or for several at once. Internal to `group`.
#pragma once

#include "group/turn.h"

namespace magpie::group {

void leave(Turn& turn, const LeaveGroup& request);

}  // namespace magpie::group
