#include "os/clock.h"

#include <time.h>

#include "base/check.h"

namespace magpie::os {

Now read_clocks() {
  timespec boot;
  timespec wall;
  CHECK(clock_gettime(CLOCK_BOOTTIME, &boot) == 0);
  CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0);
  return Now{
      .instant = {boot.tv_sec * 1'000'000'000 + boot.tv_nsec},
      .wall = {wall.tv_sec * 1'000 + wall.tv_nsec / 1'000'000},
  };
}

}  // namespace magpie::os
