// Counting the bytes of a link by failover group.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace magpie::link {

// What was sent or taken for a failover group; only rises.
struct GroupBytes {
  uint64_t stored = 0;  // of batches, as they are stored
  // Of the messages that carried them, and news of their logs: the frames as they go over the link,
  // compressed if it compresses, without what TLS and TCP add.
  uint64_t wire = 0;

  bool operator==(const GroupBytes&) const = default;
};

// Kept by whoever owns the links, because a session ends with its connection.
using BytesByGroup = std::map<std::string, GroupBytes>;

// The parts that groups have in one message. It is compressed as a whole, so how much of it on the
// wire is whose is not to be seen; it is taken to shrink evenly.
class WireShares {
 public:
  // A partition of the group, with so many bytes of batches. `group` must outlive this object.
  void add(const std::string& group, uint64_t batches);
  // Adds `bytes` to the groups, to the last one of them.
  void spread(uint64_t bytes, BytesByGroup& counter) const;

 private:
  std::vector<std::pair<const std::string*, uint64_t>> parts_;
  uint64_t weight_ = 0;
};

}  // namespace magpie::link
