// One simulated run with several regions: nodes, links between them, a control store, clients that
// follow the leaders, an operator who moves them, and bad luck; see world.h.
#pragma once

#include "sim/region_knobs.h"
#include "sim/world.h"

namespace magpie::sim {

struct RegionRunOptions {
  uint64_t seed = 1;
  Trace::Sink sink;
  std::optional<RegionKnobs> knobs;  // instead of those the seed draws
};

RunResult run_region_seed(const RegionRunOptions& options);

}  // namespace magpie::sim
