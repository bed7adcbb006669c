// The cluster state of one node, from the first read of its data directory to the last commit.
//
// The problem: many requests want to change the state at once, each must be decided against what is
// really committed, and none may be answered, or seen by anyone, before it would survive a crash.
// The idea: one proposal at a time. It is decided when its turn comes, its transaction becomes one
// write to the journal, and only when that write is durable is it applied, announced and settled.
// With several regions the write becomes a transaction of the control store; a proposal is then
// decided again if another node was faster, which is why a proposal is a function and not a result.
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
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "base/time.h"
#include "control/identity.h"
#include "control/journal.h"
#include "control/refusal.h"
#include "control/state.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::control {

// Where its files are in the data directory.
inline constexpr std::string_view kIdentityPath = "identity";
inline constexpr std::string_view kControlFolder = "control";
inline constexpr std::string_view kJournalPath = "control/journal";

struct ControllerConfig {
  uint32_t owner = 0;           // routing number of its completions
  port::FileRef identity_file;  // kIdentityPath
  port::FileRef journal_file;   // kJournalPath
  std::string cluster_id;       // see cluster_id_problem()
  NodeId node_id;
  // Folders that hold records. A directory with one of them but without an identity is not new.
  std::vector<std::string> data_folders;
  // Proposals waiting at once; further ones are refused with kThrottled.
  size_t waiting_max = 10'000;
  // How often a disk that refused a write is tried again.
  Duration retry_interval = Duration::seconds(5);
};

// --- events -------------------------------------------------------------------------------------

// The state is read and this node leads in a new epoch. Comes once.
struct Ready {
  Identity identity;
  Leadership leadership;
  bool created = false;  // the data directory was empty before
};
// The node cannot start here; nothing was changed on disk. The message says what to do. A disk that
// is full or fails is no reason: it is tried again.
struct StartFailed {
  Error error;
};
// state() now shows these changes. Comes before the Settled of the proposal that made them.
struct Applied {
  Revision revision = 0;
  std::vector<Difference> differences;
};
// The outcome of a proposal, exactly one per propose(): committed (or nothing to commit), or
// refused. kStorage leaves open whether the change reached the disk and comes back with a restart.
struct Settled {
  uint64_t ticket = 0;
  std::optional<Refusal> refusal;
};

using ControllerEvent = std::variant<Ready, StartFailed, Applied, Settled>;

struct ControllerOutput {
  port::Effects& effects;
  std::vector<ControllerEvent>& events;
};

// --- the controller -----------------------------------------------------------------------------

class Controller {
 public:
  // Looks at the state and says what to commit. May be called more than once.
  using Decide = std::function<tl::expected<Transaction, Refusal>(const State&)>;

  Controller(ControllerConfig config, Random random);

  // Reads the data directory, or begins one. Ends with Ready or StartFailed; while the disk refuses
  // to be read or to store what a start needs, it goes on trying.
  void start(ControllerOutput& out);

  // Decides and commits in the order of the calls; Settled tells. Proposals made before Ready wait.
  void propose(uint64_t ticket, Decide decide, ControllerOutput& out);

  // Refuses what waits and what comes; a commit under way is finished. Stopped when idle().
  void stop(ControllerOutput& out);
  bool idle() const { return !journal_.busy(); }

  void step(const Now& now, const port::DiskDone& done, ControllerOutput& out);
  void tick(const Now& now, ControllerOutput& out);
  Instant next_deadline() const;

  const State& state() const { return state_; }
  // Why the disk refused last; nothing once a write has succeeded again.
  const std::optional<Error>& storage_error() const { return storage_error_; }
  size_t waiting() const { return waiting_.size(); }

 private:
  enum class Phase { kStarting, kTakingLeadership, kReady, kFailed };
  // What a completion answers; its `kind`.
  enum Step : uint32_t {
    kListRoot,
    kListControl,
    kReadIdentity,
    kReadJournal,
    kCreateIdentity,
    kJournalWritten,
  };
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

  port::Completion completion(Step step) const { return {config_.owner, step, 0}; }

  void look_around(ControllerOutput& out);
  void on_root_listed(const port::DiskDone& done, ControllerOutput& out);
  void on_control_listed(const port::DiskDone& done, ControllerOutput& out);
  void on_identity_read(const port::DiskDone& done, ControllerOutput& out);
  void on_journal_read(const port::DiskDone& done, ControllerOutput& out);
  void on_journal_written(const Now& now, const port::DiskDone& done, ControllerOutput& out);

  void read(const port::FileRef& file, uint64_t size, Step step, ControllerOutput& out);
  void create_identity(ControllerOutput& out);
  void take_leadership(ControllerOutput& out);
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

  std::optional<Identity> identity_;
  bool created_ = false;
  std::optional<uint64_t> identity_size_;  // of the file found; none if there is none
  std::optional<uint64_t> journal_size_;

  std::deque<Proposal> waiting_;
  std::optional<Commit> committing_;
  std::optional<Error> storage_error_;
  Instant retry_at_ = Instant::never();
};

}  // namespace magpie::control
