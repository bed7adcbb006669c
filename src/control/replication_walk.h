// A small cluster, all of whose histories can be walked: three nodes with logs of a few records, a
// control store, and the real decisions about leadership and sync sets. For tests.
//
// A node acts on its own view of the store, which may be old. It pulls records from a leader unless
// it has accepted a later epoch, and cuts its log where it differs; a leader remembers where the
// others are, appends, and acknowledges what its view allows. Transactions of leaders may be under
// way while anything else happens. What is checked after every step:
// - whoever may be promoted without loss holds every acknowledged record (the property P of
//   replication.h);
// - acknowledged logs never contradict each other, except where a failover with loss gave records
//   up;
// - in one epoch only one node acknowledges.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/leadership.h"
#include "control/state.h"

namespace magpie::control::testing {

// One rule broken at a time, to prove that the walk would notice.
enum class Mutation {
  kNone,
  kAckBeforeShrink,      // acknowledges without the member while the transaction is under way
  kAckBeforeOpen,        // acknowledges in an epoch that is not open
  kAckWithoutJoining,    // does not need the joining member
  kOpenWithoutPosition,  // counts members that do not hold what the leader began with
  kJoinWithoutPosition,  // a member enters before it holds what is acknowledged
  kNoFence,              // members follow a leader of an earlier epoch
  kPromoteAnybody,       // rule (a) without looking who is promotable
  kNoCompare,            // transactions do not compare the leadership they read
  kSameEpoch,            // a promotion takes no new epoch
  kLossWithLease,        // rule (b) while the old leader holds its lease
};

struct WalkLimits {
  uint8_t records = 2;
  uint8_t epochs = 3;   // highest number
  uint8_t changes = 4;  // transactions that are carried out
  uint8_t losses = 0;   // promotions with loss
  uint8_t wipes = 0;
  bool joining = true;  // members join, and leave
  size_t states_max = 2'000'000;
};

struct WalkResult {
  size_t states = 0;
  bool complete = true;                // every history within the limits was seen
  std::vector<std::string> violation;  // the steps that led to it, and what it is; empty if none
};

WalkResult walk(const WalkLimits& limits, Mutation mutation);

}  // namespace magpie::control::testing
