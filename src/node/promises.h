// How a leader goes on while the control store cannot be reached (G13).
//
// The problem: a leader that acknowledges only under its lease stops with the control store, though
// every region works. The idea: before the lease runs out, ask one node of every other site to
// promise, for a stated time, to accept no higher epoch of the group. With promises of as many
// sites as a failover with loss would need acceptances from, no such failover can come before the
// first of them has run out; and one without loss needs a member of the sync set, which then
// refuses this leader, so that nothing more is acknowledged (DESIGN section 7, leases;
// replication/epoch_gate.h).
//
// Guarantee: a promise counts from the sending of the question, less a margin for clocks that run
// at different speeds, and only for the epoch it was asked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "control/state.h"
#include "node/links.h"
#include "port/effect.h"
#include "wire/link_promise_answer.h"

namespace magpie::node {

class Promises {
 public:
  // `state` and `links` must outlive this object. A promise is asked for as long as a lease lasts:
  // that is what a failover with loss has to wait for, too.
  Promises(const control::State& state, Links& links, Duration lease);

  // Asks the other sites for the group that this node leads in `epoch`, if it is time again.
  void ask(const Now& now, const std::string& group, LeaderEpoch epoch, port::Effects& effects);
  void answered(NodeId node, const wire::LinkPromiseAnswer& answer);

  // Until when the sites that are needed have promised; long ago if they have not.
  Instant valid_until(const std::string& group, LeaderEpoch epoch) const;
  // The group is not led any more.
  void forget(const std::string& group) { groups_.erase(group); }

 private:
  struct Group {
    LeaderEpoch epoch = kNoLeaderEpoch;
    Instant asked_at;
    std::map<std::string, Instant> promised;  // by site
  };
  struct Question {
    std::string group;
    std::string site;
    LeaderEpoch epoch;
    NodeId node;
    Instant sent_at;
  };

  const control::State& state_;
  Links& links_;
  const Duration time_;
  std::map<std::string, Group> groups_;
  std::map<int64_t, Question> questions_;
  int64_t next_number_ = 1;
};

}  // namespace magpie::node
