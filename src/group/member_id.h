// Ids for new members. Internal to `group`.
#pragma once

#include <string>

#include "base/random.h"
#include "group/group.h"

namespace magpie::group {

// The client's or the instance's name, for people, and a random part; not in use in the group.
std::string new_member_id(Random& random, const Group& group, const JoinGroup& request);

}  // namespace magpie::group
