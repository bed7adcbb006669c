// Numbers that the whole cluster draws from one place, so that none is ever given out twice:
// leader epochs and producer ids.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "control/leadership.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

// --- leader epochs ------------------------------------------------------------------------------

// The next epoch, taken off the counter by `transaction`; nothing when the 2^31 epochs are used up.
// An epoch never comes back (Kafka clients loop or get stuck if it does).
std::optional<LeaderEpoch> take_epoch(const State& state, Transaction& transaction);
Refusal no_epochs_left();

// For a node that is alone, without a control store: makes it lead all failover groups, in one
// epoch that was never used before. It commits this each time it starts, before it serves anything:
// clients and logs can then tell what was written before and after the restart. The answer is the
// leadership of the group `default`. Refused with kUnavailable when the epochs are used up.
Decided<Leadership> decide_leadership(const State& state, const Member& leader, WallTime now);

// --- producer ids -------------------------------------------------------------------------------

// A run of ids that belongs to one node.
struct ProducerIdBlock {
  int64_t first = 0;
  int64_t count = 0;

  bool operator==(const ProducerIdBlock&) const = default;
};

// Ids in one block, as in Kafka. A restart forgets the rest of a block; 2^63 ids bear that.
inline constexpr int64_t kProducerIdBlockSize = 1'000;

// Takes the next block. Refused with kUnavailable when the ids are used up.
Decided<ProducerIdBlock> decide_producer_id_block(const State& state);

// Hands out single ids from a node's blocks and says when the next block should be taken, early
// enough that producers rarely wait for it.
class ProducerIdAllocator {
 public:
  // The next id; nothing if the blocks are used up (ask again after add_block).
  std::optional<ProducerId> allocate();

  // True if a block should be taken now; the caller takes one and reports with add_block or
  // request_failed. Until then the answer is false.
  bool take_request();
  void add_block(ProducerIdBlock block);
  void request_failed() { requested_ = false; }

 private:
  int64_t remaining() const { return current_.count + next_.count; }

  ProducerIdBlock current_;
  ProducerIdBlock next_;
  bool requested_ = false;
};

}  // namespace magpie::control
