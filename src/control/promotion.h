// Decisions that begin a term of leadership: the first one, the leader's own next one, and
// promotions of another node (DESIGN section 7, "Promotion").
//
// Each takes a new epoch from the cluster's one counter, in the transaction that changes
// `leadership/<group>`; so of several that are decided at once only one is committed, and no epoch
// has two leaders. A new term is not open: its leader acknowledges nothing before
// decide_open_epoch, and until then those stay promotable who were before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "control/leadership.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

// The group's first term. Refused if it was led before; if the node is not registered with this
// incarnation; if its region is not the group's first one, unless `any_region`, or none of its.
Decided<Leadership> decide_take_leadership(const State& state, std::string_view group,
                                           const Member& leader, WallTime now, bool any_region);

// The leader's own next term: it was restarted, or a failed write spent its epoch.
// Safety: the same incarnation goes on, which holds whatever it did before, so who holds everything
// that was acknowledged does not change. Refused if another leads, or another incarnation: a wiped
// directory holds nothing.
Decided<Leadership> decide_renew_epoch(const State& state, std::string_view group,
                                       const Member& leader, WallTime now);

// Rule (a): a node that holds everything takes over, whether the leader is reachable or not.
// Safety: the target is promotable as read in the same transaction. While the old term was open,
// every acknowledgement needed it (it is in the sync set), so from when it has applied this and
// refuses the old epoch, the old leader acknowledges nothing more: that refusal is the fence. What
// was acknowledged until then it holds. If the old term was not open, its leader acknowledged
// nothing, and the same holds for the term before. A shrink of the old leader that is still under
// way compares the key that this changes.
// Refused if the target is not promotable with its present incarnation.
// `handed_over`: the leader itself gives the group away, which is no failover.
Decided<Leadership> decide_promote_without_loss(const State& state, std::string_view group,
                                                NodeId target, WallTime now,
                                                bool handed_over = false);

// A site's durable promise to take part in no epoch below `epoch` of this group.
struct Acceptance {
  std::string region;
  LeaderEpoch epoch;
};

struct PromoteWithLoss {
  std::string group;
  NodeId target{-1};
  std::vector<Acceptance> acceptances;
  // Somebody took the responsibility although nodes that hold everything may exist.
  bool give_up_promotable = false;
};

// Rule (b): nobody who holds everything can lead. The transaction compares that the old leader
// holds no lease (`alive/` is gone or another incarnation's), so its time to acknowledge is over;
// and a majority of the other sites, witnesses included, has accepted an epoch above the old one,
// so the old leader cannot be promised time by them either. What was acknowledged and the target
// does not hold is lost with this transaction, and only the target stays promotable. Somebody else
// who was so could still be held to be complete after it had followed the new leader, and cut what
// that one does not hold. Refused with what is missing; without `give_up_promotable` while anybody
// but the old leader is promotable; if the target could be promoted without loss.
Decided<Leadership> decide_promote_with_loss(const State& state, const PromoteWithLoss& request,
                                             WallTime now);

// The sites whose acceptance counts, and how many must accept.
struct Quorum {
  std::vector<std::string> sites;
  size_t needed = 0;
};
Quorum acceptance_quorum(const State& state, std::string_view group);

}  // namespace magpie::control
