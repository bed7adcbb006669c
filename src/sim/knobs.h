// What is different from seed to seed: the cluster, the work and the faults.
//
// Every seed draws its own mix ("swarm testing": Groce et al., ISSTA 2012). A run in which every
// fault is on at once mostly finds nothing, because the first fault hides the others.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "engine/engine.h"

namespace magpie::sim {

struct Knobs {
  // --- node ---
  engine::FsyncPolicy fsync = engine::FsyncPolicy::kAlways;
  Duration fsync_interval = Duration::milliseconds(200);
  uint64_t recent_batches_bytes = 64 * 1024;
  uint64_t unanswered_bytes = 1024 * 1024;
  Duration upkeep_interval = Duration::seconds(5);  // retention and compaction look this often

  // --- topics ---
  int topics = 1;
  int partitions = 1;
  int64_t segment_bytes = 4096;
  bool compacted_topic = false;
  Duration tombstone_age = Duration::seconds(86'400);  // delete.retention.ms of the compacted topic
  bool retention_topic = false;
  bool trimmed_topic = false;  // records go only by request

  // --- clients ---
  int producers = 1;
  bool plain_producers = false;      // some without idempotence
  bool impatient_producers = false;  // send again while the first try is under way
  int records_per_producer = 100;
  int readers = 1;
  int groups = 0;
  int members_per_group = 0;
  bool administrator = false;
  Duration think_max = Duration::milliseconds(50);

  // --- faults; a rate is the mean time between two, zero is never ---
  Duration chaos = Duration::seconds(30);
  Duration kill_every;
  Duration power_loss_every;
  Duration clean_stop_every;
  Duration cut_every;          // a connection breaks
  Duration slow_disk_every;    // for up to two seconds, a hundredfold
  Duration disk_full_every;    // for up to three seconds
  Duration write_error_every;  // for up to one second
  Duration sync_error_every;   // the same
  Duration read_error_every;   // for up to two seconds
  Duration clock_jump_every;
  int damages = 0;  // in all: stored bytes change or disappear
  bool slow_readers = false;
  Duration network_delay_max = Duration::milliseconds(5);
  Duration disk_delay_max = Duration::milliseconds(4);

  std::string describe() const;
};

// `random` is that of the seed; everything else the run draws comes after it.
Knobs draw_knobs(Random& random);

}  // namespace magpie::sim
