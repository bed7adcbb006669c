#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace magpie {

void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "magpie: CHECK failed at %s:%d: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace magpie
