// One copy that counts: a node as it is with one data directory.
#pragma once

#include <algorithm>
#include <compare>
#include <vector>

#include "base/ids.h"
#include "base/uuid.h"

namespace magpie::control {

// A node whose directory was wiped, restored or replaced has another incarnation, holds other
// records, and so is another member.
struct Member {
  NodeId node{-1};
  Uuid incarnation;

  auto operator<=>(const Member&) const = default;
};

// Sorted, without repetition.
using Members = std::vector<Member>;

inline bool contains(const Members& members, const Member& member) {
  return std::binary_search(members.begin(), members.end(), member);
}

inline Members with(Members members, const Member& member) {
  const auto place = std::lower_bound(members.begin(), members.end(), member);
  if (place == members.end() || *place != member) members.insert(place, member);
  return members;
}

inline Members without(Members members, const Member& member) {
  members.erase(std::remove(members.begin(), members.end(), member), members.end());
  return members;
}

}  // namespace magpie::control
