// A rebalance, from the first doubt to the next generation. Internal to `group`.
//
// Joining phase: every member must send JoinGroup again; requests are parked. When all have, or the
// longest rebalance timeout has passed, the generation number goes up and everybody is answered.
// Assigning phase: the leader sends assignments with SyncGroup (sync.h).
#pragma once

#include <optional>
#include <string>

#include "group/turn.h"

namespace magpie::group {

// The member has its session timeout from now to be heard of again.
void restart_session(Turn& turn, const Group& group, const Member& member);

// Something about the membership changed: begins a rebalance, or, if one is in its joining phase,
// looks whether that is complete now. `reason` is for the log.
void rebalance(Turn& turn, Group& group, const std::string& reason);

// Begins a rebalance. REQUIRES: the state allows it.
void prepare_rebalance(Turn& turn, Group& group, const std::string& reason);

// Ends the joining phase if nobody is missing.
void complete_join_if_all_joined(Turn& turn, Group& group);

// Parks a join until the generation is complete. A client repeats a join only when it has given up
// the former one, which is answered so that no request stays open.
void park_join(Turn& turn, Member& member, ReplyToken token);

// Answers what the member has parked with `error` and removes it, with its session timer. The
// caller decides what that means for the group.
void drop_member(Turn& turn, Group& group, const std::string& member_id, GroupError error);

void reply_join_error(Turn& turn, ReplyToken token, std::string member_id, GroupError error);
void reply_sync_error(Turn& turn, ReplyToken token, GroupError error);

// The group's current generation, as a member is told about it.
JoinGroupReply joined_reply(const Group& group, const Member& member);

// A timer fired.
void on_member_silent(Turn& turn, Group& group, const std::string& member_id);
void on_join_timeout(Turn& turn, Group& group);
void on_sync_timeout(Turn& turn, Group& group);

}  // namespace magpie::group
