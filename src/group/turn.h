// One step of the coordinator: the state it may change, the time, and the place for its results.
// Internal to `group`.
//
// Each kind of request has a file with a function that takes a Turn. None of them keeps anything
// between turns; all state is in CoordinatorState.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "group/appends.h"
#include "group/durable_groups.h"
#include "group/events.h"
#include "group/group.h"
#include "group/group_config.h"
#include "group/queries.h"
#include "group/timers.h"
#include "group/topic_moves.h"

namespace magpie::group {

// A DeleteGroups request whose groups are being removed.
struct PendingDeletion {
  ReplyToken token;
  DeleteGroupsReply reply;
  size_t outstanding = 0;
};

struct CoordinatorState {
  GroupConfig config;
  Random random;
  bool serving = false;
  // What happened to topics before everything was loaded.
  std::vector<std::variant<TopicDeleted, TopicRenamed>> topics_early;

  DurableGroups durable;
  std::map<std::string, Group, std::less<>> groups;
  Timers timers;

  std::map<AppendId, PendingAppend> appends;
  uint64_t next_append = 1;
  std::map<uint64_t, PendingDeletion> deletions;
  uint64_t next_deletion = 1;

  // Moves that are not over, in the order in which they began, and when to go on with them.
  std::vector<TopicMove> moves;
  Instant moves_at = Instant::never();

  // Expiry sweep: when to go on, and with which group.
  Instant sweep_at = Instant::never();
  std::string sweep_from;

  GroupStatistics statistics;
};

struct Turn {
  CoordinatorState& state;
  const Now& now;
  Output& out;

  template <typename Body>
  void reply(ReplyToken token, Body body) {
    out.replies.push_back({token, std::move(body)});
  }

  void log(port::Severity severity, const char* code, std::string text) {
    out.log.push_back({severity, code, std::move(text)});
  }

  // Null if there is no such group.
  Group* find(std::string_view group_id) {
    const auto found = state.groups.find(group_id);
    return found == state.groups.end() ? nullptr : &found->second;
  }

  void arm(const Group& group, TimerKind kind, const std::string& member_id, Duration after) {
    state.timers.arm({group.id(), kind, member_id}, now.instant + after);
  }
  void cancel(const Group& group, TimerKind kind, const std::string& member_id = "") {
    state.timers.cancel({group.id(), kind, member_id});
  }
};

// Drops a group of which nothing is left: no member, no id given out, nothing stored, nothing being
// stored. Called at the end of whatever may have used up the group.
void forget_if_unused(Turn& turn, const std::string& group_id);

}  // namespace magpie::group
