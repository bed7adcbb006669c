// Failover groups that were deleted: their policies are kept for a while, so that a mistake can be
// undone.
//
// A group can be deleted only while no topic is in it, so there are no records to keep; what is
// lost with it is how it was set. `deleted_failover_groups/<name>` remembers that until its time is
// over, or another group of that name is deleted. What is over time goes with the next
// deletions, a few at a time.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "control/failover_group.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

// Kept at once; with the next deletion the one goes whose time would be over first.
inline constexpr size_t kDeletedGroupsMax = 50;

struct DeletedGroup {
  FailoverGroup policy;
  WallTime deleted_at;
  WallTime kept_until;

  bool operator==(const DeletedGroup&) const = default;
};

std::string encode_deleted_group(const DeletedGroup& deleted);
Result<DeletedGroup> decode_deleted_group(std::string_view key, std::string_view name,
                                          std::string_view value);

// By name. What this version cannot read is left out.
std::map<std::string, DeletedGroup> deleted_groups(const State& state);

// Adds to the transaction that deletes a group what keeps its policy.
void keep_group(const State& state, const FailoverGroup& policy, Duration keep, WallTime now,
                Transaction& transaction);

// The group exists again, with its policy and without partitions. Refused if it is not kept any
// more, if there is one of that name, or if its policy can no longer hold.
Decided<DeletedGroup> decide_restore_group(const State& state, std::string_view name, WallTime now);

}  // namespace magpie::control
