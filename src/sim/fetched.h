// Looking at what a fetch brought, as a careful consumer would.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sim/client.h"
#include "sim/ledger.h"
#include "wire/fetch.h"

namespace magpie::sim {

// What the ledger knew when a fetch left; later answers may not fall behind it.
struct Known {
  int64_t high_watermark = 0;
  int64_t log_start = 0;
  int32_t epoch = -1;  // of the leader that answers, if the request named one
  bool alone = true;   // there is one node
  bool copy = false;   // a copy of the log was asked, not its leader

  // Another copy may know less than clients were told, and begin later.
  static Known of_copy(int32_t epoch) { return {.epoch = epoch, .alone = false, .copy = true}; }

  // Whoever does not know the leader, if there are several nodes, may ask a follower, whose answer
  // may be behind.
  static Known of(const Ledger& ledger, int32_t epoch, bool alone) {
    if (epoch < 0 && !alone) return {.alone = alone};
    return {ledger.high_watermark_in(epoch), ledger.log_start_in(epoch), epoch, alone};
  }
};

struct Fetched {
  std::map<int64_t, std::string> records;  // marks by offset, from the wanted offset on
  int64_t next = 0;                        // where to go on
  int32_t epoch = -1;                      // of the last batch; none came
};

// Checks one partition of an answer that has no error, tells the ledger, and returns the records.
// `whole`: nothing but this partition was asked for, so something must have come if there is any.
Fetched look_at_fetched(Scene& scene, Ledger& ledger, const wire::FetchResponsePartition& partition,
                        int64_t wanted, const Known& known, bool whole);

// Adds one partition to a fetch request, of the leader in `epoch` if one is named.
void ask_for(wire::FetchRequest& request, int version, const SimTopic& topic, int32_t partition,
             int64_t offset, int32_t max_bytes, int32_t epoch = -1);

// The topic's name in an answer of this version.
const std::string& name_in(const Topics& topics, const wire::FetchResponseTopic& topic,
                           int version);

}  // namespace magpie::sim
