// Requests to the group coordinator and its replies, as plain data.
//
// They carry what the Kafka messages of the same names carry in any of their versions; what a
// version changes in behaviour is a field here (JoinGroup::requires_member_id). A handler fills a
// request from the wire message, with a token of its choice, and later builds the wire reply from
// the Reply with that token. Partitions are flat lists in request order; a handler groups them by
// topic again. Where a field is null in the newest version and "" in older ones it is an optional.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "group/change.h"
#include "group/group_error.h"

namespace magpie::group {

// Chosen by the caller, one per request, handed back in the reply.
using ReplyToken = StrongId<struct ReplyTokenTag, uint64_t>;

// A way to share partitions that a member supports, with what the leader must know about it.
struct Protocol {
  std::string name;
  Buffer metadata;  // opaque, for the leader
};

struct JoinGroup {
  ReplyToken token;
  std::string group_id;
  std::string member_id;                   // "" until the coordinator has given one
  std::optional<std::string> instance_id;  // group.instance.id (KIP-345, version 5)
  std::string client_id;                   // from the request header
  std::string client_host;                 // as DescribeGroups shows it
  std::string protocol_type;
  std::vector<Protocol> protocols;  // the most wanted first
  int32_t session_timeout_ms = 0;
  int32_t rebalance_timeout_ms = -1;      // -1 (version 0): the session timeout
  bool requires_member_id = false;        // version 4 and later (KIP-394)
  bool supports_skip_assignment = false;  // version 9 and later (KIP-814)
  std::string reason;                     // version 8 (KIP-800), for the log
};

struct JoinedMember {
  std::string member_id;
  std::optional<std::string> instance_id;
  Buffer metadata;
};

struct JoinGroupReply {
  GroupError error = GroupError::kNone;
  int32_t generation = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::string leader;
  bool skip_assignment = false;
  std::string member_id;
  std::vector<JoinedMember> members;  // for the leader only
};

struct MemberAssignment {
  std::string member_id;
  Buffer assignment;
};

struct SyncGroup {
  ReplyToken token;
  std::string group_id;
  int32_t generation = -1;
  std::string member_id;
  std::optional<std::string> instance_id;
  std::optional<std::string> protocol_type;   // version 5; checked if given
  std::optional<std::string> protocol_name;   // version 5; checked if given
  std::vector<MemberAssignment> assignments;  // from the leader only
};

struct SyncGroupReply {
  GroupError error = GroupError::kNone;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  Buffer assignment;  // the leader's bytes as they came
};

struct Heartbeat {
  ReplyToken token;
  std::string group_id;
  int32_t generation = -1;
  std::string member_id;
  std::optional<std::string> instance_id;
};

struct HeartbeatReply {
  GroupError error = GroupError::kNone;
};

// Versions 0 to 2 name one member; a handler makes a list of one and, in the reply, moves its error
// to the top.
struct LeavingMember {
  std::string member_id;  // "" with an instance id: an administrator removes a static member
  std::optional<std::string> instance_id;
  std::string reason;
};

struct LeaveGroup {
  ReplyToken token;
  std::string group_id;
  std::vector<LeavingMember> members;
};

struct LeftMember {
  std::string member_id;
  std::optional<std::string> instance_id;
  GroupError error = GroupError::kNone;
};

struct LeaveGroupReply {
  GroupError error = GroupError::kNone;
  std::vector<LeftMember> members;  // in request order
};

struct PositionCommit {
  TopicPartition at;
  Offset offset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::optional<std::string> metadata;
};

// Whether the partitions exist is the handler's question: it leaves out those that do not.
struct OffsetCommit {
  ReplyToken token;
  std::string group_id;
  int32_t generation = -1;  // -1 with an empty member id: a consumer outside group management
  std::string member_id;
  std::optional<std::string> instance_id;
  int64_t retention_time_ms = -1;  // versions 2 to 4; negative: the broker's setting
  std::vector<PositionCommit> positions;
};

struct PositionResult {
  TopicPartition at;
  GroupError error = GroupError::kNone;
};

struct OffsetCommitReply {
  std::vector<PositionResult> positions;  // in request order
};

struct OffsetDelete {
  ReplyToken token;
  std::string group_id;
  std::vector<TopicPartition> positions;
};

struct OffsetDeleteReply {
  GroupError error = GroupError::kNone;  // if set, `positions` is empty
  std::vector<PositionResult> positions;
};

struct DeleteGroups {
  ReplyToken token;
  std::vector<std::string> group_ids;
};

struct DeletedGroup {
  std::string group_id;
  GroupError error = GroupError::kNone;
};

struct DeleteGroupsReply {
  std::vector<DeletedGroup> groups;  // in request order
};

// A reply to each of the requests above; exactly one per token.
struct Reply {
  ReplyToken token;
  std::variant<JoinGroupReply, SyncGroupReply, HeartbeatReply, LeaveGroupReply, OffsetCommitReply,
               OffsetDeleteReply, DeleteGroupsReply>
      body;
};

}  // namespace magpie::group
