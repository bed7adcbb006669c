// How a leader gives its groups to somebody else of its own accord: because the node is to stop, or
// because what it holds cannot be read.
//
// The problem: whoever stops closes its links and gives up its lease, and with them the means to
// commit what producers wait for; and until somebody leads again, nobody can write. The idea: a
// node that is asked to stop goes on working for a moment longer. It takes no new writes in the
// groups that it leads, keeps links and lease until what it took is committed, and then hands each
// group to a member of its sync set that holds everything, in one transaction of the control store
// (control/decide_operations.h, decide_hand_over). A leader that meets damage in its log does the
// same for that group, as soon as there is somebody to take it, and follows afterwards. A node that
// comes back and cannot open its log has nothing to finish, and hands over at once.
//
// Guarantees: leadership moves by the rules of a promotion without loss; a group stays where it is
// if an operation is moving it, if nobody in its sync set holds everything and its lease, or if it
// would be left with fewer copies than its `min`. Writes stand still only while somebody can take
// the group, or the node stops. Nothing here waits for ever: whoever stops has a deadline of its
// own (lifecycle.cc).
//
// What it does not do: it stops nothing, mends nothing, and brings nothing back.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/time.h"
#include "control/decide_operations.h"
#include "control/state.h"
#include "kafka/broker.h"
#include "node/terms.h"

namespace magpie::node {

class HandOvers {
 public:
  // Both must outlive this object.
  HandOvers(const control::State& state, Terms& terms) : state_(state), terms_(terms) {}

  // The node is to stop. False if it leads nothing, so that nothing has to be waited for.
  bool leave(kafka::Broker& broker);
  // Every group was handed over, or stays and nobody waits for what was taken.
  bool has_left() const;

  // A partition of the group cannot be read where its log says that there are records.
  void damaged(kafka::Broker& broker, const std::string& group, const std::string& partition);

  // This node should lead the group in its present epoch, and cannot read its copy of the
  // partition. Whoever is in sync may, without waiting: nothing is taken here.
  void cannot_lead(kafka::Broker& broker, const std::string& group, const std::string& partition);

  // Nothing more is done.
  void stop() { next_look_ = Instant::never(); }
  void tick(kafka::Broker& broker);
  Instant next_deadline() const { return next_look_; }

 private:
  // One group that is to be led elsewhere.
  struct Wanted {
    LeaderEpoch epoch;
    std::string why;  // for the operation's record, after "node N, "
    WallTime since;
    Instant again_at;        // not before
    Instant patience_ends;   // how long writes may stand still
    std::string complaint;   // why it stays, as last said
    bool proposing = false;  // that another leads it
    bool moved = false;      // this node does not lead it any more
    bool stays = false;      // nobody takes it over, and this node stops
    bool is_quiet = false;   // nobody waits for what was taken
    bool unled = false;      // this node never began the term
  };
  // Who could take it, or why nobody can.
  struct Choice {
    NodeId target{-1};
    bool holds_all = false;
    std::string why_not;
  };

  void look_at(kafka::Broker& broker, const std::string& name, Wanted& wanted);
  void look_at_unled(kafka::Broker& broker, const std::string& name, Wanted& wanted);
  Choice choose(kafka::Broker& broker, const LedGroup& led, const Wanted& wanted) const;
  control::HandOver request(const control::Term& term, const Wanted& wanted, NodeId target) const;
  void hand_over(kafka::Broker& broker, const control::Term& term, Wanted& wanted, NodeId target);
  void keep(kafka::Broker& broker, const std::string& name, Wanted& wanted, const std::string& why);

  const control::State& state_;
  Terms& terms_;
  bool leaving_ = false;
  bool takes_writes_ = true;
  Instant next_look_ = Instant::never();
  std::map<std::string, Wanted> wanted_;
};

}  // namespace magpie::node
