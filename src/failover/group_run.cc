#include "failover/group_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted_bug.h"
#include "control/operation_plan.h"
#include "control/promotion.h"
#include "control/replication.h"
#include "failover/preview.h"

namespace magpie::failover {
namespace {

using control::Leadership;
using control::OperationStep;

std::string nodes_text(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += fmt::format("{}{}", text.empty() ? "" : ", ", node.value);
  return text;
}

bool is_promotable(const control::State& state, const Leadership& led, NodeId node) {
  const control::Node* known = state.find_node(node);
  return known != nullptr && control::contains(led.promotable, {node, known->incarnation});
}

// Who may still acknowledge in a term that is to end: its leader and, if it was never open, that of
// the last open one.
control::Members lease_holders(const control::State& state, const Leadership& led) {
  control::Members holders;
  const auto add = [&](const control::Member& member) {
    if (state.alive(member.node) == member.incarnation) holders = with(holders, member);
  };
  add(led.leader);
  if (led.open_before) add(*led.open_before);
  return holders;
}

}  // namespace

// --- asking and proposing ------------------------------------------------------------------------

bool GroupRun::due(const RunContext& at, Inquiry& inquiry) const {
  const Instant now = at.now.instant;
  if (inquiry.ticket != 0 && now < inquiry.asked_at + at.config.question_timeout) return false;
  if (inquiry.ticket == 0 && now < inquiry.again_at) return false;
  inquiry.ticket = at.next_ticket++;
  inquiry.asked_at = now;
  return true;
}

void GroupRun::ask_to_accept(const RunContext& at, const std::string& region) {
  Inquiry& inquiry = accepting_[region];
  if (!due(at, inquiry)) return;
  Question question;
  question.ticket = inquiry.ticket;
  question.region = region;
  for (const auto& [id, node] : at.state.nodes()) {
    if (node.region != region) continue;
    if (question.node.value < 0 || control::is_alive(at.state, id)) question.node = id;
    if (control::is_alive(at.state, id)) break;
  }
  wire::LinkAccept accept;
  accept.number = static_cast<int64_t>(inquiry.ticket);
  accept.group = at.record.group;
  accept.epoch = at.record.fence_epoch.value;
  question.ask = std::move(accept);
  at.out.questions.push_back(std::move(question));
}

bool GroupRun::inspect(const RunContext& at, NodeId node) {
  Inquiry& inquiry = inspecting_[node];
  if (inquiry.answered) return true;
  if (!due(at, inquiry)) return false;
  const control::Node* known = at.state.find_node(node);
  Question question;
  question.ticket = inquiry.ticket;
  question.region = known == nullptr ? "" : known->region;
  question.node = node;
  wire::LinkInspect look;
  look.number = static_cast<int64_t>(inquiry.ticket);
  look.group = at.record.group;
  question.ask = std::move(look);
  at.out.questions.push_back(std::move(question));
  return false;
}

bool GroupRun::is_out_of_reach(NodeId node, int times) const {
  const auto found = inspecting_.find(node);
  return found != inspecting_.end() && found->second.failed >= times;
}

bool GroupRun::take_answer(const Now& now, const Answered& answered, const Config& config) {
  for (auto& [region, inquiry] : accepting_) {
    if (inquiry.ticket != answered.ticket || answered.ticket == 0) continue;
    inquiry.ticket = 0;
    inquiry.again_at = now.instant + config.retry_interval;
    const auto* answer = std::get_if<wire::LinkAcceptAnswer>(&answered.answer);
    if (answer == nullptr) {
      not_accepting_[region] = "does not answer";
    } else if (answer->accepted || (fence_epoch_ != kNoLeaderEpoch && answer->wait_ms == 0 &&
                                    answer->epoch >= fence_epoch_.value)) {
      // A site that has accepted a later epoch takes part in no earlier one either.
      accepted_[region] = LeaderEpoch{answer->epoch};
      not_accepting_.erase(region);
    } else {
      not_accepting_[region] =
          answer->wait_ms > 0
              ? fmt::format("has promised the leader time, for {} ms more", answer->wait_ms)
              : fmt::format("has accepted epoch {}", answer->epoch);
    }
    return true;
  }
  for (auto& [node, inquiry] : inspecting_) {
    if (inquiry.ticket != answered.ticket || answered.ticket == 0) continue;
    inquiry.ticket = 0;
    inquiry.again_at = now.instant + config.retry_interval;
    if (const auto* answer = std::get_if<wire::LinkInspectAnswer>(&answered.answer)) {
      inquiry.answered = true;
      holdings_[node] = *answer;
    } else {
      ++inquiry.failed;
    }
    return true;
  }
  return false;
}

bool GroupRun::take_settled(const Now& now, const ProposalSettled& settled, const Config& config) {
  if (proposal_ != settled.ticket) return false;
  proposal_.reset();
  refusal_ = settled.refusal ? settled.refusal->message : "";
  if (settled.refusal) retry_at_ = now.instant + config.retry_interval;
  return true;
}

void GroupRun::propose(const RunContext& at, Decide decide) {
  control::StepClaim claim{at.operation.id, at.operation.attempt, at.self, at.record.group,
                           at.record.step};
  proposal_ = at.next_ticket++;
  at.steps.push_back(
      {*proposal_,
       [decide = std::move(decide), claim = std::move(claim), wall = at.now.wall](
           const control::State& state) -> tl::expected<control::Transaction, control::Refusal> {
         auto decided = decide(state, claim, wall);
         if (!decided) return tl::unexpected(std::move(decided.error()));
         return std::move(decided->transaction);
       }});
}

void GroupRun::fail(const RunContext& at, const std::string& error) {
  propose(at, [error](const control::State& state, const control::StepClaim& claim, WallTime now) {
    return control::decide_fail_step(state, claim, error, now);
  });
}

bool GroupRun::waited(const RunContext& at, Duration duration) const {
  return at.now.instant >= entered_ + duration;
}

void GroupRun::note(const RunContext& at, const std::string& waiting_for) {
  if (at.record.waiting_for == waiting_for || !waited(at, at.config.note_delay)) return;
  propose(at,
          [waiting_for](const control::State& state, const control::StepClaim& claim, WallTime) {
            return control::decide_note_waiting(state, claim, waiting_for);
          });
}

// --- steps ---------------------------------------------------------------------------------------

void GroupRun::log_step(const RunContext& at) const {
  const control::OperationGroup& record = at.record;
  const std::string what = fmt::format("operation {} ({}), failover group '{}': {}",
                                       at.operation.id, control::to_string(at.operation.kind),
                                       record.group, control::to_string(record.step));
  auto& lines = at.out.lines;
  if (record.step == OperationStep::kFailed) {
    lines.push_back({port::Severity::kError, "failover.failed", what + ": " + record.error});
  } else if (record.step == OperationStep::kVerifying) {
    lines.push_back(
        {port::Severity::kInfo, "failover.moved",
         fmt::format("{}: node {} leads in epoch {}; loss {}", what, record.new_leader.node.value,
                     record.new_epoch.value, control::to_string(record.loss->kind))});
  } else if (record.step == OperationStep::kDone && !record.error.empty()) {
    lines.push_back(
        {port::Severity::kWarning, "failover.not_verified", what + ", but: " + record.error});
  } else {
    lines.push_back({port::Severity::kInfo, "failover.step", what});
  }
}

void GroupRun::enter(const RunContext& at) {
  step_ = at.record.step;
  entered_ = at.now.instant;
  fence_epoch_ = at.record.fence_epoch;
  accepting_.clear();
  inspecting_.clear();
  accepted_.clear();
  not_accepting_.clear();
  holdings_.clear();
  open_since_.reset();
  contradiction_.clear();
  fenced_ = false;
  refusal_.clear();
  retry_at_ = {};
  log_step(at);
}

void GroupRun::advance(const RunContext& at) {
  if (step_ != at.record.step || fence_epoch_ != at.record.fence_epoch) enter(at);
  if (proposal_ || at.now.instant < retry_at_ || at.operation.awaiting_approval) return;
  const bool switchover = at.operation.kind == control::OperationKind::kSwitchover;
  switch (at.record.step) {
    case OperationStep::kPlanned:
      return switchover ? plan_switchover(at) : plan_failover(at);
    case OperationStep::kDraining:
      return drain(at);
    case OperationStep::kFencing:
      return fence(at);
    case OperationStep::kVerifying:
      return verify(at);
    case OperationStep::kDone:
    case OperationStep::kAbandoned:
    case OperationStep::kFailed:
      return;
  }
}

void GroupRun::plan_switchover(const RunContext& at) {
  const Leadership& led = at.state.leadership(at.record.group);
  const NodeId target = at.record.target;
  const auto begin = [&] {
    propose(at, [](const control::State& state, const control::StepClaim& claim, WallTime now) {
      return control::decide_drain_step(state, claim, now);
    });
  };
  if (waited(at, at.config.plan_timeout)) {
    const std::string& why = at.record.waiting_for.empty() ? refusal_ : at.record.waiting_for;
    return fail(at, fmt::format("it could not begin within {} seconds: {}",
                                at.config.plan_timeout.to_milliseconds() / 1'000, why));
  }
  if (led.leader != at.record.old_leader) {
    return fail(at, fmt::format("node {} leads it now, in epoch {}", led.leader.node.value,
                                led.epoch.value));
  }
  if (!led.open) return note(at, "the epoch of the present leader to be opened");
  if (is_promotable(at.state, led, target)) return begin();
  const bool overridden = control::overrides_rule(at.operation, control::kRuleLag);
  if (overridden || !target_lags(at)) return begin();
}

// Whether the target lacks too much for writes to stop. Also true, and something else is done about
// it, while that is not known.
bool GroupRun::target_lags(const RunContext& at) {
  const NodeId leader = at.state.leadership(at.record.group).leader.node;
  const NodeId target = at.record.target;
  const bool leader_answered = inspect(at, leader);
  if (!inspect(at, target) || !leader_answered) {
    note(at, fmt::format("nodes {} and {} to say what they hold", leader.value, target.value));
    return true;
  }
  const int64_t lag = lag_between(holdings_[leader], holdings_[target]);
  if (lag <= at.config.switchover_lag_max) return false;
  fail(at, fmt::format("node {} lacks {} records, and writes would stop until it has them. Wait "
                       "until it has caught up, or override the rule '{}'",
                       target.value, lag, control::kRuleLag));
  return true;
}

void GroupRun::drain(const RunContext& at) {
  const Leadership& led = at.state.leadership(at.record.group);
  const NodeId target = at.record.target;
  const bool ours = led.draining && led.draining->operation == std::to_string(at.operation.id);
  if (led.leader != at.record.old_leader) {
    return fail(at, fmt::format("node {} leads it now, in epoch {}", led.leader.node.value,
                                led.epoch.value));
  }
  if (ours && led.draining->drained && !waited(at, at.config.drain_timeout)) {
    return propose(
        at, [target](const control::State& state, const control::StepClaim& claim, WallTime now) {
          return control::decide_promote_step(state, claim, target, now);
        });
  }
  if (waited(at, at.config.drain_timeout)) {
    return fail(at, fmt::format("node {} did not say within {} seconds that node {} holds "
                                "everything; it takes writes again",
                                led.leader.node.value,
                                at.config.drain_timeout.to_milliseconds() / 1'000, target.value));
  }
  if (at.state.alive(led.leader.node) != led.leader.incarnation) {
    return fail(at, fmt::format("node {} lost its lease while it was drained; fail over instead",
                                led.leader.node.value));
  }
  if (!ours) {
    // A new term of the same leader has forgotten it.
    return propose(at, [](const control::State& state, const control::StepClaim& claim,
                          WallTime now) { return control::decide_drain_step(state, claim, now); });
  }
  note(at, fmt::format("node {} to hold everything that node {} has written", target.value,
                       led.leader.node.value));
}

// The nodes that the request allows to lead.
std::vector<NodeId> GroupRun::in_reach(const RunContext& at) const {
  std::vector<NodeId> nodes;
  for (const NodeId id : control::possible_leaders(at.state, at.record.group)) {
    const control::Node* node = at.state.find_node(id);
    if (!at.operation.to.empty() && node->region != at.operation.to) continue;
    if (!at.operation.from.empty() && node->region == at.operation.from) continue;
    nodes.push_back(id);
  }
  return nodes;
}

// Promotes somebody who holds everything, if there is one. True if it was proposed.
bool GroupRun::try_without_loss(const RunContext& at) {
  const Leadership& led = at.state.leadership(at.record.group);
  const bool dead_too = control::overrides_rule(at.operation, control::kRuleLastHealthyRegion);
  for (const bool must_live : {true, false}) {
    if (!must_live && !dead_too) break;
    for (const NodeId node : in_reach(at)) {
      if (must_live && !control::is_alive(at.state, node)) continue;
      if (!is_promotable(at.state, led, node)) continue;
      propose(at,
              [node](const control::State& state, const control::StepClaim& claim, WallTime now) {
                return control::decide_promote_step(state, claim, node, now);
              });
      return true;
    }
  }
  return false;
}

void GroupRun::plan_failover(const RunContext& at) {
  if (try_without_loss(at)) return;
  if (at.operation.allow_loss) {
    return propose(at, [](const control::State& state, const control::StepClaim& claim,
                          WallTime now) { return control::decide_fence_step(state, claim, now); });
  }
  if (waited(at, at.config.plan_timeout)) {
    return fail(at,
                "nobody who holds everything that was acknowledged can lead; bring such a node "
                "back, or fail over with --allow-loss");
  }
  note(at, "a node that holds everything that was acknowledged");
}

// The sites that have yet to accept, if fewer than needed have.
std::vector<std::string> GroupRun::missing_acceptances(const RunContext& at) {
  const control::Quorum quorum = control::acceptance_quorum(at.state, at.record.group);
  size_t accepted = 0;
  std::vector<std::string> missing;
  for (const std::string& site : quorum.sites) {
    const auto found = accepted_.find(site);
    if (found != accepted_.end() && found->second >= at.record.fence_epoch) {
      ++accepted;
      continue;
    }
    ask_to_accept(at, site);
    const auto why = not_accepting_.find(site);
    missing.push_back(why == not_accepting_.end() ? site
                                                  : fmt::format("{} ({})", site, why->second));
  }
  if (accepted >= quorum.needed) missing.clear();
  return missing;
}

void GroupRun::fence(const RunContext& at) {
  const Leadership& led = at.state.leadership(at.record.group);
  if (led.leader != at.record.old_leader) {
    return fail(at, fmt::format("node {} leads it now, in epoch {}", led.leader.node.value,
                                led.epoch.value));
  }
  if (try_without_loss(at)) return;
  if (led.epoch >= at.record.fence_epoch) {
    // It was back for a while, in a new epoch that is not fenced by what was accepted.
    return propose(at, [](const control::State& state, const control::StepClaim& claim,
                          WallTime now) { return control::decide_fence_step(state, claim, now); });
  }
  const control::Members holders = lease_holders(at.state, led);
  if (!holders.empty() && waited(at, at.config.plan_timeout)) {
    return fail(
        at,
        fmt::format("node {} led it and has held its lease for {} seconds more, so it is "
                    "well. Switch over, or end it first",
                    holders.front().node.value, at.config.plan_timeout.to_milliseconds() / 1'000));
  }
  const std::string waiting = waiting_for_fence(at);
  // Only then: before it the old leader could still hand records on.
  const bool outdated = at.now.instant >= asked_since_ + at.config.answers_last;
  if (!waiting.empty() || !fenced_ || outdated) {
    inspecting_.clear();
    holdings_.clear();
    asked_since_ = at.now.instant;
    fenced_ = waiting.empty();
  }
  if (!fenced_) return note(at, waiting);
  bool all_answered = true;
  bool may_answer = false;
  for (const NodeId node : control::possible_leaders(at.state, at.record.group)) {
    if (inspect(at, node)) continue;
    all_answered = false;
    // One that holds no lease cannot be chosen; what it knows would only narrow the statement.
    if (control::is_alive(at.state, node) || !is_out_of_reach(node, 1)) may_answer = true;
  }
  const std::vector<NodeId> reach = in_reach(at);
  std::vector<NodeId> living;
  for (const NodeId node : reach) {
    if (control::is_alive(at.state, node)) living.push_back(node);
  }
  std::optional<NodeId> target = at.record.target;
  if (target->value < 0) target = most_advanced(holdings_, living);
  const bool patient = at.now.instant < asked_since_ + at.config.inspect_patience;
  if (!target || !holdings_.contains(*target) || (may_answer && patient)) {
    return note(at, fmt::format("nodes {} to say what they hold", nodes_text(reach)));
  }
  if (!refusal_.empty()) note(at, refusal_);
  if (!proposal_) promote_with_loss(at, *target, all_answered);
}

// Why the old leader may still acknowledge, or be promised time; empty if it cannot.
std::string GroupRun::waiting_for_fence(const RunContext& at) {
  if (planted(PlantedBug::kFenceIgnored)) return "";
  const Leadership& led = at.state.leadership(at.record.group);
  const std::vector<std::string> missing = missing_acceptances(at);
  const control::Members holders = lease_holders(at.state, led);
  std::vector<std::string> waiting;
  for (const control::Member& holder : holders) {
    waiting.push_back(fmt::format("the lease of node {}, which may still acknowledge, to run out",
                                  holder.node.value));
  }
  if (!missing.empty()) {
    waiting.push_back(
        fmt::format("more sites to accept the new epoch: {}", fmt::join(missing, ", ")));
  }
  return fmt::format("{}", fmt::join(waiting, "; "));
}

void GroupRun::promote_with_loss(const RunContext& at, NodeId target, bool all_answered) {
  const LossRange loss = loss_of(at.state, at.record.group, holdings_, target);
  control::LossEstimate estimate;
  for (const auto& [region, epoch] : accepted_) estimate.acceptances.push_back({region, epoch});
  if (all_answered) estimate.lag_limit = loss.lag_limit;
  estimate.records_min = loss.at_least;
  estimate.records_max = loss.at_most;
  estimate.basis = fmt::format(
      "{} of the nodes that follow said what they hold, and {} has a later record than node {}; "
      "what "
      "node {} acknowledged and nobody had received is not known{}",
      all_answered ? "all" : "not all", loss.target_is_ahead ? "none" : "another", target.value,
      at.record.old_leader.node.value,
      loss.at_most ? ", but lies within the offsets it had reserved" : "");
  if (all_answered && loss.target_is_ahead && !loss.may_have_lost.empty()) {
    estimate.basis += fmt::format(
        "; max_lag does not bound it, because nodes {} have not caught up with it since they were "
        "started, cut or emptied",
        nodes_text(loss.may_have_lost));
  }
  if (loss.estimate) {
    estimate.basis += fmt::format(
        ". By estimate, which proves nothing, about {} records: what others hold, and what it "
        "would have written unheard until its time was over, at the rate its followers saw",
        *loss.estimate);
  }
  propose(at, [target, estimate = std::move(estimate)](
                  const control::State& state, const control::StepClaim& claim, WallTime now) {
    return control::decide_promote_with_loss_step(state, claim, target, estimate, now);
  });
}

void GroupRun::verify(const RunContext& at) {
  const Leadership& led = at.state.leadership(at.record.group);
  const NodeId leader = at.record.new_leader.node;
  std::vector<NodeId> silent;
  const auto finish = [&](control::Verification found) {
    found.silent = silent;
    propose(at, [found = std::move(found)](const control::State& state,
                                           const control::StepClaim& claim, WallTime now) {
      return control::decide_finish_step(state, claim, found, now);
    });
  };
  if (led.leader != at.record.new_leader) {
    return finish({std::nullopt, "",
                   fmt::format("node {} took over in epoch {} before it was verified",
                               led.leader.node.value, led.epoch.value)});
  }
  if (!led.open) {
    // Who was lost before its epoch was open must not keep the group from another one.
    if (!control::is_alive(at.state, leader) && waited(at, at.config.verify_timeout)) {
      return finish({std::nullopt, "",
                     fmt::format("node {} holds no lease, and epoch {} was never opened",
                                 leader.value, led.epoch.value)});
    }
    return note(at, fmt::format("node {} to open epoch {} with the copies that the group's policy "
                                "asks for",
                                leader.value, led.epoch.value));
  }
  if (!open_since_) open_since_ = asked_since_ = at.now.instant;
  // What others know must have been said before what the leader holds: it goes on writing.
  bool others_answered = true;
  bool may_answer = false;
  for (const NodeId node : control::possible_leaders(at.state, at.record.group)) {
    const bool alive = control::is_alive(at.state, node);
    if (alive && inspect(at, node)) continue;
    silent.push_back(node);
    if (!alive) continue;
    others_answered = false;
    // Of the node that is being left nothing else is expected; of others once may be by chance.
    const int times = node == at.record.old_leader.node ? 1 : 2;
    if (!is_out_of_reach(node, times)) may_answer = true;
  }
  const bool patient = at.now.instant < asked_since_ + at.config.verify_patience;
  if (may_answer && patient) return;
  const bool late = at.now.instant >= *open_since_ + at.config.verify_timeout;
  if (!inspect(at, leader)) {
    if (!late) return note(at, fmt::format("node {} to say what it holds", leader.value));
    const std::string why = fmt::format("node {} did not say what it holds", leader.value);
    return finish({std::nullopt, contradiction_, contradiction_.empty() ? why : ""});
  }
  std::string problem = contradiction(at.state, at.record.group, holdings_, leader);
  // Whoever contradicted before and is silent now is believed.
  if (problem.empty() && !others_answered) problem = contradiction_;
  if (problem.empty() || late) {
    return finish({held_by(at.state, holdings_[leader]), std::move(problem), ""});
  }
  contradiction_ = problem;
  // Perhaps a topic is just being created there: ask again.
  for (auto& [node, inquiry] : inspecting_) {
    inquiry.answered = false;
    inquiry.failed = 0;
    inquiry.again_at = at.now.instant + at.config.retry_interval;
  }
  holdings_.clear();
  asked_since_ = at.now.instant;
  note(at, problem);
}

}  // namespace magpie::failover
