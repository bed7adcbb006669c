// Whether one more connection may come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace magpie::os {

// Counts connections in all and by address.
class ConnectionCount {
 public:
  ConnectionCount(size_t max, size_t max_per_address)
      : max_(max), max_per_address_(max_per_address) {}

  // Counts one more, or says which limit forbids it.
  Status add(const std::string& address);
  // REQUIRES: add(address) succeeded and was not taken back yet.
  void remove(const std::string& address);

  size_t total() const { return total_; }

 private:
  size_t max_;
  size_t max_per_address_;
  size_t total_ = 0;
  std::map<std::string, size_t> by_address_;
};

// Lets `per_second` pass in any second, evenly after a first burst of one tenth of that.
class RateLimit {
 public:
  RateLimit(uint32_t per_second, Instant now);

  // True if one may pass now.
  bool take(Instant now);
  // When take() will succeed again, if it has just failed.
  Instant next() const { return Instant{next_.nanos - burst_.nanos}; }

 private:
  Duration interval_;
  Duration burst_;
  Instant next_;  // when the next one would pass if there were no burst
};

}  // namespace magpie::os
