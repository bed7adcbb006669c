// Positions that move from one topic name to another, or go, because of what happened to the topic.
// Internal to `group`.
//
// The problem: a move is an append for each group, and an append can fail, or be followed by the
// move back before it is decided. Meanwhile a new topic can get the name.
//
// The idea: a move takes what will stand in the topic once everything under way is committed. It is
// remembered with the groups in which something is left, and tried again until their stored state
// shows that nothing is. What was committed after the move began is another topic's and stays.
//
// The order of moves matters: a later one means nothing that an earlier one still means, waits for
// a place that an earlier one has not cleared, and takes along what an earlier one was to bring to
// where it begins. So a move back calls back what has not left yet, which is then stored where it
// is as committed now. A move that fails loses nothing: it is tried again until the end.
//
// A commit that fails while a move takes it along lives on in the new place, as if its client had
// tried again.
//
// Moves live in memory only. After a restart, or when another node coordinates, whoever loads the
// groups must find out what is left to move (kafka::GroupRequests::finish_loading()).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"
#include "group/change.h"

namespace magpie::group {

struct CoordinatorState;
class Group;
struct Turn;

struct TopicMove {
  std::string topic;
  std::optional<std::string> to;  // none: the positions go
  WallTime until{INT64_MAX};      // positions that were committed later are not meant
  std::set<std::string> groups;   // in which something is left to move
  // Those committed until then are not meant either: an earlier move meant them, and that one may
  // be called back.
  WallTime since{INT64_MIN};
  bool yields = false;  // to what stands in the destination, though it be older

  bool means(const Position& position) const {
    return since < position.committed_at && position.committed_at <= until;
  }
};

// Where the destination has a newer position, that one stays. A position that has moved counts as
// committed then: so it has its whole time before it expires, and is no older than its topic.
void move_topic(Turn& turn, TopicMove move);

// Something of the group has moved, and something else may have waited for its place.
void go_on_in(Turn& turn, Group& group);

// One step over the moves that are not over; sets when the next one is due.
void retry_moves(Turn& turn);

// The time of a commit to the topic now: later than what a move from it or to it means that began
// before, whatever the clock says.
WallTime commit_time(const Turn& turn, const std::string& topic);

// True if the position is about to leave its topic, and nobody is to be shown it there.
bool is_moving(const CoordinatorState& state, const std::string& group_id, const TopicPartition& at,
               const Position& position);

}  // namespace magpie::group
