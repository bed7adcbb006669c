#include "sim/equal_copies.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/log_watch.h"

namespace magpie::sim {

bool EqualCopies::hold() {
  return std::all_of(topics_.ledgers().begin(), topics_.ledgers().end(), [&](const auto& entry) {
    return same_logs(entry.first.first, entry.first.second);
  });
}

bool EqualCopies::differs(const std::string& partition, const SimRegion& region, int64_t offset) {
  why_ = fmt::format("{} differs between regions a and {} at offset {}", partition, region.name,
                     offset);
  return false;
}

std::map<int64_t, std::string> EqualCopies::records(const std::string& partition) {
  return read_records(*cluster_.region(0).disk, partition);
}

bool EqualCopies::hold(const std::string& partition, int64_t trimmed) {
  const auto first = records(partition);
  for (SimRegion& region : cluster_.regions()) {
    if (region.is_witness) continue;
    const auto other = read_records(*region.disk, partition);
    int64_t begin = trimmed;
    // A copy that was begun anew may begin later.
    if (!first.empty() && !other.empty()) {
      begin = std::max({begin, first.begin()->first, other.begin()->first});
    }
    const auto a = first.lower_bound(begin);
    const auto b = other.lower_bound(begin);
    if (!std::equal(a, first.end(), b, other.end())) return differs(partition, region, begin);
  }
  return true;
}

bool EqualCopies::same_logs(const std::string& topic, int32_t partition) {
  const std::string name = fmt::format("{}-{}", topic, partition);
  const Ledger& ledger = topics_.ledger(topic, partition);
  const int64_t end = ledger.high_watermark();
  if (topics_.find(topic).compacted) return same_records(name, end);
  const LoggedBatches first = read_log(*cluster_.region(0).disk, name);
  for (SimRegion& region : cluster_.regions()) {
    if (region.is_witness) continue;
    const LoggedBatches other = read_log(*region.disk, name);
    // As above.
    int64_t begin = ledger.trim_asked();
    if (!first.empty() && !other.empty()) {
      begin = std::max({begin, first.begin()->first, other.begin()->first});
    }
    auto a = first.lower_bound(begin);
    auto b = other.lower_bound(begin);
    for (; a != first.end() && a->first < end; ++a, ++b) {
      if (b == other.end() || *a != *b) return differs(name, region, a->first);
    }
    if (b == other.end() || b->first >= end) continue;
    why_ = fmt::format("{} is longer in region {}", name, region.name);
    return false;
  }
  return true;
}

// Every copy compacts for itself: at each offset it has the record that the others have, or none.
bool EqualCopies::same_records(const std::string& partition, int64_t end) {
  std::map<int64_t, std::string> all;
  for (SimRegion& region : cluster_.regions()) {
    if (region.is_witness) continue;
    for (const auto& [offset, mark] : read_records(*region.disk, partition)) {
      if (offset >= end) break;
      const auto [held, fresh] = all.try_emplace(offset, mark);
      if (!fresh && held->second != mark) return differs(partition, region, offset);
    }
  }
  return true;
}

}  // namespace magpie::sim
