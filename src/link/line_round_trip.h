// The round trip of the line itself, without what waits on it.
//
// The problem: how much may be on its way follows from the shortest round trip, because a longer
// one may have a queue in it, and that would make the queue longer still. But a route can become
// longer while a connection lasts, and then the shortest one ever measured keeps the line half
// empty for days. The idea: if for a while nothing was nearly as short, little is sent for a
// moment; what is measured then has no queue in it and is believed. (As BBR's estimate of the
// minimal round trip: Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14(5),
// 2016.)
//
// What it does not do: it sends no pings and holds nothing back.
#pragma once

#include <optional>

#include "base/time.h"

namespace magpie::link {

class LineRoundTrip {
 public:
  // A ping was answered.
  void measured(Instant now, Duration round_trip);

  // Nothing before the first answer.
  std::optional<Duration> shortest() const { return shortest_; }
  // As little as possible should be on its way.
  bool wants_quiet() const { return quiet_.has_value(); }

 private:
  struct Quiet {
    Instant since;
    Duration queue;  // until what was sent before has gone
  };

  std::optional<Duration> shortest_;
  std::optional<Duration> lately_;  // the shortest since `begun_`
  Instant begun_;
  std::optional<Quiet> quiet_;
};

}  // namespace magpie::link
