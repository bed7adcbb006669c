#include "replication/exposure_count.h"

#include <algorithm>

namespace magpie::replication {

// Bytes of a record, times a thousand.
int64_t ExposureCount::mean_thousandths(const Counted& counted, const LedLog& now) {
  const int64_t records = now.end - counted.end;
  const auto size = static_cast<int64_t>(now.size_bytes);
  const int64_t grown = size - static_cast<int64_t>(counted.size_bytes);
  if (records > 0 && grown > 0) return grown * 1'000 / records;
  return size * 1'000 / std::max<int64_t>(now.end - now.start, 1);
}

void ExposureCount::mark(uint32_t log, const LedLog& now) {
  const Counted counted{std::max(now.high_watermark, now.term_first),
                        std::max(now.end, now.term_first), now.size_bytes, 0, 0};
  logs_.try_emplace(log, counted);
}

void ExposureCount::look(uint32_t log, const LedLog& now) {
  const auto found = logs_.find(log);
  if (found == logs_.end()) return;
  Counted& counted = found->second;
  const int64_t records = now.high_watermark - counted.from;
  if (records <= counted.records) return;
  counted.records = records;
  const int64_t mean = mean_thousandths(counted, now);
  counted.bytes = std::max(counted.bytes, records * mean / 1'000);
}

int64_t ExposureCount::records() const {
  int64_t sum = 0;
  for (const auto& [log, counted] : logs_) sum += counted.records;
  return sum;
}

int64_t ExposureCount::bytes() const {
  int64_t sum = 0;
  for (const auto& [log, counted] : logs_) sum += counted.bytes;
  return sum;
}

}  // namespace magpie::replication
