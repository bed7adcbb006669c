// Producers that want to go on behind records that a loss may have taken.
//
// After an epoch was opened with loss a producer's next batch may leave a gap, and the leader
// cannot see whether what is missing is gone or only late: of several requests under way the first
// may have been refused (the epoch was not open yet, or this was no leader yet), and the second
// arrives in time. Stored at once it would stand before the first.
//
// So a jump is taken only when it is offered twice, and nothing before it was offered in between. A
// client that is refused sends again in the order of its sequence numbers: by the time the same
// batch is the first one again, nothing before it is on its way.
//
// It costs a producer one more round trip in the term after a loss. What is remembered ends with
// the term; it is bounded, and when it is full every producer is asked once more.
//
// A break in a sequence that no loss explains is remembered here, too, where members take part in
// every commit. They may have turned to another leader, and what is missing here may be there; this
// one hears of it last, but while its lease lasts and a little longer. An error about sequences
// ends what a producer may go on with, so it is given once the break was offered for that long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "base/ids.h"
#include "base/time.h"

namespace magpie::partition {

class JumpOffers {
 public:
  // An offer that nobody repeated for this long is forgotten: its client has given that batch up.
  static constexpr Duration kPatience = Duration::seconds(30);

  explicit JumpOffers(size_t capacity) : capacity_(capacity) {}

  // True if the producer offered this very sequence number before, `apart` ago or longer, and none
  // to an earlier one since. Otherwise the offer is remembered, and the batch is to be refused so
  // that it comes again.
  bool repeats(Instant now, ProducerId producer, ProducerEpoch epoch, int32_t sequence,
               Duration apart = {});

  void clear() { offers_.clear(); }
  size_t size() const { return offers_.size(); }

 private:
  struct Offer {
    ProducerEpoch epoch;
    int32_t sequence = -1;  // the lowest one
    Instant first_seen;
    Instant last_seen;
  };

  size_t capacity_;
  std::map<ProducerId, Offer> offers_;
};

}  // namespace magpie::partition
