#include "sim/trace.h"

namespace magpie::sim {

void Trace::say(Instant now, std::string_view text) {
  mix(static_cast<uint64_t>(now.nanos));
  for (const char c : text) mix(static_cast<uint8_t>(c));
  // measurement only
  if (sink_) sink_(fmt::format("{:>12.6f} {}", fmt_seconds(now), text));
}

}  // namespace magpie::sim
