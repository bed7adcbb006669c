// The values of cluster state, as JSON that an operator can read with `etcdctl get`.
//
// Every value carries "v", its version. Decoders refuse a higher version with kUnsupported and
// anything malformed with kCorrupt; both messages name the key. A field that a decoder does not
// know is ignored, so a field may be added as long as ignoring it is harmless; otherwise "v" rises.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/topic.h"

namespace magpie::control {

std::string encode_topic(const Topic& topic);
Result<Topic> decode_topic(std::string_view key, std::string_view name, std::string_view value);

std::string encode_configs(const ConfigValues& configs);
Result<ConfigValues> decode_configs(std::string_view key, std::string_view value);

// A counter: the next number that was never given out.
std::string encode_counter(int64_t next);
Result<int64_t> decode_counter(std::string_view key, std::string_view value);

// The first `partitions` of a topic, without those in `absent`, which is in ascending order.
// `incarnation`: of the data directory they are in, where the node has announced it.
struct CreatedPartitions {
  int32_t partitions = 0;
  std::optional<Uuid> incarnation;
  std::vector<int32_t> absent;

  bool operator==(const CreatedPartitions&) const = default;
};
std::string encode_created(const CreatedPartitions& created);
Result<CreatedPartitions> decode_created(std::string_view key, std::string_view value);

}  // namespace magpie::control
