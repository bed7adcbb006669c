// What this site answers when another node asks about epochs: promises and acceptances
// (replication/epoch_gate.h), and what its copies hold.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "control/state.h"
#include "kafka/broker.h"
#include "node/links.h"
#include "node/terms.h"
#include "port/event.h"
#include "replication/epoch_gate.h"

namespace magpie::node {

inline constexpr uint32_t kVotesOwner = 4;
inline constexpr const char* kAcceptedEpochsPath = "control/accepted-epochs";

class Votes {
 public:
  // All must outlive this object.
  Votes(port::FileRef file, const control::State& state, kafka::PartitionTable& partitions,
        Links& links);

  // Reads what was accepted in earlier lives; until then, and if it cannot be read, this site does
  // not vote.
  void start(port::Effects& effects);
  void step(kafka::Broker& broker, const port::DiskDone& done);

  void answer(kafka::Broker& broker, const Asked& asked);

  // The highest epoch of the group that was accepted here; kNoLeaderEpoch if none was.
  LeaderEpoch accepted(const std::string& group) const { return gate_.accepted(group); }

 private:
  enum Kind : uint32_t { kRead = 1 };

  void on(kafka::Broker& broker, const Asked& asked, const wire::LinkPromise& question);
  void on(kafka::Broker& broker, const Asked& asked, const wire::LinkAccept& question);
  void on(kafka::Broker& broker, const Asked& asked, const wire::LinkInspect& question);

  port::FileRef file_;
  replication::EpochGate gate_;
  const control::State& state_;
  kafka::PartitionTable& partitions_;
  Links& links_;
  bool votes_ = false;
};

}  // namespace magpie::node
