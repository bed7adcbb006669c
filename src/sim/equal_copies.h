// Whether all regions hold the same records on their disks, as they must when everybody has had the
// time to copy.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sim/cluster.h"
#include "sim/topics.h"

namespace magpie::sim {

class EqualCopies {
 public:
  EqualCopies(Cluster& cluster, Topics& topics) : cluster_(cluster), topics_(topics) {}

  // Of all topics that clients are checked against, up to what they were told is committed.
  bool hold();
  // Of another topic's partition, from `trimmed` on.
  bool hold(const std::string& partition, int64_t trimmed);
  // What differs; of the last question that was answered with no.
  const std::string& why() const { return why_; }
  // What the first region holds, by offset.
  std::map<int64_t, std::string> records(const std::string& partition);

 private:
  bool same_logs(const std::string& topic, int32_t partition);
  bool same_records(const std::string& partition, int64_t end);
  bool differs(const std::string& partition, const SimRegion& region, int64_t offset);

  Cluster& cluster_;
  Topics& topics_;
  std::string why_;
};

}  // namespace magpie::sim
