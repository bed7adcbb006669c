#include "partition/jump_offers.h"

#include "partition/producer_table.h"

namespace magpie::partition {

bool JumpOffers::repeats(Instant now, ProducerId producer, ProducerEpoch epoch, int32_t sequence,
                         Duration apart) {
  const auto found = offers_.find(producer);
  if (found == offers_.end()) {
    if (offers_.size() >= capacity_) offers_.clear();
    offers_.emplace(producer, Offer{epoch, sequence, now, now});
    return false;
  }
  Offer& offer = found->second;
  const bool stale = offer.last_seen + kPatience <= now || offer.epoch != epoch;
  if (!stale && offer.sequence == sequence) {
    offer.last_seen = now;
    return offer.first_seen + apart <= now;
  }
  if (stale || sequence_precedes(sequence, offer.sequence)) offer = {epoch, sequence, now, now};
  return false;
}

}  // namespace magpie::partition
