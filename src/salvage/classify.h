// What became of the records of a tail.
//
// The problem: a record that was cut may be lost, or its producer may have sent it again and it
// stands elsewhere in the surviving log; replaying it would then store it twice. The idea: an
// idempotent producer numbers its records, so (producer id, epoch, sequence) says whether the
// surviving log has it. Records of other producers carry no such mark.
//
// Only what the surviving log holds from the tail's first offset on needs to be looked at: before
// it both logs were the same.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/ids.h"
#include "record/batch.h"

namespace magpie::salvage {

enum class Fate {
  kPresent,         // the surviving log has it
  kAbsent,          // it does not
  kUnidentifiable,  // nobody can tell: not from an idempotent producer
};

const char* to_string(Fate fate);

// The sequence numbers of a surviving log, by producer.
class Survivors {
 public:
  // A batch of the surviving log, in any order.
  void add(const record::BatchHeader& header);

  // The fate of a batch of the tail: kPresent only if every record of it is there.
  Fate fate_of(const record::BatchHeader& header) const;

 private:
  using Producer = std::pair<ProducerId, ProducerEpoch>;
  // First sequence number to the last one, neither overlapping nor adjacent. Batches whose numbers
  // wrap around are kept as two ranges.
  using Ranges = std::map<int64_t, int64_t>;

  static void insert(Ranges& ranges, int64_t first, int64_t last);
  static bool covers(const Ranges& ranges, int64_t first, int64_t last);

  std::map<Producer, Ranges> ranges_;
};

// Records by fate.
struct Classification {
  int64_t present = 0;
  int64_t absent = 0;
  int64_t unidentifiable = 0;

  void add(Fate fate, int64_t records);
  bool operator==(const Classification&) const = default;
};

}  // namespace magpie::salvage
