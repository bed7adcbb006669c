// What the coordinator stores: changes of committed positions and of group metadata.
//
// A Change is one record of the internal topic, decoded. Deciding produces changes, appending makes
// them durable, applying them (durable_groups.h) is the only way the stored state moves, at run
// time and at start alike.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/time.h"

namespace magpie::group {

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;

  auto operator<=>(const TopicPartition&) const = default;
};

// How far a group has consumed one partition.
struct Position {
  Offset offset;  // of the next record to consume
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::string metadata;  // the client's own, returned as it is
  WallTime committed_at;
  // Only for commits that named a retention time (OffsetCommit 2 to 4).
  std::optional<WallTime> expires_at;

  bool operator==(const Position&) const = default;
};

struct MemberMetadata {
  std::string member_id;
  std::optional<std::string> instance_id;  // group.instance.id: a static member (KIP-345)
  std::string client_id;
  std::string client_host;
  int32_t rebalance_timeout_ms = 0;
  int32_t session_timeout_ms = 0;
  Buffer subscription;  // the member's bytes for the chosen protocol
  Buffer assignment;    // the leader's bytes for this member

  bool operator==(const MemberMetadata& other) const;
};

// A group as of one generation.
struct GroupMetadata {
  std::string protocol_type;  // "consumer", "connect", …; empty for a group without members ever
  int32_t generation = 0;
  std::optional<std::string> protocol_name;
  std::optional<std::string> leader;  // a member id
  int64_t state_since_millis = -1;    // wall time of the last change of state; -1 if not known
  std::vector<MemberMetadata> members;

  bool operator==(const GroupMetadata&) const = default;
};

struct PositionStored {
  TopicPartition at;
  Position position;
};
struct PositionRemoved {
  TopicPartition at;
};
struct GroupStored {
  GroupMetadata metadata;
};
struct GroupRemoved {};

struct Change {
  std::string group_id;
  std::variant<PositionStored, PositionRemoved, GroupStored, GroupRemoved> what;
};

inline bool MemberMetadata::operator==(const MemberMetadata& other) const {
  return member_id == other.member_id && instance_id == other.instance_id &&
         client_id == other.client_id && client_host == other.client_host &&
         rebalance_timeout_ms == other.rebalance_timeout_ms &&
         session_timeout_ms == other.session_timeout_ms &&
         subscription.text() == other.subscription.text() &&
         assignment.text() == other.assignment.text();
}

}  // namespace magpie::group
