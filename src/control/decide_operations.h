// Decisions about operations: begun, carried on, taken over, ended.
//
// Every one changes the record and compares it as it was, so of two that are decided at once one is
// refused; a step also says for which attempt it speaks. What a step does to a group's leadership
// is decided by promotion.h and replication.h and committed in the same transaction, so the record
// never lags behind.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/certificate.h"
#include "control/operation.h"
#include "control/operation_plan.h"
#include "control/promotion.h"
#include "control/refusal.h"
#include "control/replication.h"
#include "control/state.h"

namespace magpie::control {

// Operations that are over and kept to be looked at; older ones go when a new one begins.
inline constexpr size_t kOperationsKept = 100;

// Refused with kPolicyViolation if an objection of the plan stands; the message names the rule. An
// operation that is overridden with kRuleOperationRunning is abandoned for its groups. A failover's
// first group is promoted in the same transaction if that loses nothing: it is what people wait
// for.
Decided<Operation> decide_begin_operation(const State& state, const OperationRequest& request,
                                          const Member& executor, WallTime now);

// --- steps, by the executor ----------------------------------------------------------------------

// Refused if another node carries the operation out, or a later attempt of this one does, or the
// group is at another step than the caller thinks.
struct StepClaim {
  OperationId operation = 0;
  int32_t attempt = 1;
  Member executor;
  std::string group;
  OperationStep step = OperationStep::kPlanned;  // where the caller found it
};

// The leader stops taking writes. REQUIRES of the caller: the target is in sync, or not far behind.
Decided<Operation> decide_drain_step(const State& state, const StepClaim& claim, WallTime now);

// Rule (a), and the point of no return: new epoch, new leader, loss 0. In a switchover only once
// the target has everything.
Decided<Operation> decide_promote_step(const State& state, const StepClaim& claim, NodeId target,
                                       WallTime now);

// The other sites will be asked to accept an epoch above the present one.
Decided<Operation> decide_fence_step(const State& state, const StepClaim& claim, WallTime now);

// Rule (b), and the point of no return. `estimate` is what asking the nodes has shown; it is taken
// over as the statement, as bounded only if the leader had promised `lag_limit` and goes by it:
// every node that could have been ahead was asked, none was, and none of those whom the leader
// counted on may have lost what it held.
struct LossEstimate {
  std::vector<Acceptance> acceptances;
  std::optional<LagLimit> lag_limit = std::nullopt;
  std::optional<int64_t> records_min;
  std::optional<int64_t> records_max;
  std::string basis;
};
Decided<Operation> decide_promote_with_loss_step(const State& state, const StepClaim& claim,
                                                 NodeId target, const LossEstimate& estimate,
                                                 WallTime now);

// Why the group waits; nothing changes if the record says so already.
Decided<Operation> decide_note_waiting(const State& state, const StepClaim& claim,
                                       const std::string& waiting_for);

// What was found when the new leader's term was open.
struct Verification {
  // What the new leader said that it holds; nothing if it did not say.
  std::optional<std::vector<HeldPartition>> held;
  // What contradicts a loss of 0; the statement becomes unknown then. Empty if nothing does.
  std::string contradiction;
  // Why it could not be verified; the statement stays as the transaction made it.
  std::string unverified;
  // Who was not there to contradict.
  std::vector<NodeId> silent = {};
};
// Leaves a certificate (certificate.h) beside the record.
Decided<Operation> decide_finish_step(const State& state, const StepClaim& claim,
                                      const Verification& found, WallTime now);

// Gives the group up before the point of no return; its leader takes writes again.
Decided<Operation> decide_fail_step(const State& state, const StepClaim& claim,
                                    const std::string& error, WallTime now);

// --- by a leader ---------------------------------------------------------------------------------

// A leader gives its group to a member of the sync set, of its own accord.
struct HandOver {
  Term term;
  NodeId target{-1};
  WallTime since;   // what is handed over to one node for one reason since then is one operation
  std::string why;  // "which stops": for the record, after the node
  bool leaves = false;  // the leader is no copy afterwards
};
// Moves the leadership in the transaction that writes the record, as decide_promote_step does; the
// new leader carries the operation out from there. REQUIRES of the caller: it has stopped taking
// writes, and what it took is committed, or producers would not know what became of it.
// Refused if the term is over or not open, if an operation is moving the group, if the target is
// not in the sync set or holds no lease, and if fewer copies than the group's `min` would be left.
Decided<Operation> decide_hand_over(const State& state, const HandOver& request, WallTime now);

// --- by anybody ----------------------------------------------------------------------------------

// A node goes on where the executor stopped. Refused while the executor holds its lease, if the
// node itself holds none, and if the operation is over.
Decided<Operation> decide_take_over_operation(const State& state, OperationId operation,
                                              const Member& by, WallTime now);

// Ends it for all groups that have not moved yet. Refused if none is left.
Decided<Operation> decide_abandon_operation(const State& state, OperationId operation,
                                            const std::string& by, WallTime now);

// The highest epoch that sites were asked to accept for a failover of the group that did not
// happen. A leader below it is promised nothing any more, and should take a new epoch
// (decide_renew_epoch), which is not below it. kNoLeaderEpoch if there was none.
LeaderEpoch abandoned_fence(const State& state, std::string_view group);

// Somebody confirms an operation that waits for it. Refused if it does not.
Decided<Operation> decide_approve_operation(const State& state, OperationId operation,
                                            const std::string& by, WallTime now);

}  // namespace magpie::control
