#include "sim/region_knobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace magpie::sim {
namespace {

// As in knobs.cc: half of the seeds do without a fault.
Duration draw_rate(Random& random, int64_t low, int64_t high) {
  const bool on = random.chance(1, 2);
  const int64_t seconds = random.between(low, high);
  return on ? Duration::seconds(seconds) : Duration{};
}

void draw_common(Knobs& knobs, Random& random) {
  knobs.recent_batches_bytes = 1ull << random.between(12, 20);
  knobs.unanswered_bytes = 1ull << random.between(16, 22);
  knobs.upkeep_interval = Duration::seconds(random.between(2, 20));
  knobs.topics = static_cast<int>(random.between(1, 3));
  knobs.partitions = static_cast<int>(random.between(1, 3));
  knobs.segment_bytes = 1ll << random.between(11, 15);
  knobs.producers = static_cast<int>(random.between(1, 4));
  knobs.plain_producers = random.chance(1, 4);
  knobs.impatient_producers = random.chance(1, 4);
  knobs.records_per_producer = static_cast<int>(random.between(100, 500));
  knobs.readers = static_cast<int>(random.between(1, 3));
  knobs.think_max = Duration::milliseconds(random.between(5, 300));
  knobs.network_delay_max = Duration::milliseconds(random.between(1, 5));
  knobs.disk_delay_max = Duration::milliseconds(random.between(1, 20));
  knobs.chaos = Duration::seconds(random.between(30, 120));
  knobs.kill_every = draw_rate(random, 5, 40);
  knobs.power_loss_every = draw_rate(random, 5, 40);
  knobs.clean_stop_every = draw_rate(random, 8, 60);
  knobs.cut_every = draw_rate(random, 1, 20);
  knobs.slow_disk_every = draw_rate(random, 8, 40);
  knobs.disk_full_every = draw_rate(random, 10, 60);
  knobs.write_error_every = draw_rate(random, 10, 60);
  knobs.sync_error_every = draw_rate(random, 10, 60);
  knobs.read_error_every = draw_rate(random, 10, 60);
  knobs.clock_jump_every = draw_rate(random, 10, 60);
}

void draw_groups(RegionKnobs& knobs, Random& random) {
  knobs.groups = {"critical"};
  if (random.chance(1, 2)) knobs.groups.emplace_back("standard");
  if (random.chance(1, 3)) knobs.groups.emplace_back("bulk");
  if (random.chance(1, 3)) knobs.groups.erase(knobs.groups.begin());
  if (knobs.groups.empty()) knobs.groups = {"critical"};
  knobs.common.topics = std::max(knobs.common.topics, static_cast<int>(knobs.groups.size()));
}

// A group whose leader alone holds what is acknowledged, and leaders that are gone for a while.
void make_losses_likely(RegionKnobs& knobs, Random& random) {
  if (std::find(knobs.groups.begin(), knobs.groups.end(), "bulk") == knobs.groups.end()) {
    knobs.groups.emplace_back("bulk");
    knobs.common.topics = std::max(knobs.common.topics, static_cast<int>(knobs.groups.size()));
  }
  if (random.chance(2, 3)) knobs.outage_every = Duration::seconds(random.between(10, 30));
  if (random.chance(2, 3)) knobs.partition_every = Duration::seconds(random.between(5, 15));
  knobs.operation_every = Duration::seconds(random.between(2, 5));
}

// Leaders that clients still reach when another one leads after a loss. Not drawn, either.
void make_leaders_lonely(RegionKnobs& knobs) {
  knobs.lone_leader_every = Duration::seconds(12);
  // A producer that waits for another leader sends nothing new to this one.
  knobs.groups = {"bulk"};
  // What would end it, or be in the way of whoever takes over.
  knobs.common.kill_every = knobs.common.power_loss_every = Duration{};
  knobs.common.clean_stop_every = Duration{};
  knobs.outage_every = knobs.partition_every = knobs.pause_every = Duration{};
  knobs.disk_loss_every = knobs.store_site_every = knobs.store_loss_every = Duration{};
  knobs.kill_executors = false;
  // Some are in its region, and have something left to send when it comes to that.
  knobs.common.producers = 4;
  knobs.common.records_per_producer = 1'000;
  knobs.common.think_max = std::max(knobs.common.think_max, Duration::milliseconds(200));
}

// From a copy of `random`, so that seeds without it stay what they are.
void draw_fsync(RegionKnobs& knobs, Random random) {
  if (!random.chance(1, 4)) return;
  for (int i = 0; i < knobs.regions; ++i) {
    const uint64_t policy = random.below(4);
    knobs.fsync.push_back(policy == 0   ? engine::FsyncPolicy::kAlways
                          : policy == 1 ? engine::FsyncPolicy::kInterval
                                        : engine::FsyncPolicy::kNever);
  }
  knobs.common.fsync_interval = Duration::milliseconds(random.between(50, 2'000));
  if (random.chance(2, 3)) knobs.common.power_loss_every = Duration::seconds(random.between(3, 15));
}

// The same. Not with a compacted topic: a clock that jumps may take a node's absence for too long.
void draw_removals(RegionKnobs& knobs, Random random) {
  random = random.fork();  // draw_fsync has another copy
  const bool lonely = knobs.lone_leader_every != Duration{};
  if (knobs.common.compacted_topic || lonely || !random.chance(1, 3)) return;
  knobs.removals = 1 + random.below(UINT64_MAX - 1);
}

// What came last, from yet another copy.
void draw_consumers(RegionKnobs& knobs, Random random) {
  for (int i = 0; i < 3; ++i) random = random.fork();
  knobs.near_readers = random.chance(1, 2);
  // A failover with loss may take positions along, or what they point to.
  const bool often = knobs.lone_leader_every != Duration{};
  if (!knobs.lossy_failovers || !(random.chance(1, 2) || often)) return;
  knobs.common.groups = static_cast<int>(random.between(1, 2));
  knobs.common.members_per_group = static_cast<int>(random.between(1, 3));
}

// The same. Not with a store that goes back: it forgets what was confirmed meanwhile.
void draw_administrator(RegionKnobs& knobs, Random random) {
  for (int i = 0; i < 4; ++i) random = random.fork();
  const bool lonely = knobs.lone_leader_every != Duration{};
  if (knobs.store_rollbacks > 0 || lonely || !random.chance(1, 3)) return;
  knobs.common.administrator = knobs.common.trimmed_topic = true;
}

// The same. Only where a copy counts when it is durable: what was not synced may be cut off when it
// is damaged. Not where the only other copy may go in an allowed way, nor with two copies in all,
// where a group that blocks waits for a person.
void draw_damage(RegionKnobs& knobs, Random random) {
  for (int i = 0; i < 5; ++i) random = random.fork();
  const bool keeps = !knobs.witness && !knobs.lossy_failovers && knobs.removals == 0 &&
                     knobs.fsync.empty() && knobs.disk_restore_every == Duration{} &&
                     knobs.store_rollbacks == 0;
  if (!keeps || !random.chance(1, 2)) return;
  knobs.damage_every = Duration::seconds(random.between(2, 10));
}

// The same. Not with failovers that lose something: what was put back does not know which epochs
// its site has accepted, and votes while it cannot ask the store (control/directory_age.h).
void draw_restores(RegionKnobs& knobs, Random random) {
  random = random.fork();
  random = random.fork();
  if (knobs.lossy_failovers || !random.chance(1, 3)) return;
  knobs.disk_restore_every = Duration::seconds(random.between(8, 30));
}

}  // namespace

bool RegionKnobs::is_weak(size_t region) const {
  return region < fsync.size() && fsync[region] != engine::FsyncPolicy::kAlways;
}

RegionKnobs draw_region_knobs(Random& random) {
  RegionKnobs knobs;
  draw_common(knobs.common, random);
  draw_groups(knobs, random);
  knobs.distance_max = Duration::milliseconds(random.between(1, 60));
  knobs.lease_seconds = random.between(2, 6);
  knobs.clock_drift = random.chance(1, 2) ? random.between(0, 200) : 0;
  knobs.outage_every = draw_rate(random, 20, 60);
  knobs.pause_every = draw_rate(random, 10, 60);
  knobs.disk_loss_every = draw_rate(random, 20, 80);
  knobs.partition_every = draw_rate(random, 5, 30);
  knobs.one_way_every = draw_rate(random, 5, 30);
  knobs.flap_every = draw_rate(random, 5, 30);
  knobs.break_every = draw_rate(random, 3, 20);
  knobs.store_site_every = draw_rate(random, 10, 60);
  knobs.store_loss_every = draw_rate(random, 15, 60);
  knobs.store_restart_every = draw_rate(random, 10, 60);
  if (random.chance(1, 2)) {
    knobs.store = {random.below(40), random.below(40), random.below(20)};
  }
  knobs.operation_every = Duration::seconds(random.between(2, 20));
  knobs.hasty_operator = random.chance(1, 2);
  knobs.store_away = random.chance(1, 2);
  knobs.bounded_loss = random.chance(1, 2);
  knobs.requests = random.chance(1, 2);
  knobs.lossy_failovers = knobs.requests && random.chance(1, 2);
  knobs.kill_executors = knobs.requests && random.chance(1, 2);
  if (knobs.lossy_failovers) make_losses_likely(knobs, random);
  knobs.witness = random.chance(1, 4);
  knobs.common.compacted_topic = random.chance(1, 4);
  knobs.common.retention_topic = random.chance(1, 4);
  // draw_consumers() has those for the others.
  if (!knobs.lossy_failovers && random.chance(1, 2)) {
    knobs.common.groups = static_cast<int>(random.between(1, 2));
    knobs.common.members_per_group = static_cast<int>(random.between(1, 3));
  }
  // Not drawn: the seeds before there was such a knob stay the same stories.
  knobs.compress_links = knobs.lease_seconds == 4;
  // Not drawn, either: an eighth of the seeds.
  knobs.store_rollbacks = knobs.distance_max.to_milliseconds() % 8 == 5 ? 1 : 0;
  draw_fsync(knobs, random);
  if (knobs.lossy_failovers && knobs.lease_seconds <= 3) make_leaders_lonely(knobs);
  draw_removals(knobs, random);
  draw_restores(knobs, random);
  draw_consumers(knobs, random);
  draw_administrator(knobs, random);
  draw_damage(knobs, random);
  return knobs;
}

std::string RegionKnobs::describe() const {
  const auto seconds = [](Duration rate) { return rate.to_milliseconds() / 1'000; };
  std::vector<int> policies;
  for (const engine::FsyncPolicy policy : fsync) policies.push_back(static_cast<int>(policy));
  return fmt::format(
      "regions {} witness {} groups {} distance {} lease {} drift {} outage {} pause {} disk-loss "
      "{} "
      "disk-restore {} damage {} lone-leader {} partition {} one-way {} flap {} break {} "
      "store-site {} "
      "store-loss {} "
      "store-restart {} store-rollbacks {} store {}/{}/{} store-away {} operation {} hasty {} "
      "requests {} lossy {} kill-executors {} removals {} bounded {} compress {} near {} fsync "
      "[{}]; {}",
      regions, witness, fmt::join(groups, ","), distance_max.to_milliseconds(), lease_seconds,
      clock_drift, seconds(outage_every), seconds(pause_every), seconds(disk_loss_every),
      seconds(disk_restore_every), seconds(damage_every), seconds(lone_leader_every),
      seconds(partition_every), seconds(one_way_every), seconds(flap_every), seconds(break_every),
      seconds(store_site_every), seconds(store_loss_every), seconds(store_restart_every),
      store_rollbacks, store.lose_answer, store.late_request, store.cut_watch, store_away,
      seconds(operation_every), hasty_operator, requests, lossy_failovers, kill_executors,
      removals != 0, bounded_loss, compress_links, near_readers, fmt::join(policies, ","),
      common.describe());
}

}  // namespace magpie::sim
