// What the broker counts, for metrics. Counters only rise; they begin at zero with the process.
#pragma once

#include <cstdint>
#include <map>

namespace magpie::kafka {

struct Statistics {
  std::map<int16_t, uint64_t> requests;  // by API key; those that were understood
  uint64_t requests_refused = 0;         // malformed, unknown or in a version that is not served
  uint64_t produced_batches = 0;         // stored and acknowledged
  uint64_t produced_bytes = 0;           // of batches offered, also those that were refused
  uint64_t produce_refusals = 0;         // batches that were not stored
  uint64_t fetched_bytes = 0;            // of batches handed out
  uint64_t connections_opened = 0;
  uint64_t positions_ahead = 0;  // committed positions beyond what a lossy failover has left
  uint64_t fetches_sent_to_followers = 0;  // partitions of fetches, to the consumer's region
};

}  // namespace magpie::kafka
