// The node as the driver wants to see it.
#pragma once

#include <utility>

#include "node/node.h"
#include "os/machine.h"

namespace magpie::server {

class NodeMachine final : public os::Machine {
 public:
  NodeMachine(node::NodeConfig config, uint64_t seed) : node_(std::move(config), seed) {}

  void start(const Now& now, port::Effects& effects) override { node_.start(now, effects); }
  void step(const Now& now, port::Event event, port::Effects& effects) override {
    node_.step(now, std::move(event), effects);
  }
  void tick(const Now& now, port::Effects& effects) override { node_.tick(now, effects); }
  Instant next_deadline() const override { return node_.next_deadline(); }
  os::MachinePhase phase() const override {
    switch (node_.phase()) {
      case node::Phase::kStopped:
        return os::MachinePhase::kStopped;
      case node::Phase::kFailed:
        return os::MachinePhase::kFailed;
      default:
        return os::MachinePhase::kWorking;
    }
  }
  std::string failure() const override { return node_.failure(); }
  size_t damaged_partitions() const { return node_.damaged_partitions(); }

 private:
  node::Node node_;
};

}  // namespace magpie::server
