// What all parts of one simulated run share: time, chance, the trace, the verdict, the probes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "sim/event_queue.h"
#include "sim/trace.h"

namespace magpie::sim {

// The first broken guarantee of a run.
struct Violation {
  std::string guarantee;  // "G1", "G8", "liveness", …
  std::string text;
  Instant when;
};

// 2026-01-01, so that timestamps look real.
inline constexpr int64_t kFirstWallMillis = 1'767'225'600'000;

class Scene {
 public:
  explicit Scene(uint64_t seed) : random(seed) {}

  Instant now() const { return queue.now(); }
  // The right time, if all clocks went right.
  WallTime wall() const { return {kFirstWallMillis + now().nanos / 1'000'000}; }
  // Counts how often something rare was reached (docs/simulator.md lists the names).
  void probe(std::string_view name) { ++probes[std::string(name)]; }
  // A guarantee was broken; the first one ends the run.
  void violate(std::string_view guarantee, std::string text);

  template <typename... Numbers>
  void note(std::string_view what, Numbers... numbers) {
    trace.add(now(), what, numbers...);
  }

  EventQueue queue;
  Random random;
  Trace trace;
  std::map<std::string, uint64_t> probes;
  std::optional<Violation> violation;
  // Stored bytes were damaged on purpose: refusing to serve them is right.
  bool damaged = false;
  // Faults are over and everybody must get on with it.
  bool healed = false;
};

}  // namespace magpie::sim
