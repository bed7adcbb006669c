// How many bytes of batches may be on their way to this node.
//
// The problem: too little credit leaves a long line empty, and too much of it stands in queues in
// front of whatever is urgent. The idea: grant twice what the line carries during one way there and
// back: one part is on the line, the other waits right before it. What it carries is measured from
// what arrives; the way is the shortest one of late (line_round_trip.h), because any longer one has
// that queue in it.
//
// The rate is the best of the last windows, so that a pause does not take the credit away. A new
// link begins with the least; while credit is what limits the rate, each window raises it: to twice
// as much where all of it is used, and by a third where a quarter is kept for what is more urgent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace magpie::link {

inline constexpr int64_t kCreditBytesMin = 1024 * 1024;
inline constexpr int64_t kCreditBytesMax = 64 * 1024 * 1024;

class Credit {
 public:
  // `bytes` of batches came in. `round_trip`: the shortest, nothing if none is known.
  void arrived(Instant now, uint64_t bytes, std::optional<Duration> round_trip);

  // Bytes to grant.
  int64_t grant() const { return grant_; }

 private:
  static constexpr size_t kWindows = 16;

  std::array<int64_t, kWindows> rates_{};  // bytes per second
  size_t next_ = 0;
  std::optional<Instant> begun_;  // the present window
  uint64_t bytes_ = 0;            // in it
  int64_t grant_ = kCreditBytesMin;
};

}  // namespace magpie::link
