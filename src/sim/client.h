// What every simulated client has, and what the world wants to know of it.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "sim/brokers.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/scene.h"
#include "sim/topics.h"

namespace magpie::sim {

// The surroundings of a client.
struct Surroundings {
  Scene& scene;
  const Knobs& knobs;
  Network& network;
  Topics& topics;
  const Bootstrap& bootstrap;
  Place place = 0;              // where the client is
  const Host* clock = nullptr;  // whose clock it goes by; none: the right time
  std::string rack;             // of consumers that read what is near (KIP-392); none: the leader

  // How long clients pause at most. Without faults they hurry.
  Duration think_max() const {
    return scene.healed ? std::min(knobs.think_max, Duration::milliseconds(20)) : knobs.think_max;
  }
  WallTime wall() const { return clock == nullptr ? scene.wall() : clock->now().wall; }
  // Where the leader's epoch matters it is named, which older versions cannot.
  int lowest_fetch() const { return bootstrap.alone ? 5 : 12; }
  Brokers brokers(std::string client_id) const {
    return Brokers(scene, network, topics, bootstrap, place, std::move(client_id));
  }
};

// Where clients find a node that is alone.
inline Bootstrap bootstrap_of(const HostSettings& settings) {
  const node::AdvertisedListener& listener = settings.config.listeners.front();
  return {{{listener.host, listener.port}}};
}

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
