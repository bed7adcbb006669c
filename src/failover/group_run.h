// One failover group of an operation that this node carries out; see operations.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/decide_operations.h"
#include "failover/holdings.h"
#include "failover/operations.h"

namespace magpie::failover {

// What a run looks at and writes to in one call.
struct RunContext {
  const Now& now;
  const control::State& state;
  const control::Operation& operation;
  const control::OperationGroup& record;
  const control::Member& self;
  const Config& config;
  uint64_t& next_ticket;
  Output& out;
  std::vector<Proposal>& steps;
};

class GroupRun {
 public:
  // Does what comes next.
  void advance(const RunContext& at);

  // True if the ticket was one of this run.
  bool take_answer(const Now& now, const Answered& answered, const Config& config);
  bool take_settled(const Now& now, const ProposalSettled& settled, const Config& config);

  bool is_proposing() const { return proposal_.has_value(); }

 private:
  // A question to one node or site, asked until it is answered.
  struct Inquiry {
    uint64_t ticket = 0;  // 0: none is under way
    Instant asked_at;
    Instant again_at;
    bool answered = false;
    int failed = 0;  // how often it could not even be asked
  };
  using Decide = std::function<control::Decided<control::Operation>(
      const control::State&, const control::StepClaim&, WallTime)>;

  void enter(const RunContext& at);
  void log_step(const RunContext& at) const;
  void plan_switchover(const RunContext& at);
  void plan_failover(const RunContext& at);
  void drain(const RunContext& at);
  void fence(const RunContext& at);
  void verify(const RunContext& at);

  bool try_without_loss(const RunContext& at);
  bool target_lags(const RunContext& at);
  std::string waiting_for_fence(const RunContext& at);
  std::vector<std::string> missing_acceptances(const RunContext& at);
  void promote_with_loss(const RunContext& at, NodeId target, bool all_answered);
  std::vector<NodeId> in_reach(const RunContext& at) const;

  void propose(const RunContext& at, Decide decide);
  void fail(const RunContext& at, const std::string& error);
  void note(const RunContext& at, const std::string& waiting_for);
  bool waited(const RunContext& at, Duration duration) const;

  bool due(const RunContext& at, Inquiry& inquiry) const;
  void ask_to_accept(const RunContext& at, const std::string& region);
  // True if the node has answered since the step was entered.
  bool inspect(const RunContext& at, NodeId node);
  // It could not be asked that often.
  bool is_out_of_reach(NodeId node, int times) const;

  std::optional<control::OperationStep> step_;
  Instant entered_;
  LeaderEpoch fence_epoch_ = kNoLeaderEpoch;
  std::optional<uint64_t> proposal_;
  Instant retry_at_;
  std::string refusal_;                       // of the last proposal
  std::map<std::string, Inquiry> accepting_;  // by region
  std::map<NodeId, Inquiry> inspecting_;
  std::map<std::string, LeaderEpoch> accepted_;
  std::map<std::string, std::string> not_accepting_;  // why, by region
  Holdings holdings_;
  bool fenced_ = false;  // nothing more is acknowledged in the old term
  // Verifying: since when the epoch is open, and since when the nodes are asked this time.
  std::optional<Instant> open_since_;
  Instant asked_since_;
  std::string contradiction_;  // of the last time
};

}  // namespace magpie::failover
