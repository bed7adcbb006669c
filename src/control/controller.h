// The cluster state of one node, from the first read of its data directory to the last commit.
//
// The problem: many requests want to change the state at once, each must be decided against what is
// really committed, and none may be answered, or seen by anyone, before it would survive a crash.
// The idea: one proposal at a time. It is decided when its turn comes, its transaction becomes one
// write to the journal, and only when that write is durable is it applied, announced and settled.
// With several regions a StoreController does the same with transactions of a control store; a
// proposal is then decided again if another node was faster, which is why it is a function.
//
// Guarantees: a directory of another cluster or node is refused before anything is written; a
// missing or damaged journal is never read as empty (G12); every start leads in a new epoch that
// was durable before Ready; state() shows committed changes only.
//
// What it does not do: it does not carry changes out (open partitions, apply settings); whoever
// hears Applied does.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "control/cluster_controller.h"
#include "control/directory_opening.h"
#include "control/journal.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::control {

struct ControllerConfig : DirectoryConfig {
  // Proposals waiting at once; further ones are refused with kThrottled.
  size_t waiting_max = 10'000;
  // How often a disk that refused a write is tried again.
  Duration retry_interval = Duration::seconds(5);
};

class Controller final : public ClusterController {
 public:
  Controller(ControllerConfig config, Random random);

  // Reads the data directory, or begins one. Ends with Ready or StartFailed; while the disk refuses
  // to be read or to store what a start needs, it goes on trying.
  void start(ControllerOutput& out);

  void propose(uint64_t ticket, Decide decide, ControllerOutput& out) override;
  void stop(ControllerOutput& out) override;
  bool idle() const override { return !journal_.busy(); }
  void step(const Now& now, const port::DiskDone& done, ControllerOutput& out) override;
  void tick(const Now& now, ControllerOutput& out) override;
  Instant next_deadline() const override;
  const State& state() const override { return state_; }
  const std::optional<Error>& storage_error() const override { return storage_error_; }
  size_t waiting() const override { return waiting_.size(); }

 private:
  enum class Phase { kStarting, kTakingLeadership, kReady, kFailed };
  struct Proposal {
    uint64_t ticket = 0;
    Decide decide;
  };
  struct Commit {
    std::optional<uint64_t> ticket;  // none: the node's own, when it starts
    Revision revision = 0;
    std::vector<Change> changes;
    bool applied = false;
  };

  void on_journal_written(const Now& now, const port::DiskDone& done, ControllerOutput& out);
  void take_leadership(const Now& now, ControllerOutput& out);
  void start_refused(const Now& now, const Error& error, ControllerOutput& out);
  void fail_start(Error error, ControllerOutput& out);

  void advance(ControllerOutput& out);
  void commit(std::optional<uint64_t> ticket, Transaction transaction, ControllerOutput& out);
  void apply(Commit& commit, ControllerOutput& out);
  void commit_failed(const Commit& commit, const Error& error, ControllerOutput& out);
  void note_storage(const Now& now, const Status& status, ControllerOutput& out);

  ControllerConfig config_;
  Random random_;
  Journal journal_;
  State state_;
  Phase phase_ = Phase::kStarting;
  bool stopping_ = false;

  DirectoryOpening opening_;
  Identity identity_;
  bool created_ = false;

  std::deque<Proposal> waiting_;
  std::optional<Commit> committing_;
  std::optional<Error> storage_error_;
  Instant retry_at_ = Instant::never();
};

}  // namespace magpie::control
