// Sends records of a kept tail to the cluster again, as a Kafka client.
//
// The problem: records that were cut are wanted after all, but some of them are there already,
// because their producer has sent them again; and whoever is interrupted in the middle must not
// begin from the start. The idea: only batches whose fate was chosen are sent, each as a batch of
// no producer; a file `replayed.txt` beside the tail's remembers which, and is written before the
// first one is sent, so that it can be, and after each.
//
// Guarantees: never into an internal topic; into another topic that has the name now only if it was
// created in the moment between the look and the sending of one batch; what is in `replayed.txt` is
// not sent again, and two replays of a tail exclude each other. A batch whose answer never came, or
// was that another leads now, is sent again: at least once. One batch is in memory at a time.
//
// What it does not do: the records get new offsets at the end of the log. It does not know what
// was written for the same keys meanwhile, so a compacted topic is refused unless told otherwise.
// Whether the surviving log is complete it cannot tell.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "salvage/classify.h"
#include "server/config_text.h"
#include "server/salvage_folder.h"

namespace magpie::server {

struct ReplayRequest {
  std::string data;      // the data directory with the tail
  std::string survivor;  // the one with the surviving log
  HostPort kafka;        // any broker
  Duration timeout = Duration::seconds(30);
  std::set<salvage::Fate> fates = {salvage::Fate::kAbsent};
  bool into_compacted = false;
};

struct Replayed {
  int64_t records = 0;  // sent now, and acknowledged
  int64_t before = 0;   // by earlier replays
  int64_t left = 0;     // of another fate
};

// How many records would be sent; `records` of the answer. Connects to nobody.
Result<Replayed> plan_replay(const KeptTail& kept, const ReplayRequest& request);

// Sends them. If it fails, what was acknowledged until then is remembered and is not sent again.
Result<Replayed> replay_tail(const KeptTail& kept, const ReplayRequest& request);

}  // namespace magpie::server
