// What will happen, in the order it will happen: virtual time moves only from one entry to the
// next.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.h"

namespace magpie::sim {

class EventQueue {
 public:
  using Action = std::function<void()>;

  // Things planned for the same moment happen in the order they were planned. A moment that has
  // passed means now.
  void at(Instant when, Action action);
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  // Moves time to the next entry and carries it out; false if there is none.
  bool run_one();

  Instant now() const { return now_; }
  uint64_t events() const { return events_; }

 private:
  struct Entry {
    Instant when;
    uint64_t sequence = 0;
    Action action;
  };
  static bool later(const Entry& a, const Entry& b);

  std::vector<Entry> heap_;
  Instant now_;
  uint64_t next_sequence_ = 0;
  uint64_t events_ = 0;
};

}  // namespace magpie::sim
