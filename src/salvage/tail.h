// What is known of one salvaged tail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/uuid.h"

namespace magpie::salvage {

// Records that were cut from a copy because its leader does not have them: [from, to) of one
// partition, as they stood there.
struct Tail {
  std::string topic;
  Uuid topic_id;
  PartitionIndex partition;
  std::string group;   // failover group
  LeaderEpoch epoch;   // in which the last of them was written
  LeaderEpoch cut_in;  // epoch of the leader that does not have them
  Offset from;
  Offset to;
  int64_t batches = 0;
  int64_t records = 0;  // as the batches' headers say
  uint64_t bytes = 0;
  int64_t cut_at = 0;  // wall time, milliseconds

  bool operator==(const Tail&) const = default;
};

// "salvage/orders-3-AAAAAAAAAAEAAAAAAAAAAg-epoch6-cut7-from1000": where the tail is kept. No two
// tails of a data directory have the same, unless they are the same records; the last part fits
// into 255 bytes, so a long topic name is not there to its end.
std::string folder_of(const Tail& tail);

// Names of the files in it: the batches one after the other, as in a segment, so that Kafka's own
// tools read them; and what is said of them, written last.
inline constexpr std::string_view kRecordsName = "00000000000000000000.log";
inline constexpr std::string_view kAboutName = "about.json";

// One JSON object with a format version; docs/formats/salvage.md.
std::string encode_about(const Tail& tail);

// `path` appears in messages. kCorrupt: not what encode_about writes; kUnsupported: newer.
Result<Tail> decode_about(std::string_view path, std::string_view text);

}  // namespace magpie::salvage
