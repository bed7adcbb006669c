// Counts what a leader acknowledges while there are fewer copies than wanted.
//
// The idea: remember where each log's high watermark was when that began, and see how far it has
// come. What was stored in earlier terms does not count, though it may be committed only now: it
// was acknowledged, if at all, before. Offsets that are left out where an epoch begins after a loss
// are not records.
//
// Bytes are an estimate from the growth of the log, or, where retention has taken from it
// meanwhile, from its mean record.
#pragma once

#include <cstdint>
#include <map>

#include "base/ids.h"

namespace magpie::replication {

// A log that is led, as it is now.
struct LedLog {
  Offset start;
  Offset end;
  Offset term_first;      // the lowest offset that a record of the term can have
  Offset high_watermark;  // what is below is acknowledged
  uint64_t size_bytes = 0;
};

class ExposureCount {
 public:
  // Forgets everything.
  void clear() { logs_.clear(); }
  // Counts from here on; a log that is counted already goes on.
  void mark(uint32_t log, const LedLog& now);
  // Of a log that was marked. A log that is not looked at any more keeps its count.
  void look(uint32_t log, const LedLog& now);

  int64_t records() const;
  int64_t bytes() const;

 private:
  struct Counted {
    Offset from;              // what is below does not count
    Offset end;               // of the log, then, and
    uint64_t size_bytes = 0;  // how large it was
    int64_t records = 0;
    int64_t bytes = 0;
  };
  static int64_t mean_thousandths(const Counted& counted, const LedLog& now);

  std::map<uint32_t, Counted> logs_;
};

}  // namespace magpie::replication
