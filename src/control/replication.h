// Decisions of a group's leader about who must hold its records: opening its epoch, taking members
// out of the sync set, taking new ones in. (DESIGN section 7, "S and how it changes"; promotion.h
// has the changes of leadership.)
//
// All of them keep one property, on which every failover without loss rests:
//
//   P  whoever is in `promotable` holds every record that was acknowledged in this group.
//
// Each compares `leadership/<group>`, so it fails if the term it was decided in is over, and what
// it changes is seen by whoever promotes. What the leader must have done before, and may do only
// after, is said at each function; replication_walk_test.cc explores what happens if it does not.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/leadership.h"
#include "control/refusal.h"
#include "control/region_values.h"
#include "control/state.h"

namespace magpie::control {

// Whose term it is. A decision is refused with kPolicyViolation if it is over.
struct Term {
  std::string group;
  LeaderEpoch epoch;
  Member leader;
};

// Why a group with so many copies takes no writes; nothing if it does. `failed_over` as in
// Leadership.
std::optional<std::string> blocked_by_policy(const FailoverGroup& group, int32_t copies,
                                             bool failed_over);

// SYNC, DEGRADED or CATCHING_UP, from the policy and the members.
ReplicationState replication_state(const State& state, std::string_view group,
                                   const Leadership& leadership);
// The leadership says what it is, and the exposure history (exposure.h) agrees.
bool is_state_noted(const State& state, std::string_view group);
// Sets it, with the times of the change.
void update_replication_state(const State& state, std::string_view group, WallTime now,
                              Leadership& leadership);

// The leader of an epoch that is not open gives it its own sync set, and may acknowledge from then
// on. REQUIRES of the caller: every member is reconciled in this epoch and holds durably what the
// leader held when the epoch began. Keeps P: nothing was acknowledged in this epoch before, and
// what was in earlier ones is part of what the leader held (or, after a failover with loss, is
// given up by this very transaction).
// Refused also if the policy blocks with so few copies.
Decided<Leadership> decide_open_epoch(const State& state, const Term& term, const Members& sync,
                                      WallTime now);

// Takes a member out of the sync set, or gives up on one that is joining. The leader acknowledges
// without it only once this is committed; until the outcome is known it needs both sets. Keeps P:
// those who stay held everything before.
// Refused if the policy blocks with fewer copies: then the leader waits, and acknowledges nothing.
Decided<Leadership> decide_shrink_sync(const State& state, const Term& term, const Member& member,
                                       WallTime now);

// Records who is to join. The leader needs the member for everything it acknowledges from when it
// has applied this.
Decided<Leadership> decide_begin_joining(const State& state, const Term& term, const Member& member,
                                         WallTime now);

// The joining member enters the sync set. REQUIRES of the caller: the member is reconciled in this
// epoch and holds durably everything below the high watermark in every partition, and the leader
// has needed it for every acknowledgement since. Keeps P: what was acknowledged before lies below
// that mark, and what came after needed the member.
Decided<Leadership> decide_finish_joining(const State& state, const Term& term, WallTime now);

// Both at once, so that there is no moment with one copy less: the joining member enters and
// `leaving` goes. Requirements of both.
Decided<Leadership> decide_exchange_sync(const State& state, const Term& term,
                                         const Member& leaving, WallTime now);

// The policy or the regions changed, or a switchover was given up, and with it whether the copies
// are as many as wanted: states that. Changes nothing if is_state_noted().
Decided<Leadership> decide_note_state(const State& state, const Term& term, WallTime now);

// Promises whoever fails over how much a loss can be, or nothing (G11). REQUIRES of the caller: it
// keeps to the limit when it asks, goes on to do so until it knows the outcome, and from when this
// is applied for as long as the term says so.
Decided<Leadership> decide_promise_lag(const State& state, const Term& term,
                                       const std::optional<LagLimit>& limit);

struct CeilingRaise {
  PartitionIndex partition;
  Offset ceiling;
};
// Reserves offsets; what is not above the present ceiling changes nothing. The leader gives out
// offsets below a ceiling only once it is committed, so after a failover with loss an epoch that
// starts above all ceilings uses no offset again: the failover changes the key that is compared
// here, and reads the ceilings afterwards. Fewer partitions at once if the topic is large:
// a topic has one key.
Decided<Ceilings> decide_raise_ceilings(const State& state, const Term& term, const Topic& topic,
                                        const std::vector<CeilingRaise>& raises);

// A leader that took over with loss, before it reserves or gives out any offset and before it opens
// its epoch: whatever was reserved in the terms before, also in a group from which a partition has
// come since, is a floor from now on, for every leader that comes. So no offset names two records,
// also if this term ends before it has written one.
Decided<Ceilings> decide_record_floors(const State& state, const Term& term, const Topic& topic);

// What leaders of the group may have given out of the topic: what was reserved in the group, and,
// of the partitions that belong to it now, also what was in groups that they were in before.
std::vector<Offset> reserved_offsets(const State& state, std::string_view group,
                                     const Topic& topic);

// The switchover's part that the leader commits: it takes no writes from when it has applied the
// first, and says in the second that the target holds everything. Only a member of the sync set can
// be the target, unless writes may stop for as long as another one needs to catch up.
Decided<Leadership> decide_begin_draining(const State& state, std::string_view group,
                                          const std::string& operation, NodeId target,
                                          bool may_catch_up = false);
Decided<Leadership> decide_finish_draining(const State& state, const Term& term,
                                           std::string_view operation);
// The same for a target that is not in the sync set, such as any in a group without copies; it
// enters the set. REQUIRES of the caller: since it has applied the draining it has appended
// nothing, and the target is reconciled in this epoch and holds durably the whole log of every
// partition, up to its end and not only to the high watermark. Keeps P: nothing is acknowledged
// that is not in the leader's log.
Decided<Leadership> decide_finish_draining_to(const State& state, const Term& term,
                                              std::string_view operation, const Member& target);
// By anybody, any time: the leader takes writes again.
Decided<Leadership> decide_abandon_draining(const State& state, std::string_view group,
                                            std::string_view operation);

}  // namespace magpie::control
