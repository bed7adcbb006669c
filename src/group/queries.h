// Questions about groups that change nothing, and their answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "group/change.h"
#include "group/group_error.h"

namespace magpie::group {

// OffsetFetch for one group; version 8 asks for several, one after the other.
struct OffsetFetch {
  std::string group_id;
  std::optional<std::vector<TopicPartition>> positions;  // none: all that the group has
  // Version 7 (KIP-447): say UNSTABLE_OFFSET_COMMIT for a position whose change is under way.
  bool require_stable = false;
};

struct FetchedPosition {
  TopicPartition at;
  Offset offset{-1};  // -1: nothing committed
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::string metadata;
  GroupError error = GroupError::kNone;
};

struct OffsetFetchAnswer {
  GroupError error = GroupError::kNone;
  std::vector<FetchedPosition> positions;
};

struct ListedGroup {
  std::string group_id;
  std::string protocol_type;  // "" for a group that only commits positions
  std::string state;          // "Empty", "PreparingRebalance", …
};

struct ListGroupsAnswer {
  GroupError error = GroupError::kNone;
  std::vector<ListedGroup> groups;  // by group id
};

struct DescribedMember {
  std::string member_id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  Buffer metadata;  // only while the group is stable
  Buffer assignment;
};

struct GroupDescription {
  GroupError error = GroupError::kNone;
  std::string group_id;
  std::string state;  // "Dead" for a group that does not exist (DescribeGroups up to version 5)
  std::string protocol_type;
  std::string protocol_name;  // only while the group is stable
  int32_t generation = -1;    // not in DescribeGroups; for people
  std::string leader;         // not in DescribeGroups; for people
  std::vector<DescribedMember> members;
};

// Counters since the start of the process.
struct GroupStatistics {
  uint64_t rebalances = 0;           // generations that reached Stable
  uint64_t members_expired = 0;      // removed because nothing was heard of them in time
  uint64_t positions_committed = 0;  // durable and acknowledged
  uint64_t positions_expired = 0;
  uint64_t appends_failed = 0;
};

}  // namespace magpie::group
