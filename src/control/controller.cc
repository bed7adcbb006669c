#include "control/controller.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

namespace magpie::control {

void Controller::propose(uint64_t ticket, Decide decide, ControllerOutput& out) {
  if (stopping_ || phase_ == Phase::kFailed) {
    out.events.push_back(
        Settled{ticket, Refusal{RefusalCode::kUnavailable, "the node is stopping"}});
    return;
  }
  if (waiting_.size() >= config_.waiting_max) {
    out.events.push_back(
        Settled{ticket, Refusal{RefusalCode::kThrottled,
                                fmt::format("{} changes of the cluster are waiting already; try "
                                            "again later",
                                            waiting_.size())}});
    return;
  }
  waiting_.push_back({ticket, std::move(decide)});
  advance(out);
}

void Controller::stop(ControllerOutput& out) {
  stopping_ = true;
  for (const Proposal& proposal : waiting_) {
    out.events.push_back(
        Settled{proposal.ticket, Refusal{RefusalCode::kUnavailable, "the node is stopping"}});
  }
  waiting_.clear();
}

// Takes proposals in turn until one needs a write.
void Controller::advance(ControllerOutput& out) {
  while (phase_ == Phase::kReady && !journal_.busy() && !waiting_.empty()) {
    const Proposal proposal = std::move(waiting_.front());
    waiting_.pop_front();
    auto decided = proposal.decide(state_);
    if (!decided) {
      out.events.push_back(Settled{proposal.ticket, std::move(decided.error())});
    } else if (decided->empty()) {
      out.events.push_back(Settled{proposal.ticket, std::nullopt});
    } else {
      commit(proposal.ticket, std::move(*decided), out);
    }
  }
}

void Controller::commit(std::optional<uint64_t> ticket, Transaction transaction,
                        ControllerOutput& out) {
  CHECK(!committing_ && state_.allows(transaction));
  const Revision revision = state_.revision() + 1;
  // A transaction that could not be applied must not reach the disk, from where it would come back
  // with every start.
  CHECK(state_.check(revision, transaction.changes).has_value());
  journal_.append(state_, revision, transaction.changes, out.effects);
  committing_ = Commit{ticket, revision, std::move(transaction.changes)};
  if (planted(PlantedBug::kMetadataBeforeDurable)) apply(*committing_, out);
}

void Controller::apply(Commit& commit, ControllerOutput& out) {
  if (commit.applied) return;
  commit.applied = true;
  auto differences = state_.apply(commit.revision, commit.changes);
  CHECK(differences.has_value());
  out.events.push_back(Applied{commit.revision, std::move(*differences)});
  if (commit.ticket) out.events.push_back(Settled{*commit.ticket, std::nullopt});
}

void Controller::commit_failed(const Commit& commit, const Error& error, ControllerOutput& out) {
  if (!commit.ticket || commit.applied) return;
  out.events.push_back(Settled{
      *commit.ticket, Refusal{RefusalCode::kStorage,
                              fmt::format("the change could not be stored: {}", error.message)}});
}

void Controller::on_journal_written(const Now& now, const port::DiskDone& done,
                                    ControllerOutput& out) {
  const Status status = journal_.finish(done);
  std::optional<Commit> commit = std::exchange(committing_, std::nullopt);
  note_storage(now, status, out);
  if (commit && status) apply(*commit, out);
  if (commit && !status) commit_failed(*commit, status.error(), out);
  if (phase_ == Phase::kTakingLeadership && commit && status) {
    phase_ = Phase::kReady;
    out.events.push_back(Ready{identity_, state_.leadership(), created_});
  }
  advance(out);
}

// Remembers whether the disk works, and says so once at each change.
void Controller::note_storage(const Now& now, const Status& status, ControllerOutput& out) {
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
        fmt::format("{} cannot be written: {}. Topics and settings cannot be changed until it can; "
                    "trying again every {} s",
                    kJournalPath, status.error().message,
                    config_.retry_interval.to_milliseconds() / 1'000)});
  }
  storage_error_ = status.error();
  retry_at_ = now.instant + config_.retry_interval;
}

void Controller::tick(const Now& now, ControllerOutput& out) {
  if (now.instant < next_deadline()) return;
  retry_at_ = Instant::never();
  if (phase_ == Phase::kStarting) {
    opening_.begin(out.effects);
  } else if (phase_ == Phase::kTakingLeadership) {
    take_leadership(now, out);
  } else {
    journal_.rewrite(state_, out.effects);
  }
}

Instant Controller::next_deadline() const {
  return journal_.busy() || stopping_ ? Instant::never() : retry_at_;
}

}  // namespace magpie::control
