#include "partition/epoch_cache.h"

#include <algorithm>

#include "base/check.h"

namespace magpie::partition {
namespace {

bool starts_after(Offset offset, const EpochCache::Entry& entry) {
  return offset < entry.start;
}
bool newer_than(LeaderEpoch epoch, const EpochCache::Entry& entry) {
  return epoch < entry.epoch;
}

}  // namespace

void EpochCache::assign(LeaderEpoch epoch, Offset start) {
  if (epoch.value < 0 || epoch <= latest()) return;
  CHECK(entries_.empty() || entries_.back().start <= start);
  // An epoch that turned out to hold nothing is replaced by the one that follows it.
  if (!entries_.empty() && entries_.back().start == start) entries_.pop_back();
  entries_.push_back({epoch, start});
}

LeaderEpoch EpochCache::latest() const {
  return entries_.empty() ? kNoLeaderEpoch : entries_.back().epoch;
}

LeaderEpoch EpochCache::epoch_of(Offset offset) const {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), offset, starts_after);
  return after == entries_.begin() ? kNoLeaderEpoch : std::prev(after)->epoch;
}

EpochCache::EpochEnd EpochCache::end_of(LeaderEpoch asked, LeaderEpoch current,
                                        Offset log_end) const {
  if (asked.value < 0 || asked > current) return {};
  if (asked == current) return {current, log_end};
  const auto newer = std::upper_bound(entries_.begin(), entries_.end(), asked, newer_than);
  if (newer == entries_.begin()) return {};
  return {std::prev(newer)->epoch, newer == entries_.end() ? log_end : newer->start};
}

void EpochCache::cut(Offset end) {
  while (!entries_.empty() && entries_.back().start >= end) entries_.pop_back();
}

void EpochCache::trim(Offset start) {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), start, starts_after);
  if (after == entries_.begin()) return;
  entries_.erase(entries_.begin(), std::prev(after));
  entries_.front().start = start;
}

void EpochCache::encode(ByteWriter& out) const {
  out.write_int32(static_cast<int32_t>(entries_.size()));
  for (const Entry& entry : entries_) {
    out.write_int32(entry.epoch.value);
    out.write_int64(entry.start.value);
  }
}

bool EpochCache::decode(ByteReader& in) {
  entries_.clear();
  const int32_t count = in.read_int32();
  for (int32_t i = 0; i < count && in.ok(); ++i) {
    const LeaderEpoch epoch{in.read_int32()};
    const Offset start{in.read_int64()};
    const bool ordered = epoch > latest() && (entries_.empty() || entries_.back().start <= start);
    if (!ordered || start.value < 0) in.set_failed();
    if (in.ok()) entries_.push_back({epoch, start});
  }
  if (!in.ok() || count < 0) entries_.clear();
  return in.ok() && count >= 0;
}

}  // namespace magpie::partition
