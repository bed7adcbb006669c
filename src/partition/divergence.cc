#include "partition/divergence.h"

#include <algorithm>
#include <optional>

#include "base/planted_bug.h"

namespace magpie::partition {
namespace {

// End of the epoch at `index` of the list.
Offset end_of(const CopyState& copy, size_t index) {
  return index + 1 < copy.epochs.size() ? copy.epochs[index + 1].start : copy.end;
}

std::optional<size_t> find(const CopyState& copy, LeaderEpoch epoch) {
  const auto found = std::lower_bound(
      copy.epochs.begin(), copy.epochs.end(), epoch,
      [](const EpochCache::Entry& entry, LeaderEpoch wanted) { return entry.epoch < wanted; });
  if (found == copy.epochs.end() || found->epoch != epoch) return std::nullopt;
  return static_cast<size_t>(found - copy.epochs.begin());
}

Offset find_common_end(const CopyState& leader, const CopyState& follower) {
  if (planted(PlantedBug::kDivergenceByLength)) return std::min(leader.end, follower.end);
  for (size_t i = follower.epochs.size(); i-- > 0;) {
    const std::optional<size_t> same = find(leader, follower.epochs[i].epoch);
    if (same) return std::min(end_of(leader, *same), end_of(follower, i));
  }
  // No epoch in common: nothing was ever copied from one to the other, or it is all gone.
  return Offset{0};
}

}  // namespace

Divergence find_divergence(const CopyState& leader, const CopyState& follower) {
  Divergence divergence;
  divergence.common_end = find_common_end(leader, follower);
  const bool is_empty = follower.epochs.empty() && follower.end == follower.start;
  if (is_empty) divergence.common_end = follower.end;
  // Where the leader has never been. (Had it been there, what lies below was deleted by a leader of
  // before, and a copy that is complete must not be emptied: it may be promoted meanwhile.)
  const bool is_beyond = is_empty && leader.end < follower.end;
  if (is_beyond || divergence.common_end < leader.start || divergence.common_end < follower.start) {
    divergence.restart = true;
    divergence.restart_at = leader.start;
  }
  return divergence;
}

}  // namespace magpie::partition
