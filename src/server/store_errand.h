// Reads all of one cluster's state from a control store and, if that is wanted, changes it.
//
// The changes go in as many transactions as they take; each compares that its keys are still as
// they were read. The last one is made alone, and only if nobody else had changed anything when the
// one before it was made, except what stands under leases: so whoever sees it sees all the others.
// What others change between these two is not noticed. If the errand ends before, some of the
// changes may have been made.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/change.h"
#include "os/driver.h"
#include "os/machine.h"
#include "store/store_client.h"

namespace magpie::server {

class StoreErrand final : public os::Machine {
 public:
  struct Writing {
    std::vector<control::Change> changes;
    control::Change last;
  };
  // Called once with what the store holds; nothing if nothing is to be written.
  using Look = std::function<std::optional<Writing>(const store::Loaded&)>;

  // `patience`: how long the store may take for one step.
  StoreErrand(store::ClientConfig config, Look look, Duration patience, uint64_t seed);

  void start(const Now& now, port::Effects& effects) override;
  void step(const Now& now, port::Event event, port::Effects& effects) override;
  void tick(const Now& now, port::Effects& effects) override;
  Instant next_deadline() const override;
  os::MachinePhase phase() const override { return phase_; }
  std::string failure() const override { return failure_; }

  // The last change was made.
  bool written() const { return written_; }

 private:
  store::ClientOutput out(port::Effects& effects) { return {effects, events_}; }
  void hear(const Now& now, port::Effects& effects);
  void on_loaded(const Now& now, const store::Loaded& loaded, port::Effects& effects);
  void on_done(const Now& now, const store::TransactionDone& done, port::Effects& effects);
  void submit_next(const Now& now, port::Effects& effects);
  void submit(const Now& now, std::vector<control::Change> changes, port::Effects& effects);
  bool has_seen_ours() const;
  std::string changed_by_others() const;
  void fail(std::string why);

  store::StoreClient client_;
  Look look_;
  const Duration patience_;
  std::vector<store::ClientEvent> events_;
  os::MachinePhase phase_ = os::MachinePhase::kWorking;
  std::string failure_;
  std::string trouble_;
  Instant deadline_;
  bool waits_anew_ = false;      // from the next tick on, whose clock is right
  bool waits_for_news_ = false;  // until the watch has brought what this errand changed
  bool looked_ = false;
  bool written_ = false;
  std::map<std::string, store::Revision> modified_;  // of each key, as read
  std::deque<std::vector<control::Change>> batches_;
  std::set<store::Revision> ours_;
  std::map<store::Revision, std::string> seen_;  // changes since, with one of their keys
  bool reloaded_ = false;
};

// Runs it with a driver of its own. Error: the store cannot be reached or used, or the errand
// failed; a sentence.
Status run_errand(StoreErrand& errand, const os::HttpClientConfig& http);

}  // namespace magpie::server
