// What a serving process asks of its operating system once, at start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/driver.h"

namespace magpie::server {

// Tells the allocator to keep few arenas and to reuse large blocks: a request is read into a block
// of its own, and returning that to the kernel each time costs more than the rest of the request.
void tune_memory();

// Raises the limit of open files as far as allowed. If that is not enough for what `config` may
// use, lowers config's limits and returns a sentence for the log; an empty one otherwise.
std::string fit_open_files(os::DriverConfig& config);

// A seed nobody can guess.
uint64_t random_seed();

// A text that is another one after every start of the machine; empty if the kernel does not say.
std::string machine_run();

}  // namespace magpie::server
