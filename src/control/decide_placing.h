// Which failover group a partition belongs to, and how it comes into another one.
//
// A topic says it in its config magpie.failover.group. A new topic that says nothing gets the group
// that claims its name by a pattern (FailoverGroup::topics), and keeps it: patterns that change
// later move nothing.
//
// Safety of a move (DESIGN section 7, one epoch counter, and promotable = who holds all
// acknowledged records): partitions with records move only between two groups led by one member.
// The receiving group takes a new epoch, so that no partition's epoch repeats or goes back, and
// those stay promotable who are so in both groups: they hold what was acknowledged in either. The
// old group's leader needs the old group's sync set until it has applied this revision, and that
// set contains them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

// Topics that one request moves at most, so that it fits into one transaction of the store.
inline constexpr size_t kTopicsPlacedMax = 32;

// Moves partitions of a topic into a group; all of them if `partitions` is empty. Or all partitions
// of the topics that a pattern names, as far as they are not in the group already: of more than
// kTopicsPlacedMax only the first; the answer says how many are left. Internal topics are not
// meant. Refusals: kUnknownTopicOrPartition, kInvalidRequest (partitions of a pattern), and those
// of add_group_moves(); then nothing moves.
struct PlaceInGroup {
  std::string topic;  // or a pattern (topic_pattern.h)
  std::vector<int32_t> partitions;
  std::string group;
};
struct PlacedTopic {
  std::string topic;
  std::string config;  // the new value
};
struct PlacedInGroup {
  std::vector<PlacedTopic> topics;
  size_t left = 0;
};
Decided<PlacedInGroup> decide_place_in_group(const State& state, const PlaceInGroup& request);

// A topic whose magpie.failover.group changes; absent values mean `default`.
struct GroupMove {
  const Topic* topic = nullptr;
  std::optional<std::string> held;
  std::optional<std::string> wanted;
};

// Adds to a transaction that changes those configs what makes it safe. Refused with kInvalidConfig
// if a group does not exist, with kPolicyViolation if partitions cannot move as things are.
std::optional<Refusal> add_group_moves(const State& state, const std::vector<GroupMove>& moves,
                                       Transaction& transaction);

// What both that and a restored topic do to the term that gets records which only `holders` hold:
// it is not open, and nobody else is promotable. The epoch is for the caller to set.
void begin_restricted_term(const Members& holders, Leadership& term);

// For a new topic: that the groups exist is all it takes.
std::optional<Refusal> add_new_groups(const State& state, const std::string& wanted,
                                      Transaction& transaction);

// The group that claims a new topic by a pattern: the one whose pattern says most about the name,
// and of several the first by name. Nothing: no group does.
std::optional<std::string> claiming_group(const State& state, std::string_view topic);

// What a topic's configs say of its group; nothing if they are silent.
std::optional<std::string> group_config(const ConfigValues& configs);
// The groups that such a value names; `default` if there is none.
std::set<std::string> groups_in(const std::optional<std::string>& value);

}  // namespace magpie::control
