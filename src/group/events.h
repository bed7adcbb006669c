// What the coordinator is told and what it hands out.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "group/messages.h"
#include "group/offset_records.h"
#include "port/effect.h"

namespace magpie::group {

// --- in ----------------------------------------------------------------------------------------

using AppendId = StrongId<struct AppendIdTag, uint64_t>;

// The records of this append are durable and below the high watermark.
struct AppendCommitted {
  AppendId id;
};

enum class AppendFailure {
  kNotDurable,  // too few copies or too late; trying again may help
  kNotLeader,   // this node no longer leads the internal partition
  kTooLarge,    // the records do not fit into a batch
};

// The records of this append are not in the partition and never will be.
struct AppendFailed {
  AppendId id;
  AppendFailure failure = AppendFailure::kNotDurable;
};

// The topic is gone, and its positions with it; those committed later than `until` are another
// topic's, which has its name now.
struct TopicDeleted {
  std::string topic;
  WallTime until{INT64_MAX};
};

// Positions in the topic are from now on those in `to`, for example because they are put aside
// while it is away. `until` as above.
struct TopicRenamed {
  std::string topic;
  std::string to;
  WallTime until{INT64_MAX};
  bool yields = false;  // what already stands in `to` stays, though it be older
};

using Event = std::variant<JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetDelete,
                           DeleteGroups, TopicDeleted, TopicRenamed, AppendCommitted, AppendFailed>;

// --- out ---------------------------------------------------------------------------------------

// Append these records, in this order and all or none, to the internal topic's partition of the
// group, and report the outcome with the id: exactly one AppendCommitted or AppendFailed. Commits
// of one group's appends are reported in the order in which they were handed out.
struct Append {
  AppendId id;
  std::string group_id;
  std::vector<Record> records;
};

// Where a step leaves its results. Cleared by the caller.
struct Output {
  std::vector<Reply> replies;
  std::vector<Append> appends;
  std::vector<port::LogLine> log;
};

}  // namespace magpie::group
