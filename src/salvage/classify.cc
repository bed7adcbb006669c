#include "salvage/classify.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace magpie::salvage {
namespace {

constexpr int64_t kSequenceSpace = int64_t{1} << 31;

// The batch's sequence numbers as one or two ranges that do not wrap.
std::vector<std::pair<int64_t, int64_t>> ranges_of(const record::BatchHeader& header) {
  const int64_t first = header.base_sequence;
  const int64_t last = first + header.last_offset_delta;
  if (last < kSequenceSpace) return {{first, last}};
  return {{first, kSequenceSpace - 1}, {0, last - kSequenceSpace}};
}

}  // namespace

const char* to_string(Fate fate) {
  switch (fate) {
    case Fate::kPresent:
      return "present";
    case Fate::kAbsent:
      return "absent";
    case Fate::kUnidentifiable:
      return "unidentifiable";
  }
  CHECK(false);
}

void Survivors::insert(Ranges& ranges, int64_t first, int64_t last) {
  auto next = ranges.upper_bound(first);
  if (next != ranges.begin() && std::prev(next)->second >= first - 1) {
    --next;
    first = next->first;
  }
  while (next != ranges.end() && next->first <= last + 1) {
    last = std::max(last, next->second);
    next = ranges.erase(next);
  }
  ranges[first] = last;
}

bool Survivors::covers(const Ranges& ranges, int64_t first, int64_t last) {
  const auto after = ranges.upper_bound(first);
  return after != ranges.begin() && std::prev(after)->second >= last;
}

void Survivors::add(const record::BatchHeader& header) {
  if (header.producer_id == kNoProducerId || header.base_sequence < 0) return;
  Ranges& ranges = ranges_[{header.producer_id, header.producer_epoch}];
  for (const auto& [first, last] : ranges_of(header)) insert(ranges, first, last);
}

Fate Survivors::fate_of(const record::BatchHeader& header) const {
  if (header.producer_id == kNoProducerId || header.base_sequence < 0) {
    return Fate::kUnidentifiable;
  }
  const auto found = ranges_.find({header.producer_id, header.producer_epoch});
  if (found == ranges_.end()) return Fate::kAbsent;
  for (const auto& [first, last] : ranges_of(header)) {
    if (!covers(found->second, first, last)) return Fate::kAbsent;
  }
  return Fate::kPresent;
}

void Classification::add(Fate fate, int64_t records) {
  (fate == Fate::kPresent ? present : fate == Fate::kAbsent ? absent : unidentifiable) += records;
}

}  // namespace magpie::salvage
