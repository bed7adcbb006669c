#include "relay/lane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::relay {

void Lane::push(Instant now, std::string bytes, const Conditions& conditions, Random& random) {
  Instant sent = std::max(now, sent_until_);
  if (conditions.rate > 0) {
    sent = sent + Duration{static_cast<int64_t>(bytes.size() * 1'000'000'000 / conditions.rate)};
  }
  sent_until_ = sent;
  Instant arrives = sent + conditions.delay;
  if (conditions.loss > 0 && random.below(100'000) < conditions.loss) {
    arrives = arrives + conditions.loss_delay;
  }
  arrives = std::max(arrives, last_arrival_);
  last_arrival_ = arrives;
  bytes_ += bytes.size();
  pieces_.push_back({arrives, std::move(bytes)});
}

bool Lane::full(const Conditions& conditions) const {
  if (conditions.rate == 0 && !conditions.silent) {
    // As fast as it goes: what a fast line holds in the time of its delay.
    constexpr uint64_t kFastRate = 1'250'000'000;
    const uint64_t held =
        kFastRate / 1'000 * static_cast<uint64_t>(conditions.delay.nanos) / 1'000'000;
    return bytes_ >= kBufferBytes + held;
  }
  const uint64_t held =
      conditions.rate / 1'000 * static_cast<uint64_t>(conditions.delay.nanos) / 1'000'000;
  return bytes_ >= kBufferBytes + held;
}

Instant Lane::next_arrival(const Conditions& conditions) const {
  if (pieces_.empty() || conditions.silent) return Instant::never();
  return pieces_.front().arrives;
}

std::string Lane::pop() {
  CHECK(!pieces_.empty());
  std::string bytes = std::move(pieces_.front().bytes);
  pieces_.pop_front();
  bytes_ -= bytes.size();
  return bytes;
}

}  // namespace magpie::relay
