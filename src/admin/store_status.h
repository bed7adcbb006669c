// How this node stands with the control store, and what it knows that another store would have to
// know (control/adoption.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "control/change.h"
#include "control/member.h"

namespace magpie::admin {

struct StoreStatus {
  control::Member self;   // no node (-1) before the data directory is read
  uint64_t store_id = 0;  // whose state the node has; 0: no store's
  bool current = false;   // it was read from the store in this life, which is the same store still
  bool frozen = false;    // that store is another one now, or has gone back
  std::string trouble;    // why nothing can be changed; empty if it can
  uint64_t found = 0;     // while frozen: the store that was found instead; 0: none answers
  std::optional<control::Revision> adopted;  // up to which revision that one was adopted
  // The node's votes and all its logs could be read.
  bool complete = false;
  // Per failover group: the highest epoch that it has accepted or that its logs hold.
  std::map<std::string, LeaderEpoch> highest;
};

}  // namespace magpie::admin
