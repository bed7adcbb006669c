// Appends under way, and what happens when each is decided. Internal to `group`.
//
// A request that changes stored state hands out its changes here together with what waits for them.
// Nothing that waits is released, and nothing stored moves, before the caller reports the outcome.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "group/change.h"
#include "group/events.h"
#include "group/messages.h"

namespace magpie::group {

class Group;
struct Turn;

// Nobody waits: the coordinator's own bookkeeping.
struct NobodyWaits {};
// A position reply; on failure the positions without an error of their own get one.
struct HeldCommit {
  ReplyToken token;
  OffsetCommitReply reply;
};
struct HeldOffsetDelete {
  ReplyToken token;
  OffsetDeleteReply reply;
};
// The leader's assignments: the members' SyncGroup requests wait.
struct HeldAssignments {
  std::map<std::string, Buffer> assignments;  // by member id
};
// A static member that came back under a new id: its JoinGroup waits.
struct HeldReplacement {
  JoinGroup request;
  std::string old_member_id;
  std::string new_member_id;
};
// The whole group is removed, by expiry (no deletion) or by a DeleteGroups request.
struct HeldRemoval {
  std::optional<uint64_t> deletion;
  size_t place = 0;  // in the reply
};

using Continuation = std::variant<NobodyWaits, HeldCommit, HeldOffsetDelete, HeldAssignments,
                                  HeldReplacement, HeldRemoval>;

struct PendingAppend {
  std::string group_id;
  std::vector<Change> changes;
  Continuation then;
};

// False if a client's request must not add another append (GroupLimits::pending_appends).
bool has_room_for_append(const Turn& turn);

// Hands out the changes, all of them of this group. REQUIRES: at least one change.
AppendId append(Turn& turn, Group& group, std::vector<Change> changes, Continuation then);

// The outcome of an append: no failure means that it is committed. Unknown ids are from before the
// coordinator was stopped and are ignored.
void finish_append(Turn& turn, AppendId id, std::optional<AppendFailure> failure);

// What a member is told when its group could not be stored.
GroupError member_error(AppendFailure failure);
// What a committer is told when its positions could not be stored.
GroupError position_error(AppendFailure failure);

}  // namespace magpie::group
