// What a piece of WAN does to bytes that pass through it, in one direction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace magpie::relay {

struct Conditions {
  // One way; half of a round trip.
  Duration delay;
  // Bytes per second; 0: as fast as it goes.
  uint64_t rate = 0;
  // Of a hundred thousand pieces, how many are late by `loss_delay`, as if TCP had to send them
  // again. Later pieces wait behind them, as in TCP.
  uint32_t loss = 0;
  Duration loss_delay = Duration::milliseconds(200);
  // Bytes are accepted and go nowhere until this ends: a partition that nobody is told of.
  bool silent = false;

  bool operator==(const Conditions&) const = default;
};

// Changes `conditions` as "delay=20ms rate=10MB loss=0.1% silent=yes" says; what is not named
// stays. Error: names the word that was not understood, and then nothing was changed.
Status change(Conditions& conditions, std::string_view text);

}  // namespace magpie::relay
