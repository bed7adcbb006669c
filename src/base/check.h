// CHECK: what must be true whatever the input. On in every build, because a queue that goes on
// after a broken promise loses data quietly. Never reachable from bytes a peer sent or a disk
// returned: those are Results.
#pragma once

namespace magpie {

// Prints the place and the condition to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace magpie

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::magpie::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
