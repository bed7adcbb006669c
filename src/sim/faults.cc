#include "sim/faults.h"

#include <utility>
#include <vector>

namespace magpie::sim {

Faults::Faults(Scene& scene, const Knobs& knobs, Disk& disk, Network& network, Host& host)
    : scene_(scene),
      knobs_(knobs),
      disk_(disk),
      network_(network),
      host_(host),
      random_(scene.random.fork()),
      damages_left_(knobs.damages) {}

void Faults::every(Duration rate, Action action) {
  if (rate == Duration{}) return;
  const Duration pause = Duration::nanoseconds(random_.between(rate.nanos / 4, rate.nanos * 7 / 4));
  scene_.queue.after(pause, [this, rate, action = std::move(action)] {
    if (scene_.healed) return;
    action();
    every(rate, action);
  });
}

void Faults::later(Duration longest, Action end) {
  scene_.queue.after(Duration::nanoseconds(random_.between(1'000'000, longest.nanos)),
                     std::move(end));
}

void Faults::start() {
  every(knobs_.kill_every, [this] {
    if (!host_.is_up()) return;
    scene_.probe("kill");
    host_.crash(Crash::kProcess);
  });
  every(knobs_.power_loss_every, [this] { lose_power(); });
  every(knobs_.clean_stop_every, [this] { host_.request_stop(); });
  every(knobs_.cut_every, [this] { network_.cut_one(); });
  every(knobs_.slow_disk_every, [this] {
    disk_.set_slow(true);
    later(Duration::seconds(2), [this] { disk_.set_slow(false); });
  });
  every(knobs_.disk_full_every, [this] {
    break_writes(ErrorKind::kNoSpace, "no space left on device", Duration::seconds(3));
  });
  every(knobs_.write_error_every,
        [this] { break_writes(ErrorKind::kIo, "input/output error", Duration::seconds(1)); });
  every(knobs_.sync_error_every, [this] {
    choose_failing_part();
    disk_.set_sync_error(Error{ErrorKind::kIo, "input/output error"});
    later(Duration::seconds(1), [this] { disk_.set_sync_error(std::nullopt); });
  });
  every(knobs_.read_error_every, [this] {
    choose_failing_part();
    disk_.set_read_error(Error{ErrorKind::kIo, "input/output error"});
    later(Duration::seconds(2), [this] { disk_.set_read_error(std::nullopt); });
  });
  every(knobs_.clock_jump_every, [this] {
    scene_.probe("clock_jump");
    // Less than an hour between two settings: timestamps further ahead are refused.
    const int64_t most = 25 * 60'000;
    host_.set_clock(random_.between(-most, most));
  });
  // Most damage is done while the node is down, some under its eyes.
  every(knobs_.chaos, [this] { damage(); });
  supervise();
}

// Restarts a node that is down, as an init system would.
void Faults::supervise() {
  scene_.queue.after(Duration::milliseconds(100), [this] {
    if (!host_.is_up() && (scene_.healed || (!held_down_ && random_.chance(1, 5)))) {
      if (random_.chance(1, 2)) damage();
      host_.boot();
    }
    supervise();
  });
}

void Faults::lose_power() {
  if (may_lose_power_ && !may_lose_power_()) return;
  scene_.probe("power_loss");
  host_.lose_power();
  if (knobs_.fsync == engine::FsyncPolicy::kAlways) return;
  records_may_be_lost_();
}

void Faults::break_writes(ErrorKind kind, const char* message, Duration longest) {
  choose_failing_part();
  disk_.set_write_error(Error{kind, message});
  later(longest, [this] { disk_.set_write_error(std::nullopt); });
}

void Faults::choose_failing_part() {
  static constexpr const char* kParts[] = {"",    "",    "control/", "topics/",
                                           "-0/", "-1/", "-1/",      "__consumer_offsets-0/"};
  disk_.set_failing_part(kParts[random_.below(std::size(kParts))]);
}

// The node may refuse to serve what was damaged, and must not serve anything else in its place.
void Faults::damage() {
  if (damages_left_ == 0) return;
  const uint64_t what = random_.below(8);
  const bool done = what == 0 && !host_.is_up() ? lose_a_partition()
                    : what < 3                  ? misdirect_a_sector()
                                                : flip_a_bit();
  if (!done) return;
  --damages_left_;
  scene_.damaged = true;
}

SimFile* Faults::some_file(const std::string& folder, const std::string& ending, size_t size) {
  std::vector<SimFile*> files;
  for (auto& [path, file] : disk_.files()) {
    if (!path.starts_with(folder) || !path.ends_with(ending)) continue;
    if (file.content().size() >= size) files.push_back(&file);
  }
  return files.empty() ? nullptr : files[random_.below(files.size())];
}

bool Faults::flip_a_bit() {
  // Most files are segments. Those of the cluster state are few, and damage there ends the run.
  const bool state = random_.chance(1, 8);
  const bool segment = random_.chance(3, 4);
  SimFile* file = state ? some_file("control/", "", 1)
                        : some_file("topics/", segment ? ".log" : "", segment ? 200 : 1);
  if (file == nullptr) return false;
  scene_.probe(state ? "bit_flip_in_journal" : segment ? "bit_flip" : "bit_flip_beside_segments");
  file->flip_bit(random_.below(file->content().size() * 8));
  return true;
}

// A write went to another place than it should have: what was there is gone.
bool Faults::misdirect_a_sector() {
  const SimFile* from = some_file("topics/", ".log", 3 * kSectorBytes);
  SimFile* to = some_file("topics/", ".log", 3 * kSectorBytes);
  if (from == nullptr) return false;
  const uint64_t source = random_.below(from->content().size() / kSectorBytes);
  const uint64_t target = random_.below(to->content().size() / kSectorBytes);
  // In the same place of another partition there may be a batch that fits in every respect.
  if (source == target) return false;
  scene_.probe("misdirected_sector");
  to->overwrite(target * kSectorBytes, from->content().substr(source * kSectorBytes, kSectorBytes));
  return true;
}

// Somebody deleted the folder of a partition by mistake.
bool Faults::lose_a_partition() {
  std::vector<std::string> folders;
  for (auto& [path, file] : disk_.files()) {
    if (path.starts_with("topics/plain") && path.ends_with(".log")) {
      folders.push_back(path.substr(0, path.rfind('/') + 1));
    }
  }
  if (folders.empty()) return false;
  scene_.probe("partition_files_missing");
  const std::string folder = folders[random_.below(folders.size())];
  std::erase_if(disk_.files(), [&](const auto& entry) { return entry.first.starts_with(folder); });
  return true;
}

void Faults::heal() {
  scene_.healed = true;
  disk_.set_slow(false);
  disk_.set_write_error(std::nullopt);
  disk_.set_sync_error(std::nullopt);
  disk_.set_read_error(std::nullopt);
}

}  // namespace magpie::sim
