// Any bytes as a configuration file: an answer or problems, never an end of the process.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "server/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  for (const auto& problem : magpie::server::read_config(yaml, "fuzz.yaml").problems) {
    if (magpie::server::to_string(problem).empty()) std::abort();
  }
  return 0;
}
