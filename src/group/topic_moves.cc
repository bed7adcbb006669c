#include "group/topic_moves.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "group/turn.h"

namespace magpie::group {
namespace {

// Calls `visit` with every position that is stored in the topic, then with every change of one that
// is under way, in order; null for a removal.
template <typename Visit>
void visit_positions(const CoordinatorState& state, const Group& group, const std::string& topic,
                     Visit visit) {
  if (const DurableGroup* stored = state.durable.find(group.id())) {
    auto at = stored->positions.lower_bound({topic, INT32_MIN});
    for (; at != stored->positions.end() && at->first.topic == topic; ++at) {
      visit(at->first, &at->second);
    }
  }
  for (const AppendId id : group.appends) {
    for (const Change& change : state.appends.at(id).changes) {
      if (const auto* stored = std::get_if<PositionStored>(&change.what)) {
        if (stored->at.topic == topic) visit(stored->at, &stored->position);
      } else if (const auto* removed = std::get_if<PositionRemoved>(&change.what)) {
        if (removed->at.topic == topic) visit(removed->at, nullptr);
      }
    }
  }
}

struct InTopic {
  Positions expected;            // once everything under way is committed
  std::optional<WallTime> last;  // commit that is meant, if one stands there or may do so
};

InTopic look_at(const CoordinatorState& state, const Group& group, const std::string& topic,
                const TopicMove& move) {
  InTopic found;
  visit_positions(state, group, topic, [&](const TopicPartition& at, const Position* position) {
    if (position == nullptr) {
      found.expected.erase(at);
      return;
    }
    found.expected.insert_or_assign(at, *position);
    const WallTime committed = position->committed_at;
    if (move.means(*position)) found.last = std::max(found.last.value_or(committed), committed);
  });
  return found;
}

// As if it had been committed now.
Position renewed(Position position, WallTime now) {
  const int64_t age = std::max<int64_t>(now.millis - position.committed_at.millis, 0);
  position.committed_at.millis += age;
  if (position.expires_at) {
    position.expires_at->millis += std::min(age, INT64_MAX - position.expires_at->millis);
  }
  return position;
}

// Where something stands, or may do so, that is about to leave: if that fails, what came there
// meanwhile would have replaced it.
std::set<TopicPartition> taken_places(const CoordinatorState& state, const Group& group,
                                      const std::string& topic) {
  std::set<TopicPartition> taken;
  visit_positions(state, group, topic, [&](const TopicPartition& at, const Position* position) {
    if (position != nullptr && is_moving(state, group.id(), at, *position)) taken.insert(at);
  });
  return taken;
}

// In one append, so that a position is in one place at any time. Returns the last commit of those
// that were to be moved; none if nothing is left to do.
std::optional<WallTime> move_in(Turn& turn, Group& group, const TopicMove& move) {
  const InTopic from = look_at(turn.state, group, move.topic, move);
  if (!from.last) return std::nullopt;
  Positions there;
  std::set<TopicPartition> taken;
  if (move.to) taken = taken_places(turn.state, group, *move.to);
  if (move.to) there = look_at(turn.state, group, *move.to, move).expected;
  const WallTime now = move.to ? commit_time(turn, *move.to) : turn.now.wall;
  std::vector<Change> changes;
  for (const auto& [at, position] : from.expected) {
    if (!move.means(position)) continue;
    if (move.to) {
      TopicPartition place{*move.to, at.partition};
      if (taken.contains(place)) continue;
      const auto other = there.find(place);
      const bool yields = move.yields && move.to != move.topic;
      const bool stays =
          other != there.end() && (yields || other->second.committed_at > position.committed_at);
      if (!stays) {
        changes.push_back({group.id(), PositionStored{std::move(place), renewed(position, now)}});
      }
    }
    if (move.to != move.topic) changes.push_back({group.id(), PositionRemoved{at}});
  }
  if (!changes.empty()) append(turn, group, std::move(changes), NobodyWaits{});
  return from.last;
}

// Looks at no more than `room` groups.
void carry_on(Turn& turn, TopicMove& move, size_t& room) {
  for (auto id = move.groups.begin(); id != move.groups.end() && room > 0; --room) {
    Group* group = turn.find(*id);
    const bool left = group != nullptr && move_in(turn, *group, move).has_value();
    id = left ? std::next(id) : move.groups.erase(id);
  }
}

// What was to go where this move begins goes on to where it ends. What ends where it began stays,
// and counts as committed now like everything that comes back: no move that began meanwhile means
// it, and after a restart nobody takes it for a topic's that was deleted since.
void redirect(std::vector<TopicMove>& moves, const TopicMove& move) {
  if (move.until.millis != INT64_MAX) return;  // some of it is meant to stay there
  for (TopicMove& earlier : moves) {
    if (earlier.to == move.topic) earlier.to = move.to;
  }
}

}  // namespace

void move_topic(Turn& turn, TopicMove move) {
  CoordinatorState& state = turn.state;
  redirect(state.moves, move);
  // What earlier ones left there is not this topic's.
  for (TopicMove& earlier : state.moves) {
    size_t room = SIZE_MAX;
    if (earlier.topic == move.topic) move.since = std::max(move.since, earlier.until);
    if (earlier.topic == move.topic || earlier.topic == move.to) carry_on(turn, earlier, room);
  }
  std::optional<WallTime> last;
  for (auto& [id, group] : state.groups) {
    const auto moved = move_in(turn, group, move);
    if (!moved) continue;
    last = std::max(last.value_or(*moved), *moved);
    move.groups.insert(id);
  }
  if (!last) return;
  move.until = *last;
  state.moves.push_back(std::move(move));
  state.moves_at = std::min(state.moves_at, turn.now.instant + state.config.move_retry_interval);
}

void go_on_in(Turn& turn, Group& group) {
  for (TopicMove& move : turn.state.moves) {
    if (move.groups.contains(group.id()) && !move_in(turn, group, move)) {
      move.groups.erase(group.id());
    }
  }
}

void retry_moves(Turn& turn) {
  CoordinatorState& state = turn.state;
  size_t room = state.config.limits.moves_per_step;
  for (TopicMove& move : state.moves) carry_on(turn, move, room);
  std::erase_if(state.moves, [](const TopicMove& move) { return move.groups.empty(); });
  state.moves_at =
      state.moves.empty() ? Instant::never() : turn.now.instant + state.config.move_retry_interval;
}

WallTime commit_time(const Turn& turn, const std::string& topic) {
  WallTime time = turn.now.wall;
  for (const TopicMove& move : turn.state.moves) {
    const bool concerns = move.topic == topic || move.to == topic;
    if (concerns) time.millis = std::max(time.millis, move.until.millis + 1);
  }
  return time;
}

bool is_moving(const CoordinatorState& state, const std::string& group_id, const TopicPartition& at,
               const Position& position) {
  return std::any_of(state.moves.begin(), state.moves.end(), [&](const TopicMove& move) {
    return move.topic == at.topic && move.to != at.topic && move.means(position) &&
           move.groups.count(group_id) != 0;
  });
}

}  // namespace magpie::group
