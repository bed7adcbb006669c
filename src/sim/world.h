// One simulated run: a node, its machine, its clients and its bad luck, all drawn from one seed.
//
// The problem: the promises in DESIGN and docs/guarantees must hold in every order of events, and
// the orders that break a system are those nobody writes a test for. The idea: the real node runs
// in one thread under virtual time against a disk, a network and clients that are simulated too;
// one number decides everything, so a run that finds something can be replayed exactly. First the
// world is cruel; then all faults end, and everybody must finish; then the power fails once more,
// and all that was ever claimed must be there.
//
// Guarantee: run_seed is a function of its arguments; two runs of one seed end with the same hash.
//
// What it does not do: it does not run `os` and `server`; real disks, sockets and clients are
// tested elsewhere (docs/testing).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sim/knobs.h"
#include "sim/scene.h"

namespace magpie::sim {

struct RunOptions {
  uint64_t seed = 1;
  Trace::Sink sink;            // gets every line of the story, if set
  std::optional<Knobs> knobs;  // instead of those the seed draws
};

struct RunResult {
  uint64_t seed = 0;
  std::optional<Violation> violation;
  uint64_t hash = 0;
  uint64_t events = 0;
  Duration virtual_time;
  uint64_t acknowledged = 0;  // records
  std::map<std::string, uint64_t> probes;
  std::string knobs;
};

RunResult run_seed(const RunOptions& options);

}  // namespace magpie::sim
