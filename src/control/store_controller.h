// The cluster state of a node whose cluster has a control store.
//
// The problem: the store decides, and it is far away: it can be unreachable when this node starts,
// a transaction can be overtaken by another node's or have an unknown outcome, and the store itself
// can have been replaced by an older copy. The idea: the same proposals as on a single node, one at
// a time, each a transaction of the store, decided again if another node was faster; and the node's
// journal as a durable copy, from which a node that starts without the store serves.
//
// Guarantees:
// - state() is what the store held at state().revision(), changes applied in the order of
// revisions.
// - A proposal settles after its change was applied here; of one that is refused (but not with
//   kStorage) nothing was or will be committed.
// - lease_valid_until() is told only while `alive/<node>` stands in the store under this lease and
//   this node's incarnation, and the state that is shown is at least as new as that entry: whoever
//   finds the entry gone knows that this node acknowledges nothing, and this node knows of every
//   change of leadership that was made while the entry was missing.
// - A store that is another one, or has gone back, freezes: state() stays, changes are refused with
//   the reason, and no lease is offered. It is over when that store has been adopted for what this
//   node knows (adoption.h): then state() becomes what it holds, and revisions begin anew.
//
// What it does not do: it takes no leadership; whoever replicates proposes that, once is_current().
// The copy may lag behind the store: it is written after a change was applied, not before.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "control/cluster_controller.h"
#include "control/directory_opening.h"
#include "control/journal.h"
#include "control/store_scout.h"
#include "store/store_client.h"

namespace magpie::control {

struct StoreControllerConfig : DirectoryConfig {
  // The writer, and what is known of the store, are filled in.
  store::ClientConfig store;
  // What the node announces; id and incarnation are filled in.
  Node node;
  RegionRole role = RegionRole::kData;  // of its region
  int64_t lease_seconds = 10;
  ConfigValues topic_defaults = {};  // where they differ from Kafka's
  // How long a start waits for the store before it serves from the copy, and how long for a node id
  // that another directory uses.
  Duration patience = Duration::seconds(15);
  // How often a proposal is decided again before it is refused with kThrottled.
  int attempts_max = 10;
  size_t waiting_max = 10'000;
  // Between two ages of the directory: what is put back by less is not noticed.
  Duration age_interval = Duration::seconds(60);
  // How often a disk that refused a write is tried again.
  Duration retry_interval = Duration::seconds(5);
};

class StoreController final : public ClusterController {
 public:
  StoreController(StoreControllerConfig config, Random random);

  // Opens the directory, then the store. Ends with Ready or StartFailed.
  void start(const Now& now, ControllerOutput& out);

  void propose(uint64_t ticket, Decide decide, ControllerOutput& out) override;
  void stop(ControllerOutput& out) override;
  bool idle() const override { return !journal_.busy() && !age_.busy(); }
  void step(const Now& now, const port::DiskDone& done, ControllerOutput& out) override;
  void tick(const Now& now, ControllerOutput& out) override;
  Instant next_deadline() const override;
  const State& state() const override { return state_; }
  const std::optional<Error>& storage_error() const override { return storage_error_; }
  size_t waiting() const override { return waiting_.size(); }

  // Whether the event of a call is for this controller.
  bool owns(port::HttpCallId call) const {
    return (client_ && client_->owns(call)) || (scout_ && scout_->owns(call));
  }
  void step(const Now& now, const port::HttpCallPart& part, ControllerOutput& out);
  void step(const Now& now, const port::HttpCallDone& done, ControllerOutput& out);

  // The state was read from the store in this life. A leader acknowledges nothing before.
  bool is_current() const override { return loaded_ && !frozen_; }
  // Until when this node certainly holds its lease; nothing if it does not.
  std::optional<Instant> lease_valid_until() const;
  // Why changes are refused now; nothing if they are not.
  std::optional<std::string> trouble() const;
  bool frozen() const { return frozen_.has_value(); }
  // The store whose state this is; 0 if none was ever read.
  uint64_t store_id() const { return copy_of_; }
  // Looks at the store that was found instead; null unless frozen because of it.
  const StoreScout* scout() const { return scout_ ? &*scout_ : nullptr; }

 private:
  enum class Phase { kStarting, kJoining, kReady, kFailed };
  struct Proposal {
    uint64_t ticket = 0;
    Decide decide;
    int attempts = 0;
  };
  enum class Errand { kRegister, kAnnounce, kProposal, kAge };
  // The transaction under way.
  struct Flight {
    Errand errand = Errand::kProposal;
    Proposal proposal;
    Revision decided_at = 0;
    std::optional<Revision> committed;  // settled when the state has come this far
  };

  store::ClientOutput client_out(ControllerOutput& out) { return {out.effects, client_events_}; }
  void on_opened(OpenedDirectory opened, ControllerOutput& out);
  // After every event: looks at what the client said, sends and writes what can be.
  void advance(ControllerOutput& out);
  void hear(store::ClientEvent& event, ControllerOutput& out);
  void on_loaded(store::Loaded& loaded, ControllerOutput& out);
  void on_changed(const store::Changed& changed, ControllerOutput& out);
  void on_done(const store::TransactionDone& done, ControllerOutput& out);
  void on_lease(const store::LeaseHeld& held);
  void freeze(std::string message, ControllerOutput& out);
  void give_up_committed(ControllerOutput& out);
  void start_client(uint64_t store_id, Revision revision, ControllerOutput& out);
  void start_scout(ControllerOutput& out);
  void look_at_scout(ControllerOutput& out);
  void use_adopted(ControllerOutput& out);
  Result<std::vector<Difference>> take_loaded(Revision revision, const State::Entries& entries);

  // True if there may be more to do.
  bool work(ControllerOutput& out);
  bool register_node(ControllerOutput& out);
  bool announce(ControllerOutput& out);
  bool tell_age(ControllerOutput& out);
  bool take_proposal(ControllerOutput& out);
  void submit(Errand errand, Proposal proposal, const Transaction& transaction,
              store::LeaseId lease, ControllerOutput& out);
  bool land(ControllerOutput& out);
  void decide_again(Flight flight, ControllerOutput& out);
  bool may_serve_copy() const;
  void become_ready(ControllerOutput& out);
  void refuse_waiting(RefusalCode code, const std::string& message, ControllerOutput& out);
  void fail_start(Error error, ControllerOutput& out);

  void write_copy(ControllerOutput& out);
  void on_copy_written(const port::DiskDone& done, ControllerOutput& out);

  StoreControllerConfig config_;
  Random random_;
  Journal journal_;
  DirectoryOpening opening_;
  DirectoryAge age_;
  int64_t telling_age_ = 0;  // by the transaction under way
  State state_;
  Phase phase_ = Phase::kStarting;
  bool stopping_ = false;
  Now now_;  // of the last event
  Identity identity_;
  bool created_ = false;
  bool has_copy_ = false;
  uint64_t copy_of_ = 0;  // the store whose state this is

  std::optional<store::StoreClient> client_;
  uint64_t clients_ = 0;  // that were made
  std::vector<store::ClientEvent> client_events_;
  std::optional<StoreScout> scout_;
  std::optional<Revision> left_out_;  // a store was found that was adopted up to here only
  bool adopting_ = false;             // the next load is of a store that was adopted
  bool loaded_ = false;
  std::optional<std::string> unreachable_;
  std::optional<std::string> frozen_;
  Instant patience_ends_ = Instant::never();

  // The node's own entries in the store.
  bool registered_ = false;
  std::optional<std::string> registration_problem_;
  uint64_t lease_handle_ = 0;  // 0: none was asked for
  store::LeaseId lease_ = 0;
  Instant lease_until_;
  store::LeaseId announcing_ = 0;
  store::LeaseId announced_ = 0;  // the lease that `alive/` was put with

  std::deque<Proposal> waiting_;
  std::optional<Flight> flight_;
  uint64_t next_flight_ = 1;
  // After a compare failed: when the state is newer, or at the latest.
  Revision wait_for_ = 0;
  Instant wait_until_;

  // The copy.
  // Records that wait for the disk; with more the whole journal is written.
  static constexpr size_t kUnwrittenMax = 1'000;
  std::deque<JournalRecord> unwritten_;
  bool whole_ = false;  // the next write replaces the journal
  std::optional<Error> storage_error_;
  Instant retry_at_ = Instant::never();
};

}  // namespace magpie::control
