// Latencies, kept whole.
//
// A percentile of averages is a lie, so every value is counted. Counting is done in buckets whose
// width grows with the value (log-linear, the idea of HdrHistogram): 256 buckets for each doubling,
// so a reported value is at most 0.4 % above the recorded one. record() is a few instructions and
// never allocates. Values are nanoseconds; above 2^40 ns (18 minutes) they count as 2^40 ns.
#pragma once

#include <cstdint>
#include <vector>

namespace magpie::bench {

class Histogram {
 public:
  Histogram();

  // Negative values count as 0.
  void record(int64_t nanoseconds);
  void merge(const Histogram& other);

  uint64_t count() const { return count_; }
  int64_t max() const { return max_; }

  // The smallest recorded value (rounded up to its bucket's upper end, and at most max()) such that
  // at least `percent` of all values are not above it. 0 when nothing was recorded.
  // REQUIRES: 0 <= percent <= 100.
  int64_t percentile(double percent) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace magpie::bench
