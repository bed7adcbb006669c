#include "group/expiry.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "group/removal.h"

namespace magpie::group {
namespace {

class Expiry {
 public:
  Expiry(const Turn& turn, const Group& group)
      : group_(group),
        kept_prefix_(turn.state.config.kept_prefix),
        now_(turn.now.wall.millis),
        keep_since_(now_ - turn.state.config.offsets_retention.to_milliseconds()) {}

  bool may_expire_anything() const {
    if (!group_.protocol_type()) return group_.is(GroupState::kEmpty);
    if (group_.is(GroupState::kEmpty)) return true;
    return group_.is(GroupState::kStable) && group_.is_consumer_group() &&
           group_.knows_subscriptions();
  }

  bool has_expired(const TopicPartition& at, const Position& position) const {
    if (!kept_prefix_.empty() && at.topic.starts_with(kept_prefix_)) return false;
    if (group_.changing.count(at) != 0 || group_.is_subscribed_to(at.topic)) return false;
    if (position.expires_at) return now_ >= position.expires_at->millis;
    return last_used(position) <= keep_since_;
  }

 private:
  int64_t last_used(const Position& position) const {
    const bool had_members = group_.protocol_type().has_value();
    const int64_t since = group_.state_since_millis();
    const int64_t committed = position.committed_at.millis;
    return had_members && group_.is(GroupState::kEmpty) ? std::max(since, committed) : committed;
  }

  const Group& group_;
  const std::string& kept_prefix_;
  int64_t now_;
  int64_t keep_since_;
};

std::vector<Change> expired_positions(const Turn& turn, const Group& group,
                                      const Positions& positions, size_t limit) {
  const Expiry expiry(turn, group);
  std::vector<Change> changes;
  if (!expiry.may_expire_anything()) return changes;
  for (const auto& [at, position] : positions) {
    if (changes.size() == limit) break;
    if (expiry.has_expired(at, position)) changes.push_back({group.id(), PositionRemoved{at}});
  }
  return changes;
}

// Returns how many removals it handed out.
size_t expire(Turn& turn, Group& group, size_t limit) {
  const DurableGroup* stored = turn.state.durable.find(group.id());
  if (stored == nullptr || group.is(GroupState::kDead)) return 0;
  std::vector<Change> changes = expired_positions(turn, group, stored->positions, limit);
  const size_t count = changes.size();
  turn.state.statistics.positions_expired += count;
  const bool nothing_left = count == stored->positions.size() && group.is(GroupState::kEmpty) &&
                            group.appends.empty() && group.pending_members().empty();
  if (nothing_left) {
    turn.log(port::Severity::kInfo, "group.expired",
             "group '" + group.id() + "' has no members and no positions any more; it is removed");
    changes.push_back({group.id(), GroupRemoved{}});
    begin_removal(turn, group, std::move(changes), HeldRemoval{});
  } else if (count > 0) {
    turn.log(port::Severity::kInfo, "group.positions_expired",
             "group '" + group.id() + "': positions that expired: " + std::to_string(count));
    append(turn, group, std::move(changes), NobodyWaits{});
  }
  return count + (nothing_left ? 1 : 0);
}

}  // namespace

void sweep(Turn& turn) {
  CoordinatorState& state = turn.state;
  size_t room = state.config.limits.removals_per_step;
  auto next = state.groups.lower_bound(state.sweep_from);
  for (; next != state.groups.end(); ++next) {
    if (room == 0 || !has_room_for_append(turn)) break;
    const size_t removals = expire(turn, next->second, room);
    room -= std::min(room, removals);
    if (room == 0) break;  // there may be more in this group
  }
  const bool finished = next == state.groups.end();
  state.sweep_from = finished ? "" : next->first;
  state.sweep_at = turn.now.instant +
                   (finished ? state.config.retention_check_interval : state.config.sweep_pause);
}

}  // namespace magpie::group
