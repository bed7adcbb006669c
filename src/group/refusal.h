// One error for a whole request, in the shape of that request's reply. Internal to `group`.
#pragma once

#include "group/events.h"

namespace magpie::group {

Reply refusal(const JoinGroup& request, GroupError error);
Reply refusal(const SyncGroup& request, GroupError error);
Reply refusal(const Heartbeat& request, GroupError error);
Reply refusal(const LeaveGroup& request, GroupError error);
Reply refusal(const OffsetCommit& request, GroupError error);
Reply refusal(const OffsetDelete& request, GroupError error);
Reply refusal(const DeleteGroups& request, GroupError error);

}  // namespace magpie::group
