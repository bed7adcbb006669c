// At most so many bytes per second: a bucket that fills at that rate and holds a tenth of a second.
//
// Bytes are spent after they were allowed, and may overdraw the bucket by what one message is over;
// then nothing is allowed before that is made up for.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace magpie::link {

class RateLimit {
 public:
  // Nothing: no limit. From 1 to 10^12 bytes per second; others are taken for the nearest.
  void set(Instant now, std::optional<uint64_t> bytes_per_second);

  bool is_set() const { return rate_ > 0; }
  bool allows(Instant now);
  void spend(uint64_t bytes);
  // They were spent and not needed.
  void give_back(uint64_t bytes);
  // When allows() will say yes; never, if it does already.
  Instant next_deadline() const;

 private:
  void fill(Instant now);

  int64_t rate_ = 0;  // 0: no limit
  int64_t bytes_ = 0;
  int64_t parts_ = 0;  // of a byte, in millionths
  Instant filled_;
};

}  // namespace magpie::link
