#include "sim/knobs.h"

#include <fmt/format.h>

namespace magpie::sim {
namespace {

// Half of the seeds do without this fault; the others meet it every `low` to `high` seconds.
Duration draw_rate(Random& random, int64_t low, int64_t high) {
  const bool on = random.chance(1, 2);
  const int64_t seconds = random.between(low, high);
  return on ? Duration::seconds(seconds) : Duration{};
}

void draw_node(Knobs& knobs, Random& random) {
  // Most seeds use the default, under which nothing acknowledged may ever be lost.
  const uint64_t policy = random.below(8);
  knobs.fsync = policy == 0   ? engine::FsyncPolicy::kInterval
                : policy == 1 ? engine::FsyncPolicy::kNever
                              : engine::FsyncPolicy::kAlways;
  knobs.recent_batches_bytes = 1ull << random.between(10, 20);
  knobs.unanswered_bytes = 1ull << random.between(12, 22);
  knobs.upkeep_interval = Duration::seconds(random.between(1, 20));
  knobs.topics = static_cast<int>(random.between(1, 2));
  knobs.partitions = static_cast<int>(random.between(1, 4));
  knobs.segment_bytes = 1ll << random.between(10, 15);
  knobs.compacted_topic = random.chance(1, 3);
  if (knobs.compacted_topic) knobs.upkeep_interval = Duration::seconds(random.between(1, 4));
  knobs.retention_topic = random.chance(1, 4);
}

void draw_clients(Knobs& knobs, Random& random) {
  knobs.producers = static_cast<int>(random.between(1, 4));
  knobs.plain_producers = random.chance(1, 3);
  knobs.impatient_producers = random.chance(1, 2);
  knobs.records_per_producer = static_cast<int>(random.between(50, 400));
  knobs.readers = static_cast<int>(random.between(1, 3));
  knobs.groups = static_cast<int>(random.between(0, 2));
  knobs.members_per_group = static_cast<int>(random.between(1, 3));
  knobs.administrator = random.chance(1, 2);
  knobs.think_max = Duration::milliseconds(random.between(1, 400));
}

}  // namespace

Knobs draw_knobs(Random& random) {
  Knobs knobs;
  draw_node(knobs, random);
  draw_clients(knobs, random);
  knobs.chaos = Duration::seconds(random.between(10, 60));
  knobs.kill_every = draw_rate(random, 3, 30);
  knobs.power_loss_every = draw_rate(random, 3, 30);
  knobs.clean_stop_every = draw_rate(random, 5, 40);
  knobs.cut_every = draw_rate(random, 1, 20);
  knobs.slow_disk_every = draw_rate(random, 5, 30);
  knobs.disk_full_every = draw_rate(random, 5, 40);
  knobs.write_error_every = draw_rate(random, 5, 40);
  knobs.sync_error_every = draw_rate(random, 5, 40);
  knobs.read_error_every = draw_rate(random, 5, 40);
  knobs.clock_jump_every = draw_rate(random, 5, 40);
  if (knobs.compacted_topic && random.chance(1, 2)) {
    // Tombstones go while the run lasts. A clock that jumps would excuse anything.
    knobs.tombstone_age = Duration::seconds(random.between(5, 30));
    knobs.clock_jump_every = Duration{};
  }
  knobs.damages = random.chance(1, 6) ? static_cast<int>(random.between(1, 2)) : 0;
  // Without a sync, damage and what the device has not stored look alike, and both may be cut off.
  if (knobs.fsync != engine::FsyncPolicy::kAlways) knobs.damages = 0;
  knobs.slow_readers = random.chance(1, 3);
  knobs.network_delay_max = Duration::milliseconds(random.between(1, 50));
  knobs.disk_delay_max = Duration::milliseconds(random.between(1, 20));
  return knobs;
}

std::string Knobs::describe() const {
  const auto seconds = [](Duration rate) { return rate.to_milliseconds() / 1'000; };
  return fmt::format(
      "fsync {} topics {} partitions {} segment {} compacted {} tombstones {} retention {} "
      "producers {} plain {} impatient {} "
      "records {} readers {} groups {}x{} administrator {} chaos {} kill {} power {} stop {} cut "
      "{} slow {} full {} write-error {} sync-error {} read-error {} clock {} damages {}",
      static_cast<int>(fsync), topics, partitions, segment_bytes, compacted_topic,
      seconds(tombstone_age), retention_topic, producers, plain_producers, impatient_producers,
      records_per_producer, readers, groups, members_per_group, administrator, seconds(chaos),
      seconds(kill_every), seconds(power_loss_every), seconds(clean_stop_every), seconds(cut_every),
      seconds(slow_disk_every), seconds(disk_full_every), seconds(write_error_every),
      seconds(sync_error_every), seconds(read_error_every), seconds(clock_jump_every), damages);
}

}  // namespace magpie::sim
