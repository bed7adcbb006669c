#include "control/store_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::control {
namespace {

// Between two attempts when nothing new was heard of the store.
constexpr Duration kPause = Duration::milliseconds(500);

}  // namespace

void StoreController::propose(uint64_t ticket, Decide decide, ControllerOutput& out) {
  const auto refuse_with = [&](RefusalCode code, std::string message) {
    out.events.push_back(Settled{ticket, Refusal{code, std::move(message)}});
  };
  if (stopping_ || phase_ == Phase::kFailed) {
    return refuse_with(RefusalCode::kUnavailable, "the node is stopping");
  }
  if (auto why = trouble()) return refuse_with(RefusalCode::kUnavailable, std::move(*why));
  if (phase_ == Phase::kReady && registration_problem_) {
    return refuse_with(RefusalCode::kUnavailable, *registration_problem_);
  }
  if (waiting_.size() >= config_.waiting_max) {
    return refuse_with(RefusalCode::kThrottled,
                       fmt::format("{} changes of the cluster are waiting already; try again later",
                                   waiting_.size()));
  }
  waiting_.push_back({ticket, std::move(decide), 0});
  advance(out);
}

std::optional<std::string> StoreController::trouble() const {
  if (frozen_) return frozen_;
  if (unreachable_) {
    return fmt::format("the control store cannot be reached, so nothing can be changed: {}",
                       *unreachable_);
  }
  return std::nullopt;
}

std::optional<Instant> StoreController::lease_valid_until() const {
  if (lease_ == 0 || announced_ != lease_ || frozen_ || stopping_) return std::nullopt;
  if (state_.alive(identity_.node_id) != identity_.incarnation) return std::nullopt;
  return lease_until_;
}

// --- the transaction under way ------------------------------------------------------------------

void StoreController::submit(Errand errand, Proposal proposal, const Transaction& transaction,
                             store::LeaseId lease, ControllerOutput& out) {
  CHECK(!flight_);
  store::StateTransaction wanted;
  for (const Compare& compare : transaction.compares) {
    wanted.compares.push_back({compare.key,
                               store::CompareTarget::kMod,
                               store::CompareResult::kEqual,
                               compare.modified,
                               {}});
  }
  for (const Change& change : transaction.changes) {
    wanted.changes.push_back({change.key, change.value, lease});
  }
  flight_ = Flight{errand, std::move(proposal), state_.revision(), std::nullopt};
  store::ClientOutput client = client_out(out);
  client_->submit(now_.instant, ++next_flight_, std::move(wanted), client);
}

void StoreController::on_done(const store::TransactionDone& done, ControllerOutput& out) {
  CHECK(flight_ && done.ticket == next_flight_);
  if (done.outcome == store::Outcome::kCommitted) {
    flight_->committed = done.revision;
    return;
  }
  Flight flight = *std::exchange(flight_, std::nullopt);
  if (done.outcome == store::Outcome::kCompareFailed) return decide_again(std::move(flight), out);
  wait_until_ = now_.instant + kPause;
  wait_for_ = flight.decided_at;
  if (flight.errand != Errand::kProposal) return;
  const std::string why = done.error ? done.error->message : "the node is stopping";
  if (done.outcome == store::Outcome::kUnknown) {
    out.events.push_back(
        Settled{flight.proposal.ticket,
                Refusal{RefusalCode::kStorage,
                        fmt::format("it is not known whether the control store has made the "
                                    "change: {}",
                                    why)}});
    return;
  }
  out.events.push_back(
      Settled{flight.proposal.ticket,
              Refusal{RefusalCode::kUnavailable,
                      fmt::format("the control store refused the change: {}", why)}});
}

// Somebody else was faster. What they did is on its way here, or here already.
void StoreController::decide_again(Flight flight, ControllerOutput& out) {
  wait_for_ = flight.decided_at;
  wait_until_ = now_.instant + kPause;
  if (flight.errand == Errand::kAnnounce) registered_ = false;
  if (flight.errand != Errand::kProposal) return;
  if (++flight.proposal.attempts >= config_.attempts_max) {
    out.events.push_back(
        Settled{flight.proposal.ticket,
                Refusal{RefusalCode::kThrottled,
                        "other nodes kept changing the same things; try again later"}});
    return;
  }
  waiting_.push_front(std::move(flight.proposal));
}

// Settles what was committed once the state shows it.
bool StoreController::land(ControllerOutput& out) {
  if (!flight_->committed || state_.revision() < *flight_->committed) return false;
  const Flight flight = *std::exchange(flight_, std::nullopt);
  // Who was taken out and is let in again is alive anew, too.
  if (flight.errand == Errand::kRegister) {
    registered_ = true;
    announced_ = 0;
  }
  if (flight.errand == Errand::kAnnounce) announced_ = announcing_;
  if (flight.errand == Errand::kAge) age_.told(telling_age_);
  if (flight.errand == Errand::kProposal) {
    out.events.push_back(Settled{flight.proposal.ticket, std::nullopt});
  }
  return true;
}

bool StoreController::take_proposal(ControllerOutput& out) {
  if (phase_ != Phase::kReady || waiting_.empty()) return false;
  Proposal proposal = std::move(waiting_.front());
  waiting_.pop_front();
  auto decided = proposal.decide(state_);
  if (!decided) {
    out.events.push_back(Settled{proposal.ticket, std::move(decided.error())});
  } else if (decided->empty()) {
    out.events.push_back(Settled{proposal.ticket, std::nullopt});
  } else if (auto status = state_.check(state_.revision() + 1, decided->changes); !status) {
    // It must not reach the store, where every node would stumble over it.
    out.events.push_back(
        Settled{proposal.ticket, Refusal{RefusalCode::kInvalidRequest, status.error().message}});
  } else {
    submit(Errand::kProposal, std::move(proposal), *decided, 0, out);
  }
  return true;
}

bool StoreController::work(ControllerOutput& out) {
  if (!is_current() || stopping_ || phase_ == Phase::kFailed) return false;
  if (flight_) return land(out);
  if (state_.revision() <= wait_for_ && now_.instant < wait_until_) return false;
  if (!registered_) return register_node(out);
  if (lease_ != 0 && announced_ != lease_) return announce(out);
  if (phase_ == Phase::kJoining && lease_valid_until()) become_ready(out);
  if (age_.has_news()) return tell_age(out);
  return take_proposal(out);
}

void StoreController::refuse_waiting(RefusalCode code, const std::string& message,
                                     ControllerOutput& out) {
  for (const Proposal& proposal : waiting_) {
    out.events.push_back(Settled{proposal.ticket, Refusal{code, message}});
  }
  waiting_.clear();
}

void StoreController::stop(ControllerOutput& out) {
  if (stopping_) return;
  stopping_ = true;
  refuse_waiting(RefusalCode::kUnavailable, "the node is stopping", out);
  if (scout_) scout_->stop(out.effects);
  if (!client_) return;
  store::ClientOutput client = client_out(out);
  client_->stop(client);
  std::vector<store::ClientEvent> events = std::exchange(client_events_, {});
  for (store::ClientEvent& event : events) {
    const auto* done = std::get_if<store::TransactionDone>(&event);
    if (done != nullptr && flight_ && !flight_->committed) on_done(*done, out);
  }
  if (flight_ && flight_->committed && flight_->errand == Errand::kProposal) {
    // The store has it; whoever asked may know.
    out.events.push_back(Settled{flight_->proposal.ticket, std::nullopt});
  }
  flight_.reset();
}

// --- the copy -----------------------------------------------------------------------------------

void StoreController::write_copy(ControllerOutput& out) {
  const bool waits = retry_at_ != Instant::never() && now_.instant < retry_at_;
  if (journal_.busy() || waits || (!whole_ && unwritten_.empty())) return;
  if (!whole_ && !journal_.wants_rewrite()) {
    journal_.append_copy(unwritten_.front(), out.effects);
    unwritten_.pop_front();
    return;
  }
  journal_.rewrite(state_, out.effects);
  whole_ = false;
  unwritten_.clear();
}

void StoreController::on_copy_written(const port::DiskDone& done, ControllerOutput& out) {
  const Status status = journal_.finish(done);
  if (status) {
    if (storage_error_) {
      out.effects.add(port::LogLine{port::Severity::kInfo, "control.storage_recovered",
                                    fmt::format("{} can be written again", kJournalPath)});
    }
    storage_error_.reset();
    retry_at_ = Instant::never();
    return;
  }
  if (!storage_error_) {
    out.effects.add(port::LogLine{
        port::Severity::kError, "control.storage_failed",
        fmt::format("{} cannot be written: {}. The node goes on, but after a restart without the "
                    "control store it would serve an older state; trying again every {} s",
                    kJournalPath, status.error().message,
                    config_.retry_interval.to_milliseconds() / 1'000)});
  }
  whole_ = true;
  storage_error_ = status.error();
  retry_at_ = now_.instant + config_.retry_interval;
}

}  // namespace magpie::control
