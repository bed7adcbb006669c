#include "link/line_round_trip.h"

#include <algorithm>

namespace magpie::link {
namespace {

constexpr Duration kPeriod = Duration::seconds(10);

// What differs by less may be noise.
bool is_longer(Duration measured, Duration known) {
  return measured.nanos > known.nanos + known.nanos / 4 + Duration::milliseconds(1).nanos;
}

}  // namespace

void LineRoundTrip::measured(Instant now, Duration round_trip) {
  if (!shortest_) begun_ = now;
  if (quiet_) {
    // Sent when what waited before had gone?
    if (now < quiet_->since + quiet_->queue + round_trip) return;
    shortest_ = round_trip;
    quiet_.reset();
    begun_ = now;
    lately_.reset();
    return;
  }
  shortest_ = std::min(shortest_.value_or(round_trip), round_trip);
  lately_ = std::min(lately_.value_or(round_trip), round_trip);
  if (now - begun_ < kPeriod) return;
  if (is_longer(*lately_, *shortest_)) quiet_ = Quiet{now, *lately_};
  begun_ = now;
  lately_.reset();
}

}  // namespace magpie::link
