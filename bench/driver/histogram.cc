#include "driver/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace magpie::bench {
namespace {

constexpr int kSubBucketBits = 8;
constexpr uint64_t kSubBuckets = 1ull << kSubBucketBits;
constexpr int kLargestBits = 40;
constexpr uint64_t kLargest = 1ull << kLargestBits;
constexpr size_t kBuckets = (kLargestBits - kSubBucketBits + 2) * kSubBuckets;

// Values below 2 * kSubBuckets have a bucket each; above, the top kSubBucketBits + 1 bits decide.
size_t bucket_of(uint64_t value) {
  if (value < 2 * kSubBuckets) return value;
  const int shift = std::bit_width(value) - 1 - kSubBucketBits;
  return static_cast<size_t>(shift) * kSubBuckets + (value >> shift);
}

int64_t upper_end(size_t bucket) {
  if (bucket < 2 * kSubBuckets) return static_cast<int64_t>(bucket);
  const uint64_t shift = bucket / kSubBuckets - 1;
  const uint64_t top = bucket - shift * kSubBuckets;
  return static_cast<int64_t>(((top + 1) << shift) - 1);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::record(int64_t nanoseconds) {
  const uint64_t value =
      std::min(static_cast<uint64_t>(std::max<int64_t>(nanoseconds, 0)), kLargest);
  const size_t bucket = bucket_of(value);
  CHECK(bucket < buckets_.size());
  ++buckets_[bucket];
  ++count_;
  max_ = std::max(max_, static_cast<int64_t>(value));
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

int64_t Histogram::percentile(double percent) const {
  CHECK(percent >= 0 && percent <= 100);
  if (count_ == 0) return 0;
  const double share = std::ceil(percent / 100 * static_cast<double>(count_));
  const uint64_t wanted = std::clamp<uint64_t>(static_cast<uint64_t>(share), 1, count_);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) return std::min(upper_end(bucket), max_);
  }
  CHECK(false);
}

}  // namespace magpie::bench
