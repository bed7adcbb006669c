#include "node/leader_sight.h"

#include <algorithm>

namespace magpie::node {

void LeaderSight::lease_changed(NodeId node, bool alive, Instant now) {
  if (alive) {
    lease_ended_.erase(node);
  } else {
    lease_ended_.try_emplace(node, now);
  }
}

void LeaderSight::look(const std::string& group, NodeId leader, int64_t end, Instant now) {
  Group& seen = groups_[group];
  if (seen.leader != leader) seen = {leader, {}};
  const auto heard = heard_.find(leader);
  if (heard == heard_.end() || heard->second + kSightInterval < now) return;
  // Copies that are cut, or begin anew, say nothing of what the leader writes.
  if (!seen.looks.empty() && end < seen.looks.back().end) seen.looks.clear();
  seen.looks.push_back({now, end});
  if (seen.looks.size() > kSightLooks) seen.looks.pop_front();
}

LeaderSight::Seen LeaderSight::seen(const std::string& group, NodeId leader, Instant now) const {
  Seen seen;
  const auto found = groups_.find(group);
  if (found != groups_.end() && found->second.leader == leader && !found->second.looks.empty()) {
    const auto& looks = found->second.looks;
    seen.records = looks.back().end - looks.front().end;
    seen.during = looks.back().at - looks.front().at;
  }
  const auto heard = heard_.find(leader);
  if (heard == heard_.end()) return seen;
  const auto ended = lease_ended_.find(leader);
  const Instant until = ended == lease_ended_.end() ? now : ended->second;
  seen.unheard = std::max(until - heard->second, Duration{});
  return seen;
}

}  // namespace magpie::node
