#include "link/credit.h"

#include <algorithm>

namespace magpie::link {
namespace {

// Shorter windows would measure how frames happen to be read.
constexpr Duration kWindowMin = Duration::milliseconds(50);
// Beyond these nothing is granted more, and products stay within 64 bits.
constexpr uint64_t kWindowBytesMax = uint64_t{1} << 32;
constexpr int64_t kRoundTripMillisMax = 10'000;

}  // namespace

void Credit::arrived(Instant now, uint64_t bytes, std::optional<Duration> round_trip) {
  if (!begun_) {
    // What came before now took an unknown time.
    begun_ = now;
    return;
  }
  bytes_ += bytes;
  const Duration passed = now - *begun_;
  if (!round_trip || passed < std::max(*round_trip, kWindowMin)) return;
  const auto counted = static_cast<int64_t>(std::min(bytes_, kWindowBytesMax));
  rates_[next_] = counted * 1'000 / std::max<int64_t>(passed.to_milliseconds(), 1);
  next_ = (next_ + 1) % kWindows;
  begun_ = now;
  bytes_ = 0;
  const int64_t rate = *std::max_element(rates_.begin(), rates_.end());
  // Rounded up: on the same machine it is a fraction of a millisecond.
  const int64_t millis = std::min(round_trip->to_milliseconds() + 1, kRoundTripMillisMax);
  grant_ = std::clamp(rate / 1'000 * millis * 2, kCreditBytesMin, kCreditBytesMax);
}

}  // namespace magpie::link
