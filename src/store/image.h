// What a store must not lose, and the changes to it.
//
// An image is the state at one revision. History before it is not kept: a watch that asks for more
// is told that it was compacted, and its client reads everything anew. Whoever makes a store
// durable writes the changes in their order, all those of one batch or none, and hands the image
// back at the next start.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "store/messages.h"

namespace magpie::store {

struct KeyPut {
  KeyValue kv;

  bool operator==(const KeyPut&) const = default;
};
// Its revision is that of the RevisionReached that follows.
struct KeyDeleted {
  std::string key;

  bool operator==(const KeyDeleted&) const = default;
};
// The changes before this one are complete up to `revision`.
struct RevisionReached {
  Revision revision = 0;

  bool operator==(const RevisionReached&) const = default;
};
struct LeaseAdded {
  LeaseId id = 0;
  int64_t ttl = 0;

  bool operator==(const LeaseAdded&) const = default;
};
struct LeaseEnded {
  LeaseId id = 0;

  bool operator==(const LeaseEnded&) const = default;
};

using ImageChange = std::variant<KeyPut, KeyDeleted, RevisionReached, LeaseAdded, LeaseEnded>;
using ImageChanges = std::vector<ImageChange>;

struct Image {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  uint64_t raft_term = 1;  // rises with every start
  Revision revision = 1;
  std::map<std::string, KeyValue> kvs;
  std::map<LeaseId, int64_t> leases;  // granted seconds

  // Takes the changes over, in their order.
  void apply(const ImageChanges& changes);

  bool operator==(const Image&) const = default;
};

}  // namespace magpie::store
