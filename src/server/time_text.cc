#include "server/time_text.h"

#include <fmt/format.h>
#include <time.h>

namespace magpie::server {

std::string time_text(int64_t millis) {
  const int64_t rest = ((millis % 1000) + 1000) % 1000;
  const auto seconds = static_cast<time_t>((millis - rest) / 1000);
  tm parts = {};
  if (gmtime_r(&seconds, &parts) == nullptr) return fmt::format("{} ms", millis);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} UTC", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     rest);
}

}  // namespace magpie::server
