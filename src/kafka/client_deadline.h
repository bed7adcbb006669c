// Until when a request is answered that names a time of its own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace magpie::kafka {

// Whatever a client allows: less would not leave time for a disk, longer only holds memory.
inline Instant client_deadline(const Now& now, int32_t timeout_ms) {
  return now.instant + Duration::milliseconds(std::clamp(timeout_ms, 1'000, 300'000));
}

}  // namespace magpie::kafka
