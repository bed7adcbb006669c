// Comparing what the nodes of a failover group hold, to choose who should lead after a loss and to
// say how large the loss is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "control/certificate.h"
#include "control/leadership.h"
#include "control/state.h"
#include "wire/link_inspect_answer.h"

namespace magpie::failover {

// What each node that answered holds of the group.
using Holdings = std::map<NodeId, wire::LinkInspectAnswer>;

// The node of `candidates` that holds most: fewest partitions that it cannot open, then most
// partitions in which nobody of them has a later record, then most records, then the earlier place
// in the list. Nothing if none has answered. A later record is one of a later epoch, or of the same
// epoch at a higher offset: whoever has it holds, as the logs are compared by epochs, what the
// others were acknowledged before it.
std::optional<NodeId> most_advanced(const Holdings& holdings,
                                    const std::vector<NodeId>& candidates);

// What is lost if `target` leads.
struct LossRange {
  // Somebody who answered knows these to have been acknowledged, and the target lacks them.
  int64_t at_least = 0;
  // Offsets that the group's leaders have reserved and the target lacks; nothing if a partition's
  // reservation is not known.
  std::optional<int64_t> at_most;
  // In no partition does anybody who answered have a later record than the target.
  bool target_is_ahead = true;
  // Of those whom the leader's limit of lag counts on, who did not say that he has caught up in
  // every partition since he was started, cut or emptied: he may have lost what the leader counted
  // on.
  std::vector<NodeId> may_have_lost = {};
  // The leader's promise, if what was asked bears it out: what the target lacks is what the leader
  // may acknowledge before its limit stops it.
  std::optional<control::LagLimit> lag_limit = std::nullopt;
  // Proven by nothing: what somebody who answered holds and the target does not, and what the
  // leader would have written since any of them last heard of it, at the rate they saw until then.
  // Never below the one or above the other; nothing if nobody has heard of the leader.
  std::optional<int64_t> estimate = std::nullopt;
};
LossRange loss_of(const control::State& state, const std::string& group, const Holdings& holdings,
                  NodeId target);

// What a node says that it holds of topics that exist, by topic and partition; what it cannot open
// is left out.
std::vector<control::HeldPartition> held_by(const control::State& state,
                                            const wire::LinkInspectAnswer& answer);

// What contradicts that `target` holds everything that was acknowledged: a partition it cannot
// open, or that it does not name, or one of which somebody knows a higher high watermark. Empty if
// nothing does.
std::string contradiction(const control::State& state, const std::string& group,
                          const Holdings& holdings, NodeId target);

}  // namespace magpie::failover
