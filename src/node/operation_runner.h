// Lets the machine of switchovers and failovers (failover/operations.h) run on this node: its
// proposals go to the control store, its questions to other nodes or to this one's own votes, and
// what comes of them back to it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/time.h"
#include "control/member.h"
#include "control/state.h"
#include "failover/operations.h"
#include "kafka/broker.h"
#include "node/links.h"
#include "node/votes.h"

namespace magpie::node {

class OperationRunner {
 public:
  // All must outlive this object.
  OperationRunner(const control::State& state, Links& links, Votes& votes)
      : state_(state), links_(links), votes_(votes) {}

  void start(const control::Member& self);
  void stop() { operations_.reset(); }

  // The cluster state changed.
  void state_changed() { must_look_ = true; }
  // Another node's answer, if it was asked here.
  void answered(NodeId node, const link::Message& answer);
  void peer_lost(NodeId node);

  // Hands around what there is; true if there was anything.
  bool settle(kafka::Broker& broker);
  void tick(const Now& now);
  Instant next_deadline() const;

  // For the admin port; null before start().
  failover::Operations* operations() const { return operations_.get(); }

 private:
  struct Asked {
    uint64_t ticket = 0;
    NodeId node;
    Instant at;
  };

  void carry_out(kafka::Broker& broker, failover::Output& out);
  void ask(kafka::Broker& broker, failover::Question& question);
  void take(int64_t number, const link::Message& answer);

  const control::State& state_;
  Links& links_;
  Votes& votes_;
  std::unique_ptr<failover::Operations> operations_;
  NodeId self_{-1};
  std::vector<failover::Event> inbox_;
  bool must_look_ = false;
  std::map<int64_t, Asked> asked_;  // by the number in the question
  int64_t next_number_ = 1;
};

}  // namespace magpie::node
