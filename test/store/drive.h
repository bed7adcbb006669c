// Two writers and a reader of a control store on one driver, and what they must find in the end.
//
// Each writer commits transactions one after the other: it counts a shared counter up, comparing
// that nobody else has, and leaves a trace with the number it made. In the end the reader's copy of
// the state must hold exactly the traces of the transactions that were reported as committed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/machine.h"
#include "os/tls_config.h"
#include "store/store_client.h"

namespace magpie::drive {

struct Settings {
  std::vector<std::string> endpoints;
  std::string prefix;
  std::string user;
  std::string password;
  os::TlsConfig tls;
  int64_t commits = 100;  // in all
};

class DriveMachine final : public os::Machine {
 public:
  DriveMachine(Settings settings, uint64_t seed);

  void start(const Now& now, port::Effects& effects) override;
  void step(const Now& now, port::Event event, port::Effects& effects) override;
  void tick(const Now& now, port::Effects& effects) override;
  Instant next_deadline() const override;
  os::MachinePhase phase() const override { return phase_; }
  std::string failure() const override { return failure_; }

 private:
  struct Node {
    std::unique_ptr<store::StoreClient> client;
    std::string name;
    std::map<std::string, store::KeyValue> state;
    store::Revision revision = 0;
    bool loaded = false;
    bool transacting = false;
    bool held = false;  // the lease
    std::string trace;  // of the transaction under way
    Instant next_at;
  };

  void hear(Node& node, const store::ClientEvent& event);
  void on_done(Node& node, const store::TransactionDone& done);
  void advance(const Now& now, port::Effects& effects);
  void commit_next(const Now& now, Node& node, store::ClientOutput& out);
  void with(const Now& now, Node& node, port::Effects& effects,
            void (DriveMachine::*action)(const Now&, Node&, store::ClientOutput&));
  void begin(const Now& now, Node& node, store::ClientOutput& out);
  void tick_client(const Now& now, Node& node, store::ClientOutput& out);
  void fail(const std::string& reason);
  void compare_in_the_end();
  void print_what_others_wrote(const Node& reader) const;

  Settings settings_;
  Random random_;
  std::vector<Node> nodes_;  // the last one only reads
  uint64_t next_ticket_ = 1;
  int64_t committed_ = 0;
  int64_t refused_ = 0;
  store::Revision last_commit_ = 0;
  std::map<std::string, store::Revision> traces_;  // of what was committed
  os::MachinePhase phase_ = os::MachinePhase::kWorking;
  std::string failure_;
};

}  // namespace magpie::drive
