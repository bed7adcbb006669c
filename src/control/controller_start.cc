// How a controller starts: the data directory, and the new epoch.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "control/controller.h"
#include "control/counters.h"

namespace magpie::control {
namespace {

Error store_is_missing() {
  return Error{ErrorKind::kInvalidArgument,
               fmt::format("{} is a copy of a control store's state, but no control store is "
                           "configured: alone this node could give out again what others have. "
                           "Name the store in the configuration",
                           kJournalPath)};
}

}  // namespace

Controller::Controller(ControllerConfig config, Random random)
    : config_(std::move(config)),
      random_(random),
      journal_(config_.journal_file, config_.cluster_id,
               {config_.owner, DirectoryOpening::kJournalWritten, 0}),
      opening_(config_, journal_, random_) {}

void Controller::start(ControllerOutput& out) {
  CHECK(phase_ == Phase::kStarting);
  if (auto problem = cluster_id_problem(config_.cluster_id)) {
    return fail_start(Error{ErrorKind::kInvalidArgument, std::move(*problem)}, out);
  }
  opening_.begin(out.effects);
}

void Controller::step(const Now& now, const port::DiskDone& done, ControllerOutput& out) {
  if (phase_ != Phase::kStarting) return on_journal_written(now, done, out);
  auto ended = opening_.step(done, out.effects);
  if (!ended) return;
  if (!*ended) return start_refused(now, ended->error(), out);
  OpenedDirectory& opened = **ended;
  if (opened.store_id != 0) return fail_start(store_is_missing(), out);
  identity_ = std::move(opened.identity);
  created_ = opened.created;
  state_ = std::move(opened.state);
  take_leadership(now, out);
}

void Controller::take_leadership(const Now& now, ControllerOutput& out) {
  phase_ = Phase::kTakingLeadership;
  if (planted(PlantedBug::kEpochReused) && state_.leadership().exists()) {
    phase_ = Phase::kReady;
    out.events.push_back(Ready{identity_, state_.leadership(), created_});
    return advance(out);
  }
  auto decided = decide_leadership(state_, {identity_.node_id, identity_.incarnation}, now.wall);
  if (!decided) {
    return fail_start(Error{ErrorKind::kLimit, std::move(decided.error().message)}, out);
  }
  commit(std::nullopt, std::move(decided->transaction), out);
}

// The disk, not the data, is in the way: everything is looked at anew, a while later.
void Controller::start_refused(const Now& now, const Error& error, ControllerOutput& out) {
  if (!is_temporary(error.kind)) return fail_start(error, out);
  if (!storage_error_) {
    out.effects.add(port::LogLine{
        port::Severity::kError, "control.start_delayed",
        fmt::format("the cluster state cannot be read or begun: {}. The node serves nobody until "
                    "it can; trying again every {} s",
                    error.message, config_.retry_interval.to_milliseconds() / 1'000)});
  }
  storage_error_ = error;
  retry_at_ = now.instant + config_.retry_interval;
}

void Controller::fail_start(Error error, ControllerOutput& out) {
  CHECK(phase_ != Phase::kReady);
  phase_ = Phase::kFailed;
  out.events.push_back(StartFailed{std::move(error)});
  stop(out);
}

}  // namespace magpie::control
