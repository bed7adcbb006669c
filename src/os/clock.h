// The two clocks of base/time.h, read from the operating system.
#pragma once

#include "base/time.h"

namespace magpie::os {

// CLOCK_BOOTTIME, which goes on while the machine is suspended, so that a lease or session that ran
// out during a suspend is seen to have run out; and the wall clock.
Now read_clocks();

}  // namespace magpie::os
