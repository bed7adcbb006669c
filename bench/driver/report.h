// What one run found, and its form as JSON.
//
// Rates count payload only: neither keys, record overhead nor framing. A megabyte is 10^6 bytes, a
// gigabyte 10^9.
#pragma once

#include <cstdint>
#include <string>

#include "driver/histogram.h"
#include "driver/settings.h"

namespace magpie::bench {

struct Report {
  uint64_t messages = 0;  // acknowledged, or consumed, within the measured window
  double seconds = 0;
  uint64_t failed = 0;
  std::string first_failure;
  Histogram acknowledgement_latency;
  Histogram end_to_end_latency;
  Histogram append_to_consumer_latency;  // where the topic keeps the time of the append
  // Follow runs: messages acknowledged but not yet consumed when the producers stopped.
  uint64_t behind = 0;
  double client_cpu_seconds = 0;  // with mock brokers: theirs too
  bool broker_sampled = false;
  double broker_cpu_seconds = 0;
  double broker_busiest_thread_cpu_seconds = 0;  // tells a busy loop from several idle ones
  uint64_t broker_resident_bytes = 0;            // the highest seen
  uint64_t broker_anonymous_bytes = 0;
};

// One JSON object, one line.
std::string to_json(const Settings& settings, const Report& report);

}  // namespace magpie::bench
