// A fingerprint of everything that happened in a run, and on request the story in lines.
//
// Two runs of one seed must end with the same fingerprint; if they do not, something in the node or
// in the simulator depends on more than its input.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace magpie::sim {

class Trace {
 public:
  using Sink = std::function<void(const std::string&)>;

  // Lines go to `sink` from now on.
  void set_sink(Sink sink) { sink_ = std::move(sink); }

  template <typename... Numbers>
  void add(Instant now, std::string_view what, Numbers... numbers) {
    mix(static_cast<uint64_t>(now.nanos));
    for (const char c : what) mix(static_cast<uint8_t>(c));
    (mix(static_cast<uint64_t>(numbers)), ...);
    if (!sink_) return;
    std::string line = fmt::format("{:>12.6f} {}", fmt_seconds(now), what);
    ((line += fmt::format(" {}", numbers)), ...);
    sink_(line);
  }

  // A line of text, as it is.
  void say(Instant now, std::string_view text);

  uint64_t hash() const { return hash_; }

 private:
  // measurement only
  static double fmt_seconds(Instant now) { return static_cast<double>(now.nanos) / 1e9; }
  // FNV-1a, a word at a time.
  void mix(uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001B3; }

  uint64_t hash_ = 0xCBF29CE484222325;
  Sink sink_;
};

}  // namespace magpie::sim
