// What this node has seen of the leaders that it follows: how fast they wrote, and since when they
// have not been heard.
//
// The problem: when a leader is lost for good, nobody knows what it acknowledged last. The idea:
// its followers know at which rate their copies grew while they heard of it, and for how long it
// may have gone on afterwards: until its lease ran out, at the latest. Their product is no proof,
// but says whether a loss is likely to be of ten records or of a million.
//
// What it does not do: what it has seen is gone with a restart.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/time.h"

namespace magpie::node {

// How often the copies are looked at, and how many looks are remembered.
inline constexpr Duration kSightInterval = Duration::seconds(5);
inline constexpr size_t kSightLooks = 13;

class LeaderSight {
 public:
  struct Seen {
    int64_t records = 0;  // that the copies grew by
    Duration during;
    std::optional<Duration> unheard;  // nothing: never heard
  };

  // A node was heard; it got its lease, or lost it.
  void heard(NodeId node, Instant now) { heard_[node] = now; }
  void lease_changed(NodeId node, bool alive, Instant now);

  // The copies of a group that `leader` leads end at `end` in all. What was seen of another leader
  // is forgotten; while the leader is not heard, nothing is remembered.
  void look(const std::string& group, NodeId leader, int64_t end, Instant now);

  // As of now; `leader` leads the group.
  Seen seen(const std::string& group, NodeId leader, Instant now) const;

 private:
  struct Look {
    Instant at;
    int64_t end = 0;
  };
  struct Group {
    NodeId leader{-1};
    std::deque<Look> looks;
  };

  std::map<std::string, Group> groups_;
  std::map<NodeId, Instant> heard_;
  std::map<NodeId, Instant> lease_ended_;
};

}  // namespace magpie::node
