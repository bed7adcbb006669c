// `magpie store` as the driver wants to see it: the service of src/store over HTTP, made durable in
// SQLite.
//
// The changes of all requests that arrived in one turn of the driver share one commit.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "os/machine.h"
#include "server/sqlite_store.h"
#include "store/service.h"

namespace magpie::server {

struct StoreSettings {
  std::string directory;
  std::string cluster;
  std::string version;
};

class StoreMachine final : public os::Machine {
 public:
  StoreMachine(StoreSettings settings, uint64_t seed);

  void start(const Now& now, port::Effects& effects) override;
  void step(const Now& now, port::Event event, port::Effects& effects) override;
  void tick(const Now& now, port::Effects& effects) override;
  Instant next_deadline() const override;
  os::MachinePhase phase() const override { return phase_; }
  std::string failure() const override { return failure_; }

 private:
  void give_up(std::string reason);
  // Commits what was changed, and lets the answers go.
  void persist(const Now& now, port::Effects& effects);

  StoreSettings settings_;
  Random random_;
  std::unique_ptr<SqliteStore> file_;
  std::optional<store::StoreService> service_;
  bool stepped_ = false;                 // since the last tick
  std::optional<store::Batch> waiting_;  // the disk was full
  Instant retry_at_ = Instant::never();
  bool stopping_ = false;
  os::MachinePhase phase_ = os::MachinePhase::kWorking;
  std::string failure_;
};

}  // namespace magpie::server
