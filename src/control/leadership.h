// A failover group's term of leadership: who leads, in which epoch, and who must hold a record
// before it is acknowledged. The decisions that change it are in replication.h and promotion.h.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "control/member.h"

namespace magpie::control {

// Whether a group has as many copies as its policy wants.
enum class ReplicationState {
  kSync,        // as many as wanted
  kDegraded,    // fewer
  kCatchingUp,  // fewer, and a member is joining
};

enum class OpenedWith {
  kLossless,  // the leader held everything that was acknowledged before
  kLossy,     // nobody can say so
};

// A switchover under way: the leader takes no writes until the target has all.
struct Draining {
  std::string operation;  // which operation asked for it
  NodeId target{-1};
  bool drained = false;  // the target holds everything; it can lead

  bool operator==(const Draining&) const = default;
};

// What a leader without required copies promises, before it acts on it: it acknowledges nothing
// while none of `among` holds everything that is older than `time`.
struct LagLimit {
  Duration time;
  Members among;

  bool operator==(const LagLimit&) const = default;
};

struct Leadership {
  LeaderEpoch epoch = kNoLeaderEpoch;  // what clients see as the partitions' leader epoch
  Member leader;
  // The epoch has its own sync set. Before that the leader acknowledges nothing.
  bool open = false;
  // Who must hold a record besides the leader; empty until open.
  Members sync;
  // Held to every record too, but does not count as a copy yet.
  std::optional<Member> joining;
  // Who holds everything that was acknowledged, and so can lead without loss: once open the sync
  // set and the leader; before, those of the terms before it, or after a loss the leader alone.
  Members promotable;
  // Until open: who led the last term that was open. It may not have heard of its end and, as long
  // as members answer it, still acknowledge.
  std::optional<Member> open_before;
  ReplicationState state = ReplicationState::kDegraded;
  WallTime state_since;
  // Since when acknowledged records have had fewer copies than wanted; none while they have enough.
  std::optional<WallTime> exposed_since;
  OpenedWith opened_with = OpenedWith::kLossless;
  // A leader was lost, and the sync set has not reached its `min` since: the group's
  // `after_failover` is in force instead of `below_min`.
  bool failed_over = false;
  std::optional<Draining> draining;
  // Nothing is promised before the epoch is open, nor before it is kept.
  std::optional<LagLimit> lag_limit;

  bool exists() const { return epoch != kNoLeaderEpoch; }
  bool operator==(const Leadership&) const = default;
};

}  // namespace magpie::control
