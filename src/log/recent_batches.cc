#include "log/recent_batches.h"

#include <utility>

#include "base/check.h"

namespace magpie::log {
namespace {

// A slice is kept as it is if it is at least this part of its block.
constexpr size_t kBlockShare = 4;

}  // namespace

RecentBatches::~RecentBatches() {
  count(-static_cast<int64_t>(held_));
  pool_.remove(*this);
}

void RecentBatches::count(int64_t bytes) {
  held_ += static_cast<uint64_t>(bytes);
  pool_.held_ += static_cast<uint64_t>(bytes);
}

void RecentBatches::add(const record::BatchHeader& header, const Buffer& batch) {
  CHECK(entries_.empty() || entries_.back().next <= header.base_offset);
  const bool keep = batch.block_size() / kBlockShare <= batch.size();
  Buffer held = keep ? batch : Buffer::copy_of(batch.bytes());
  count(static_cast<int64_t>(held.block_size()));
  entries_.push_back({header.base_offset, header.next_offset(), std::move(held)});
  pool_.touch(*this);
}

void RecentBatches::pop_front() {
  count(-static_cast<int64_t>(entries_.front().batch.block_size()));
  entries_.pop_front();
}

void RecentBatches::shrink(Offset keep_from) {
  keep_from_ = keep_from;
  while (held_ > limit_ && !entries_.empty() && entries_.front().next <= keep_from) pop_front();
  leave_pool_if_empty();
  pool_.make_room();
}

void RecentBatches::give_up() {
  while (!entries_.empty() && entries_.front().next <= keep_from_) pop_front();
  leave_pool_if_empty();
}

void RecentBatches::leave_pool_if_empty() {
  if (!entries_.empty()) return;
  entries_.clear();
  pool_.remove(*this);
}

void RecentBatches::forget_below(Offset start) {
  while (!entries_.empty() && entries_.front().next <= start) pop_front();
  leave_pool_if_empty();
}

void RecentBatches::cut(Offset end) {
  while (!entries_.empty() && entries_.back().next > end) {
    count(-static_cast<int64_t>(entries_.back().batch.block_size()));
    entries_.pop_back();
  }
  leave_pool_if_empty();
}

size_t RecentBatches::first_above(Offset offset) const {
  size_t low = 0;
  size_t high = entries_.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (entries_[middle].next <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<BufferChain> RecentBatches::find(const engine::Read& read) const {
  if (entries_.empty() || read.from < entries_.front().base) return std::nullopt;
  BufferChain chain;
  uint64_t bytes = 0;
  for (size_t i = first_above(read.from); i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (entry.next > read.limit) break;
    bytes += entry.batch.size();
    if (bytes > read.max_bytes && !(chain.empty() && read.at_least_one)) break;
    chain.push_back(entry.batch);
  }
  return chain;
}

}  // namespace magpie::log
