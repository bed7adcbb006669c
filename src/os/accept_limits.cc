#include "os/accept_limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace magpie::os {

Status ConnectionCount::add(const std::string& address) {
  if (total_ >= max_) {
    return fail(ErrorKind::kLimit, fmt::format("all {} connections are in use", max_));
  }
  size_t& count = by_address_[address];
  if (count >= max_per_address_) {
    return fail(ErrorKind::kLimit,
                fmt::format("{} has all {} connections that one address may have", address, count));
  }
  ++count;
  ++total_;
  return {};
}

void ConnectionCount::remove(const std::string& address) {
  const auto found = by_address_.find(address);
  CHECK(found != by_address_.end() && total_ > 0);
  --total_;
  if (--found->second == 0) by_address_.erase(found);
}

RateLimit::RateLimit(uint32_t per_second, Instant now)
    : interval_(Duration::nanoseconds(1'000'000'000 / std::max<uint32_t>(per_second, 1))),
      burst_(Duration::milliseconds(100)),
      next_(now) {}

bool RateLimit::take(Instant now) {
  next_ = std::max(next_, now);
  if (next_ - now > burst_) return false;
  next_ = next_ + interval_;
  return true;
}

}  // namespace magpie::os
