// Processor time and memory of a process, as Linux accounts them in /proc.
#pragma once

#include <cstdint>
#include <map>

#include "base/result.h"

namespace magpie::bench {

struct ProcessUsage {
  // User and system time of all threads, ended ones too, and of children that were waited for.
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;            // VmRSS
  uint64_t resident_anonymous_bytes = 0;  // the part that is not a mapped file
};

// pid 0 means this process. kNotFound when there is no such process.
Result<ProcessUsage> process_usage(int32_t pid);

// User and system seconds of every living thread, by thread id. Empty when there is no such
// process.
std::map<int32_t, double> thread_cpu_seconds(int32_t pid);

// Monotonic time in nanoseconds; the same clock for every thread of this process.
int64_t monotonic_nanoseconds();

}  // namespace magpie::bench
