// What a switchover or failover would do, and what speaks against it. Nothing is changed by asking.
//
// Two kinds of objections: a problem, which only a change of the cluster or of the request takes
// away, and a safety rule, which a person may override by its name. Names are stable; they stand in
// docs/operations/failover.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/operation.h"
#include "control/state.h"

namespace magpie::control {

// Nobody healthy would lead: the group would be moved to where no node holds its lease.
inline constexpr std::string_view kRuleLastHealthyRegion = "last-healthy-region";
// Another operation moves the group. Overriding abandons that one, if it still can be.
inline constexpr std::string_view kRuleOperationRunning = "operation-running";
// The group was moved a moment ago.
inline constexpr std::string_view kRuleCooldown = "cooldown";
// A switchover would stop writes until a target that is far behind has caught up. How far it is
// shows when the nodes are asked, so whoever carries the operation out applies it.
inline constexpr std::string_view kRuleLag = "lag";
// Somebody else holds everything that was acknowledged, and it would be given up.
inline constexpr std::string_view kRuleNotInSync = "not-in-sync";

// All of them, in this order.
std::vector<std::string_view> safety_rules();

inline constexpr Duration kOperationCooldown = Duration::seconds(60);

// Named groups, or all that are led in `from`; both if both are given.
struct OperationRequest {
  OperationKind kind = OperationKind::kSwitchover;
  std::vector<std::string> groups;
  std::string from;
  std::string to;
  bool allow_loss = false;
  std::vector<std::string> overrides;
  std::string requested_by;
  bool await_approval = false;
};

struct Objection {
  std::string rule;   // empty: a problem that cannot be overridden
  std::string group;  // empty: of the whole request
  std::string message;

  bool operator==(const Objection&) const = default;
};

struct PlannedGroup {
  std::string group;
  NodeId target{-1};      // -1: the most advanced one, which asking the nodes will show
  bool lossless = false;  // the target holds everything that was acknowledged
  NodeId leader{-1};
  LeaderEpoch epoch = kNoLeaderEpoch;
};

struct OperationPlan {
  std::vector<PlannedGroup> groups;  // in the order in which they would be moved
  std::vector<Objection> objections;
};

OperationPlan plan_operation(const State& state, const OperationRequest& request, WallTime now);

// The first objection that the request does not override; null if it may go on.
const Objection* standing_objection(const OperationPlan& plan, const OperationRequest& request);

// The nodes that may lead the group besides its leader, one of each region in the order of the
// group's regions: the one that is alive with the lowest id, or that with the lowest id.
std::vector<NodeId> possible_leaders(const State& state, std::string_view group);
bool is_alive(const State& state, NodeId node);
// Whether the group's leader has promised a limit of lag that its copies can be held to: none of
// its nodes has ever lost the end of what it said it holds (directory_opening.h).
bool lag_limit_is_kept(const State& state, std::string_view group);

}  // namespace magpie::control
