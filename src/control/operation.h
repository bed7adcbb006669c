// A switchover or failover that somebody asked for, as the whole cluster sees it.
//
// The problem: moving failover groups takes several steps in several places, and whoever carries
// them out can be lost at any of them, last of all with the region that is being left. The idea:
// the operation itself is part of the cluster's state. Each step is one transaction that compares
// the record as it was (so also its attempt and step), and any node that holds a lease can go on
// where another one stopped. The transaction that moves a group's leadership writes the step and
// the loss statement too, so there is no moment at which the one has happened and the other is not
// known.
//
// The decisions that change it are in decide_operations.h; who carries them out is failover/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "control/member.h"

namespace magpie::control {

// Given out in rising order.
using OperationId = int64_t;

enum class OperationKind { kSwitchover, kFailover };

// Where one group of an operation stands.
enum class OperationStep {
  kPlanned,
  kDraining,   // switchover: the leader takes no writes until the target has everything
  kFencing,    // failover with loss: the old leader's time runs out, the other sites accept
  kVerifying,  // the group has its new leader, and nothing can be undone
  kDone,
  kAbandoned,
  kFailed,
};

// What a move has cost, as fixed by the transaction that moved the leadership.
enum class LossKind {
  kZero,     // proven: the new leader holds everything that was acknowledged
  kBounded,  // by the group's max_lag
  kUnknown,
};

struct Loss {
  LossKind kind = LossKind::kUnknown;
  // Bounded: what it can be at most.
  std::optional<Duration> time_max;
  // The estimate. At least: records that somebody reachable knows to have been acknowledged and the
  // new leader does not hold. At most: offsets that the old leaders had reserved.
  std::optional<int64_t> records_min;
  std::optional<int64_t> records_max;
  // What the statement rests on, as a sentence.
  std::string basis;

  bool operator==(const Loss&) const = default;
};

// What the new leader held of a group's partitions when it was verified, in all.
struct HeldTotals {
  int64_t partitions = 0;
  int64_t log_start = 0;
  int64_t log_end = 0;
  int64_t high_watermark = 0;

  bool operator==(const HeldTotals&) const = default;
};

struct OperationGroup {
  std::string group;
  OperationStep step = OperationStep::kPlanned;
  WallTime since;
  // Who is to lead; -1: the most advanced one, which is not known yet.
  NodeId target{-1};
  // The term that ends: as planned, then as the moving transaction read it. `fenced` are those who
  // could have led without loss (the sync set and the leader).
  LeaderEpoch old_epoch = kNoLeaderEpoch;
  Member old_leader;
  Members fenced;
  // While fencing: the epoch that the other sites are asked to accept.
  LeaderEpoch fence_epoch = kNoLeaderEpoch;
  // The term that began.
  LeaderEpoch new_epoch = kNoLeaderEpoch;
  Member new_leader;
  std::optional<Loss> loss;
  std::optional<HeldTotals> held;
  // Why it does not go on at once; empty if it does.
  std::string waiting_for;
  // Why it failed or was abandoned, or what could not be verified.
  std::string error;

  bool operator==(const OperationGroup&) const = default;
};

// `group` is empty for what concerns the whole operation; `what` is the name of a step, or
// "approved", "taken-over".
struct OperationEvent {
  WallTime at;
  std::string what;
  std::string group;

  bool operator==(const OperationEvent&) const = default;
};

struct Operation {
  OperationId id = 0;
  OperationKind kind = OperationKind::kSwitchover;
  std::string from;  // region; empty if groups were named
  std::string to;    // region; empty if whoever holds most is to lead
  bool allow_loss = false;
  std::vector<std::string> overrides;  // names of safety rules, sorted
  std::string requested_by;
  bool awaiting_approval = false;
  // Who carries it out, and the how manieth that is.
  Member executor;
  int32_t attempt = 1;
  std::vector<OperationGroup> groups;  // in the order in which they are restored
  std::vector<OperationEvent> timeline;

  bool operator==(const Operation&) const = default;
};

using Operations = std::map<OperationId, Operation>;

// More events than these are not kept. A store's transaction holds about a hundred changes.
inline constexpr size_t kOperationEventsMax = 1'000;
inline constexpr size_t kOperationGroupsMax = 100;

// True when nothing more will happen.
bool is_over(OperationStep step);
bool is_over(const Operation& operation);
// Leadership has not moved yet.
bool can_be_abandoned(OperationStep step);
// Of the operation as a whole: "awaiting-approval", the step of the group that is least far, or, at
// the end, "failed" or "abandoned" if any group is, else "done".
std::string overall_step(const Operation& operation);

const OperationGroup* find_group(const Operation& operation, std::string_view group);
bool overrides_rule(const Operation& operation, std::string_view rule);

const char* to_string(OperationKind kind);
const char* to_string(OperationStep step);
const char* to_string(LossKind kind);

}  // namespace magpie::control
