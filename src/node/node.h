// One broker, as one pure state machine.
//
// The node owns every machine of one broker (connections, partitions, groups, cluster state),
// routes each event to them and orders their effects. It is the only place where they meet. It has
// no thread, no clock and no I/O: `os` runs it against the real world and `sim` against a simulated
// one.
//
// Driving it: start() once, then step() for every event and tick() whenever next_deadline() has
// passed; after each call carry out the effects in order. Effects of several calls may be collected
// and carried out together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"
#include "node/node_config.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::node {

enum class Phase {
  kStarting,  // reading the data directory; connections are accepted, requests wait
  kRunning,
  kStopping,  // StopRequested seen: finishing, flushing, marking
  kStopped,   // everything is durable; the driver may exit with 0
  kFailed,    // cannot serve at all; failure() says why, the driver exits with a non-zero code
};

class Node {
 public:
  // `seed` feeds every random choice of this node (topic ids, member ids).
  Node(NodeConfig config, uint64_t seed);
  ~Node();

  void start(const Now& now, port::Effects& effects);
  void step(const Now& now, port::Event event, port::Effects& effects);
  void tick(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  Phase phase() const;
  const std::string& failure() const;

  // How many partitions were not served whole when the stop began, because what is stored of them
  // is damaged or cannot be read. 0 before that.
  size_t damaged_partitions() const;

 private:
  class Machines;
  std::unique_ptr<Machines> machines_;
};

}  // namespace magpie::node
