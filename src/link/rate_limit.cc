#include "link/rate_limit.h"

#include <algorithm>

namespace magpie::link {
namespace {

// With it, a second's worth of millionths stays within 64 bits.
constexpr uint64_t kFastest = 1'000'000'000'000;
constexpr int64_t kMillion = 1'000'000;
constexpr int64_t kNanosPerMicro = 1'000;

}  // namespace

void RateLimit::set(Instant now, std::optional<uint64_t> bytes_per_second) {
  const uint64_t rate = bytes_per_second.value_or(0);
  const auto wanted =
      bytes_per_second ? static_cast<int64_t>(std::clamp<uint64_t>(rate, 1, kFastest)) : 0;
  if (wanted == rate_) return;
  rate_ = wanted;
  bytes_ = std::max<int64_t>(rate_ / 10, 1);
  parts_ = 0;
  filled_ = now;
}

void RateLimit::fill(Instant now) {
  const int64_t micros = (now - filled_).nanos / kNanosPerMicro;
  if (micros <= 0) return;
  filled_ = {filled_.nanos + micros * kNanosPerMicro};
  const int64_t holds = std::max<int64_t>(rate_ / 10, 1);
  const int64_t seconds = micros / kMillion;
  if (seconds > (holds - bytes_) / rate_) {
    bytes_ = holds;
    return;
  }
  parts_ += rate_ * (micros % kMillion);
  bytes_ = std::min(bytes_ + rate_ * seconds + parts_ / kMillion, holds);
  parts_ %= kMillion;
}

bool RateLimit::allows(Instant now) {
  if (rate_ == 0) return true;
  fill(now);
  return bytes_ > 0;
}

void RateLimit::spend(uint64_t bytes) {
  if (rate_ > 0) bytes_ -= static_cast<int64_t>(bytes);
}

void RateLimit::give_back(uint64_t bytes) {
  if (rate_ > 0) bytes_ += static_cast<int64_t>(bytes);
}

Instant RateLimit::next_deadline() const {
  if (rate_ == 0 || bytes_ > 0) return Instant::never();
  const int64_t missing = 1 - bytes_;
  const int64_t seconds = missing / rate_;
  const int64_t micros = (missing % rate_ * kMillion + rate_ - 1) / rate_;
  return filled_ + Duration::seconds(seconds) + Duration::nanoseconds(micros * kNanosPerMicro);
}

}  // namespace magpie::link
