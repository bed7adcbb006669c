// Handlers' way to the cluster state: the controller decides and commits, the topic storage carries
// out, and only then does whoever proposed hear of it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "control/cluster_controller.h"
#include "control/counters.h"
#include "kafka/cluster_control.h"
#include "node/topic_storage.h"

namespace magpie::node {

class NodeControl final : public kafka::ClusterControl {
 public:
  NodeControl(control::ClusterController& controller, const TopicStorage& storage,
              control::Policy policy, Random random);

  const control::State& state() const override { return controller_.state(); }
  const control::Policy& policy() const override { return policy_; }
  void propose(kafka::Broker& broker, Decide decide, Then then) override;
  Random& random() override { return random_; }
  std::optional<ProducerId> next_producer_id(kafka::Broker& broker) override;

  // Takes the first block of producer ids, so that the first producer need not wait.
  void prepare_producer_ids(kafka::Broker& broker);

  // What the controller said and nobody looked at yet.
  std::vector<control::ControllerEvent>& events() { return events_; }

  // A change was applied and handed to the storage; its proposal settles next.
  void applied(const control::Applied& applied);
  void settled(kafka::Broker& broker, const control::Settled& settled);

  // Answers the proposals whose topics the storage has finished.
  void check_carried_out(kafka::Broker& broker);

 private:
  struct CarryingOut {
    Then then;
    std::set<std::string> topics;
  };

  control::ClusterController& controller_;
  const TopicStorage& storage_;
  control::Policy policy_;
  Random random_;
  control::ProducerIdAllocator producer_ids_;
  std::vector<control::ControllerEvent> events_;
  uint64_t next_ticket_ = 0;
  std::map<uint64_t, Then> proposed_;
  std::set<std::string> touched_;  // topics of the change applied last
  std::vector<CarryingOut> carrying_out_;
};

}  // namespace magpie::node
