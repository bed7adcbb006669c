// What an operator can set for consumer groups, and the limits with what happens at each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace magpie::group {

struct GroupLimits {
  // Groups known at once, simple ones included. A request that would create one more is refused
  // with GROUP_MAX_SIZE_REACHED.
  size_t groups = 10'000;
  // Members of one group, and as many again that were given an id and have not come back with it
  // (group.max.size). More are refused with GROUP_MAX_SIZE_REACHED.
  size_t members_per_group = 1'000;
  // Committed positions over all groups. A commit for a new partition beyond it is refused with
  // POLICY_VIOLATION; known positions can still be moved.
  size_t positions = 1'000'000;
  // Bytes of the text a client stores with a position (offset.metadata.max.bytes). A longer one is
  // refused with OFFSET_METADATA_TOO_LARGE.
  size_t position_metadata_bytes = 4'096;
  // Appends handed out and not yet reported back. Requests that need another one are refused with
  // COORDINATOR_NOT_AVAILABLE, which clients retry. The coordinator's own appends (a group became
  // empty, a topic was deleted) come on top: at most one per group for each such event at a time.
  size_t pending_appends = 10'000;
  // Removals one expiry step hands out; the rest follows in the next steps.
  size_t removals_per_step = 1'000;
  // Groups that are looked at when positions of topics that were renamed or deleted are still where
  // they were; the rest follows in the next steps.
  size_t moves_per_step = 1'000;
};

struct GroupConfig {
  Duration session_timeout_min = Duration::milliseconds(6'000);
  Duration session_timeout_max = Duration::milliseconds(1'800'000);
  // How long the first rebalance of an empty group waits for more members
  // (group.initial.rebalance.delay.ms).
  Duration initial_rebalance_delay = Duration::milliseconds(3'000);
  // How long a join of a new member is parked: it has no session yet, because it does not know its
  // own id before the answer.
  Duration new_member_join_timeout = Duration::seconds(300);
  // How long positions outlive the group's last use of them (offsets.retention.minutes).
  Duration offsets_retention = Duration::seconds(7 * 24 * 3'600);
  // Positions in topics whose names begin with it are kept for a topic that is away and do not
  // expire. Empty: there are none.
  std::string kept_prefix;
  Duration retention_check_interval = Duration::seconds(300);
  // Between the steps of one expiry sweep (GroupLimits::removals_per_step), so that requests are
  // answered in between.
  Duration sweep_pause = Duration::milliseconds(100);
  // Until positions that could not be moved with their topic are tried again.
  Duration move_retry_interval = Duration::seconds(1);
  GroupLimits limits;
};

}  // namespace magpie::group
