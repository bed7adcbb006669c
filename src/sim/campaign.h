// Many seeds in a row, and what came of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/world.h"

namespace magpie::sim {

struct CampaignOptions {
  uint64_t first = 1;
  uint64_t last = 1;
  // Not zero: goes on from `first`, beyond `last`, until so much time was simulated.
  Duration simulated;
  bool regions = false;  // runs with several regions instead of a node that is alone
  bool twice = false;    // run every seed again and compare the hashes
  bool stop_at_first = false;
  Trace::Sink sink;  // of every run's story
  Trace::Sink say;   // a line per seed that failed
};

struct Campaign {
  uint64_t seeds = 0;
  Duration virtual_time;
  uint64_t events = 0;
  uint64_t acknowledged = 0;
  std::map<std::string, uint64_t> probes;  // in how many seeds each fired
  std::vector<RunResult> failed;
};

Campaign run_campaign(const CampaignOptions& options);

// Probes that must fire at least once in a few hundred seeds, or the simulator does not test what
// it should.
std::span<const std::string_view> required_probes();
std::span<const std::string_view> required_region_probes();

// The summary; `real_seconds` is how long it took.
std::string describe(const Campaign& campaign, double real_seconds);  // measurement only

}  // namespace magpie::sim
