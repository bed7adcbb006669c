#include "link/group_bytes.h"

namespace magpie::link {
namespace {

// Handle, high watermark, log start, and the lengths of what follows.
constexpr uint64_t kPartitionBytes = 22;

}  // namespace

void WireShares::add(const std::string& group, uint64_t batches) {
  parts_.emplace_back(&group, kPartitionBytes + batches);
  weight_ += parts_.back().second;
}

void WireShares::spread(uint64_t bytes, BytesByGroup& counter) const {
  uint64_t weight = 0;
  uint64_t given = 0;
  for (const auto& [group, part] : parts_) {
    weight += part;
    const uint64_t upto = bytes * weight / weight_;
    counter[*group].wire += upto - given;
    given = upto;
  }
}

}  // namespace magpie::link
