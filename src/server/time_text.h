// Times for people.
#pragma once

#include <cstdint>
#include <string>

namespace magpie::server {

// "2030-01-31 12:00:00.250 UTC" from milliseconds since 1970.
std::string time_text(int64_t millis);

}  // namespace magpie::server
