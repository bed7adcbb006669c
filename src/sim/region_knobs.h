// What is different from seed to seed in a run with several regions; see knobs.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "engine/engine.h"
#include "sim/knobs.h"
#include "sim/sim_store.h"

namespace magpie::sim {

struct RegionKnobs {
  // Topics, clients, the disks' and nodes' own settings. Its faults of the network and the node
  // meet one node at a time.
  Knobs common;

  // --- cluster ---
  int regions = 3;
  Duration distance_max = Duration::milliseconds(20);  // one way; each pair draws its own
  int64_t lease_seconds = 3;
  bool compress_links = false;
  bool near_readers = false;        // some read the copy in their region
  int64_t clock_drift = 0;          // of a million, either way
  bool witness = false;             // the last region holds no records
  std::vector<std::string> groups;  // presets; the topics are spread over them
  bool bounded_loss = false;        // "bulk" with a max_lag
  // Of each node, by region; empty if all sync what they say they hold. That of `common` stays
  // `always`: what it means for one node alone does not hold here.
  std::vector<engine::FsyncPolicy> fsync;

  // --- faults ---
  Duration outage_every;        // a region is down for up to half a minute
  Duration pause_every;         // a process stands still for up to 15 seconds
  Duration disk_loss_every;     // a region is rebuilt empty
  Duration disk_restore_every;  // a directory comes back as an older copy of itself
  Duration damage_every;        // stored bytes change or go, once
  // A leader that acknowledges alone is alone with its clients until somebody else leads.
  Duration lone_leader_every;
  Duration partition_every;   // a region is cut off from others, the store or clients
  Duration one_way_every;     // one direction between two places is cut
  Duration flap_every;        // a path comes and goes
  Duration break_every;       // all connections between two regions break
  Duration store_site_every;  // a site of the store is down
  Duration store_loss_every;  // a majority of them
  Duration store_restart_every;
  int store_rollbacks = 0;
  StoreFaults store;
  // When everything has healed the store alone goes away for a while.
  bool store_away = false;

  // --- the operator ---
  Duration operation_every = Duration::seconds(8);
  // Failovers while the leader is well, too.
  bool hasty_operator = false;
  // Through nodes' admin ports, not by transactions of his own.
  bool requests = false;
  bool lossy_failovers = false;  // some of them; only by request
  bool kill_executors = false;   // of the nodes that carry operations out
  uint64_t removals = 0;         // the seed of who removes regions; 0: nobody does

  // Whether the node says that it holds what is not synced.
  bool is_weak(size_t region) const;
  std::string describe() const;
};

RegionKnobs draw_region_knobs(Random& random);

}  // namespace magpie::sim
