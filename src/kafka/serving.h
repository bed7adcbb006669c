// Whether this node's copy of a partition may answer a request, and what the client hears if not.
//
// The problem: with several regions a partition exists in many places, and only some of them may
// speak of it at any moment. A client that is told that a topic does not exist gives up; one that
// is told to ask again asks the new leader. And whoever serves after its time is over shows records
// that may yet disappear.
//
// The rules, in this order:
//
//   the cluster state has no such partition            UNKNOWN_TOPIC_OR_PARTITION
//   the copy is not here, is opening, or has no role   NOT_LEADER_OR_FOLLOWER
//   its storage is damaged                             KAFKA_STORAGE_ERROR
//   the client knows an older leader epoch             FENCED_LEADER_EPOCH (KIP-320)
//   the client knows a newer one                       UNKNOWN_LEADER_EPOCH
//   a leader whose lease has run out                   NOT_LEADER_OR_FOLLOWER
//   a follower, asked for what only leaders do         NOT_LEADER_OR_FOLLOWER
//
// A follower answers fetches of consumers (KIP-392) from version 11 on, if its failover group has
// `consistency: prefix`, its log agrees with the leader's and it hears from the leader.
//
// A leader whose term has just begun may not know all that was committed before it: its high
// watermark is what the leader before had told it, and rises only when its own sync set is known.
// Until it has reached the end that the log had when the term began:
//   - fetches are answered up to the high watermark, which is right: what lies below was committed.
//     Above it they wait, up to the log's end, so a consumer that got further with the leader
//     before is neither reset nor shown anything twice;
//   - where a partition ends (ListOffsets) is not answered but OFFSET_NOT_AVAILABLE, in versions
//     that do not know it LEADER_NOT_AVAILABLE (KIP-207): the end must not seem to go back;
//   - so are a time that was not found below the high watermark, and the largest timestamp.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "kafka/broker.h"
#include "wire/error_code.h"

namespace magpie::kafka {

// What a request names, and the leader epoch its client knows (-1: none).
struct AskedPartition {
  std::string_view topic;
  PartitionIndex index;
  int32_t leader_epoch = -1;
};

// Null if it is not hosted here or not published yet.
HostedPartition* find_hosted(const Broker& broker, const AskedPartition& asked);

// For requests that only the leader answers. kNone implies that `hosted` is not null and readable.
wire::ErrorCode leader_error(const Broker& broker, const AskedPartition& asked,
                             const HostedPartition* hosted);

// For fetches. Implies the same.
wire::ErrorCode fetch_error(const Broker& broker, const Request& request,
                            const AskedPartition& asked, const HostedPartition* hosted);

// Whether the leader's high watermark is known to include all that was committed before its term.
bool knows_its_end(const HostedPartition& hosted);

// Whether followers of the partition answer consumers.
bool has_follower_reads(const Broker& broker, const AskedPartition& asked);

}  // namespace magpie::kafka
