// What this site answers when another node asks about epochs: promises and acceptances
// (replication/epoch_gate.h), and what its copies hold.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/time.h"
#include "control/state.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "link/message.h"
#include "node/leader_sight.h"
#include "node/node_config.h"
#include "port/event.h"
#include "replication/epoch_gate.h"

namespace magpie::node {

inline constexpr uint32_t kVotesOwner = 4;
inline constexpr const char* kAcceptedEpochsPath = "control/accepted-epochs";

class Votes {
 public:
  // Takes the answer, now or after the disk has it.
  using Reply = std::function<void(const link::Message&, port::Effects&)>;

  // All but `file` must outlive this object.
  Votes(port::FileRef file, const control::State& state, kafka::PartitionTable& partitions,
        const LeaderSight& sight, const DriverSettings& driver);

  // Reads what was accepted in earlier lives; until then this site does not vote. What the disk
  // refuses to give is tried again every second: without this vote a leader may have to stop when
  // the control store is away (G13). A damaged file stays damaged.
  void start(port::Effects& effects);
  void tick(kafka::Broker& broker);
  Instant next_deadline() const { return next_try_; }
  void step(kafka::Broker& broker, const port::DiskDone& done);

  // A question of another node, or of this one. What is no question is not answered.
  void answer(kafka::Broker& broker, const link::Message& question, const Reply& reply);

  // What was accepted in earlier lives is read.
  bool votes() const { return votes_; }
  // The highest epoch of the group that was accepted here; kNoLeaderEpoch if none was.
  LeaderEpoch accepted(const std::string& group) const { return gate_.accepted(group); }

 private:
  enum Kind : uint32_t { kRead = 1 };

  wire::LinkPromiseAnswer answer(const Now& now, const wire::LinkPromise& question);
  wire::LinkInspectAnswer answer(const kafka::Broker& broker,
                                 const wire::LinkInspect& question) const;
  void accept(kafka::Broker& broker, const wire::LinkAccept& question, const Reply& reply);

  port::FileRef file_;
  replication::EpochGate gate_;
  const control::State& state_;
  kafka::PartitionTable& partitions_;
  const LeaderSight& sight_;
  const DriverSettings& driver_;
  bool votes_ = false;
  bool is_refused_ = false;  // and that was said
  Instant next_try_ = Instant::never();
};

}  // namespace magpie::node
