// Programs that run beside this one and end with it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace magpie::server {

// Starts arguments[0], searched on the PATH, in a process group of its own, so that Ctrl-C at the
// terminal reaches only its parent. Both output streams are appended to `log_file`. It inherits
// nothing else, and is killed by the kernel when this process ends, however it ends.
// REQUIRES: called from the thread that lives as long as the process.
// Error: a sentence for the operator; nothing runs then.
Result<pid_t> start_child(const std::vector<std::string>& arguments, const std::string& log_file);

// How a child ended, from the status of waitpid(): "exit code 2", "killed by signal 9 (Killed)".
std::string ending_text(int wait_status);

// The path of the running program.
std::string own_program();

}  // namespace magpie::server
