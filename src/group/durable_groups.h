// What would be there after a crash right now: the records that are durable, applied in order.
//
// This is the naive part of the coordinator on purpose. `apply` is its only mutator and is fed the
// same changes at run time (when their append is reported committed) and at start (when the
// internal topic is replayed), so the two cannot differ.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "group/change.h"

namespace magpie::group {

using Positions = std::map<TopicPartition, Position>;

struct DurableGroup {
  std::optional<GroupMetadata> metadata;  // none for a group that only ever committed positions
  Positions positions;

  bool operator==(const DurableGroup&) const = default;
};

class DurableGroups {
 public:
  using Map = std::map<std::string, DurableGroup, std::less<>>;

  void apply(const Change& change);

  // Null if nothing is stored for the group.
  const DurableGroup* find(std::string_view group_id) const;
  const Position* find_position(std::string_view group_id, const TopicPartition& at) const;
  const Map& groups() const { return groups_; }
  size_t position_count() const { return position_count_; }

  bool operator==(const DurableGroups&) const = default;

 private:
  Map groups_;  // never holds an entry with nothing in it
  size_t position_count_ = 0;
};

}  // namespace magpie::group
