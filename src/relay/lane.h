// One direction of one connection: bytes with the time at which they arrive on the other side.
//
// Pure: the relay moves bytes, this says when. Pieces leave in order; a slow or lossy lane makes
// those behind it late, too. What is on its way is bounded by what the lane can hold at its rate
// and delay plus a buffer, so that a sender feels the WAN as it would: its writes stop being taken.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "relay/conditions.h"

namespace magpie::relay {

// Beyond what is in flight at the rate and delay, as routers and socket buffers would hold.
inline constexpr uint64_t kBufferBytes = 1024 * 1024;

class Lane {
 public:
  // Takes bytes that came in at `now`.
  void push(Instant now, std::string bytes, const Conditions& conditions, Random& random);
  // From `now` on these conditions hold, also for what the line has not sent yet.
  void change(Instant now, const Conditions& conditions);

  // No more is taken while this is true.
  bool full(const Conditions& conditions) const;

  // When the first piece arrives; never() if nothing is on its way, or the lane is silent.
  Instant next_arrival(const Conditions& conditions) const;
  // The first piece. REQUIRES: it has arrived.
  std::string pop();

  uint64_t bytes() const { return bytes_; }

 private:
  struct Piece {
    std::string bytes;
    Duration late;        // as lost bytes are
    uint64_t unsent = 0;  // bytes that the line takes from `begins` to `sent`
    Instant begins;
    Instant sent;
    Instant arrives;
  };
  // The line takes the piece as soon as it is free, but not before `now`.
  void send(Instant now, Piece& piece, const Conditions& conditions);

  std::deque<Piece> pieces_;
  uint64_t bytes_ = 0;
  Instant sent_until_;    // the line is busy until then
  Instant last_arrival_;  // nothing overtakes
};

}  // namespace magpie::relay
