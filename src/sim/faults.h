// What goes wrong in a run, and when: draws every fault's moments from the seed and ends them all
// when the world heals.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "base/random.h"
#include "sim/disk.h"
#include "sim/host.h"
#include "sim/knobs.h"
#include "sim/network.h"
#include "sim/scene.h"

namespace magpie::sim {

class Faults {
 public:
  Faults(Scene& scene, const Knobs& knobs, Disk& disk, Network& network, Host& host);

  void start();
  // Everything works from now on; a node that is down is started.
  void heal();

  // While held, a node that is down stays down, until the world heals.
  void hold_down(bool held) { held_down_ = held; }

  // Whom to ask whether the power may fail now; if nobody, it may.
  void set_may_lose_power(std::function<bool()> ask) { may_lose_power_ = std::move(ask); }

  // Whom to tell when a power loss may have taken records, because fsync is not `always`.
  void set_records_may_be_lost(std::function<void()> tell) {
    records_may_be_lost_ = std::move(tell);
  }

 private:
  using Action = std::function<void()>;

  // Carries out `action` about every `rate` until the world heals.
  void every(Duration rate, Action action);
  // Carries out `end` after up to `longest`.
  void later(Duration longest, Action end);
  void supervise();
  void lose_power();
  void break_writes(ErrorKind kind, const char* message, Duration longest);
  // Errors meet all of the disk or one part of it.
  void choose_failing_part();
  void damage();
  bool flip_a_bit();
  bool misdirect_a_sector();
  bool lose_a_partition();
  // A file below `folder` that has at least `size` bytes; null if there is none.
  SimFile* some_file(const std::string& folder, const std::string& ending, size_t size);

  Scene& scene_;
  const Knobs& knobs_;
  Disk& disk_;
  Network& network_;
  Host& host_;
  std::function<bool()> may_lose_power_;
  std::function<void()> records_may_be_lost_;
  Random random_;
  int damages_left_;
  bool held_down_ = false;
};

}  // namespace magpie::sim
