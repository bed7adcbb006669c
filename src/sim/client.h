// What every simulated client has, and what the world wants to know of it.
#pragma once

#include <algorithm>
#include <string>

#include "sim/host.h"
#include "sim/link.h"
#include "sim/network.h"
#include "sim/scene.h"
#include "sim/topics.h"

namespace magpie::sim {

// The surroundings of a client.
struct Surroundings {
  Scene& scene;
  const Knobs& knobs;
  Network& network;
  const Host& host;  // its clock only
  Topics& topics;

  // How long clients pause at most. Without faults they hurry.
  Duration think_max() const {
    return scene.healed ? std::min(knobs.think_max, Duration::milliseconds(20)) : knobs.think_max;
  }
};

class Client {
 public:
  virtual ~Client() = default;
  virtual void start() = 0;
  // It has done all it was to do; what goes on for ever is always done.
  virtual bool is_done() const = 0;
  virtual std::string describe() const = 0;
};

// A random time up to `longest`.
inline Duration draw_pause(Random& random, Duration longest) {
  return Duration::nanoseconds(random.between(1'000, longest.nanos));
}

}  // namespace magpie::sim
