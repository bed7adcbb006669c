// Decisions about regions, nodes and failover groups.
//
// Each looks at the state and returns a transaction that compares every key it read, or a refusal
// whose message says what to do. None changes anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/failover_group.h"
#include "control/refusal.h"
#include "control/region.h"
#include "control/state.h"

namespace magpie::control {

struct RegionRegistered {
  std::string name;
};
// A region's role is decided once; refused with kInvalidRequest if it has another. A new one is
// refused with kPolicyViolation if another one has just gone or come back (decide_regions.h).
Decided<RegionRegistered> decide_register_region(const State& state, const Region& region,
                                                 WallTime now = {}, Duration lease = {});

struct NodeRegistered {
  NodeId id;
  bool rebuilt = false;  // under this id there was another incarnation before
};
// Announces a node with what it is now; its region is registered with `role` if it does not exist.
// Refused with kInvalidRequest: a node id whose other incarnation holds its lease (two directories
// under one id), another region than before, a region of another role, one that was removed. A new
// region as above.
// A rebuilt node takes nothing over: leaderships and sync sets name incarnations.
Decided<NodeRegistered> decide_register_node(const State& state, const Node& node,
                                             RegionRole role = RegionRole::kData, WallTime now = {},
                                             Duration lease = {});

struct GroupSet {
  std::string name;
};
// Refused with kInvalidRequest if the name is taken, or with kPolicyViolation if the policy cannot
// hold (group_problem), or while a region is being removed.
Decided<GroupSet> decide_create_group(const State& state, const FailoverGroup& group);
// Replaces the policy. Also of `default` and `system`. What it means for members that the group has
// now is for its leader to carry out. Refused too if the leader's region would no longer be one of
// the group's, or if it names one that is being removed.
Decided<GroupSet> decide_alter_group(const State& state, const FailoverGroup& group);
// Refused while a topic names the group, and for `default` and `system`. With `keep` its policy can
// be restored for so long (deleted_group.h).
Decided<GroupSet> decide_delete_group(const State& state, std::string_view group,
                                      Duration keep = {}, WallTime now = {});

}  // namespace magpie::control
