#include "group/join.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "group/member_id.h"
#include "group/rebalance.h"
#include "group/static_join.h"

namespace magpie::group {
namespace {

bool fits_into_record(const JoinGroup& request) {
  const auto fits = [](const std::string& text) { return text.size() <= kRecordStringBytes; };
  return fits(request.group_id) && fits(request.member_id) && fits(request.client_id) &&
         fits(request.client_host) && fits(request.protocol_type) &&
         fits(request.instance_id.value_or("")) &&
         std::all_of(request.protocols.begin(), request.protocols.end(),
                     [&](const Protocol& protocol) { return fits(protocol.name); });
}

GroupError check_request(const GroupConfig& config, const JoinGroup& request) {
  if (request.group_id.empty()) return GroupError::kInvalidGroupId;
  if (!fits_into_record(request)) return GroupError::kInvalidRequest;
  const Duration session = Duration::milliseconds(request.session_timeout_ms);
  if (session < config.session_timeout_min || session > config.session_timeout_max) {
    return GroupError::kInvalidSessionTimeout;
  }
  return GroupError::kNone;
}

// While members rejoin, places go to those who come first: dynamic members that have not come back
// do not count, because the end of the joining phase removes them. Otherwise a known member always
// has a place.
bool has_place_for(const Group& group, const std::string& member_id, size_t limit) {
  const Member* member = group.find(member_id);
  if (group.is(GroupState::kPreparingRebalance)) {
    if (member != nullptr && member->awaiting_join) return true;
    const bool keeps_place = member != nullptr && member->is_static();
    return group.staying_count() - (keeps_place ? 1 : 0) < limit;
  }
  return member != nullptr || group.members().size() < limit;
}

void give_up_place(Turn& turn, Group& group, const JoinGroup& request) {
  const std::string& member_id = request.member_id;
  if (group.is_pending(member_id)) {
    group.remove_pending(member_id);
    turn.cancel(group, TimerKind::kMember, member_id);
  } else if (group.has(member_id)) {
    drop_member(turn, group, member_id, GroupError::kGroupMaxSizeReached);
  }
  reply_join_error(turn, request.token, "", GroupError::kGroupMaxSizeReached);
  complete_join_if_all_joined(turn, group);
}

void update_member(Turn& turn, Group& group, Member& member, const JoinGroup& request,
                   const char* why) {
  member.update(request);
  park_join(turn, member, request.token);
  rebalance(turn, group,
            "member '" + member.member_id + "' " + why +
                (request.reason.empty() ? "" : " (" + request.reason + ")"));
}

void give_member_id(Turn& turn, Group& group, const JoinGroup& request,
                    const std::string& member_id) {
  if (group.pending_members().size() >= turn.state.config.limits.members_per_group) {
    reply_join_error(turn, request.token, "", GroupError::kGroupMaxSizeReached);
    return;
  }
  group.add_pending(member_id);
  turn.arm(group, TimerKind::kMember, member_id,
           Duration::milliseconds(request.session_timeout_ms));
  reply_join_error(turn, request.token, member_id, GroupError::kMemberIdRequired);
}

// --- known and unknown members -----------------------------------------------------------------

void join_new(Turn& turn, Group& group, const JoinGroup& request) {
  if (group.is(GroupState::kDead)) {
    reply_join_error(turn, request.token, "", GroupError::kCoordinatorNotAvailable);
  } else if (!group.supports(request.protocol_type, request.protocols)) {
    reply_join_error(turn, request.token, "", GroupError::kInconsistentGroupProtocol);
  } else if (request.instance_id) {
    join_static(turn, group, request);
  } else if (request.requires_member_id) {
    give_member_id(turn, group, request, new_member_id(turn.state.random, group, request));
  } else {
    add_member(turn, group, request, new_member_id(turn.state.random, group, request));
  }
}

void rejoin(Turn& turn, Group& group, Member& member, const JoinGroup& request) {
  const bool changed = !member.matches(request.protocols);
  switch (group.state()) {
    case GroupState::kPreparingRebalance:
      update_member(turn, group, member, request, "rejoins");
      return;
    case GroupState::kCompletingRebalance:
      if (changed) {
        update_member(turn, group, member, request, "changed what it supports");
        return;
      }
      break;  // it may have lost the answer to its join
    case GroupState::kStable:
      if (changed || group.is_leader(member.member_id)) {
        // The leader rejoins when what it assigns has changed, partitions for example.
        update_member(turn, group, member, request,
                      changed ? "changed what it supports" : "leads and asks for a rebalance");
        return;
      }
      break;
    case GroupState::kEmpty:
    case GroupState::kDead:
      CHECK(false);  // neither has members
  }
  turn.reply(request.token, joined_reply(group, member));
}

void join_known(Turn& turn, Group& group, const JoinGroup& request) {
  const std::string& member_id = request.member_id;
  if (group.is(GroupState::kDead)) {
    reply_join_error(turn, request.token, member_id, GroupError::kCoordinatorNotAvailable);
    return;
  }
  if (!group.supports(request.protocol_type, request.protocols)) {
    reply_join_error(turn, request.token, member_id, GroupError::kInconsistentGroupProtocol);
    return;
  }
  if (group.is_pending(member_id) && !request.instance_id) {
    add_member(turn, group, request, member_id);
    return;
  }
  const GroupError error = group.check_member(member_id, request.instance_id);
  if (error != GroupError::kNone) {
    reply_join_error(turn, request.token, member_id, error);
    return;
  }
  rejoin(turn, group, *group.find(member_id), request);
}

// Null, after a reply, if the group neither exists nor may be created.
Group* find_or_create(Turn& turn, const JoinGroup& request) {
  if (Group* group = turn.find(request.group_id)) return group;
  const bool full = turn.state.groups.size() >= turn.state.config.limits.groups;
  if (!request.member_id.empty() || full) {
    reply_join_error(turn, request.token, request.member_id,
                     request.member_id.empty() ? GroupError::kGroupMaxSizeReached
                                               : GroupError::kUnknownMemberId);
    return nullptr;
  }
  const auto created =
      turn.state.groups.emplace(request.group_id, Group(request.group_id, turn.now.wall));
  return &created.first->second;
}

}  // namespace

void add_member(Turn& turn, Group& group, const JoinGroup& request, const std::string& member_id) {
  if (group.initial_delay) group.initial_delay->member_added = true;
  Member& member = group.add(Member::from_request(request, member_id), request.protocol_type);
  park_join(turn, member, request.token);
  turn.arm(group, TimerKind::kMember, member_id, turn.state.config.new_member_join_timeout);
  rebalance(turn, group,
            "member '" + member_id + "' joins" +
                (request.reason.empty() ? "" : " (" + request.reason + ")"));
}

void join(Turn& turn, const JoinGroup& request) {
  const GroupError error = check_request(turn.state.config, request);
  if (error != GroupError::kNone) {
    reply_join_error(turn, request.token, request.member_id, error);
    return;
  }
  Group* group = find_or_create(turn, request);
  if (group == nullptr) return;
  const size_t limit = turn.state.config.limits.members_per_group;
  const std::string* static_id =
      request.instance_id ? group->static_member(*request.instance_id) : nullptr;
  const std::string& known_as =
      request.member_id.empty() && static_id != nullptr ? *static_id : request.member_id;
  if (!has_place_for(*group, known_as, limit)) {
    give_up_place(turn, *group, request);
  } else if (request.member_id.empty()) {
    join_new(turn, *group, request);
  } else {
    join_known(turn, *group, request);
  }
  forget_if_unused(turn, request.group_id);
}

}  // namespace magpie::group
