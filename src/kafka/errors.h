// Our reasons in Kafka's numbers. The only place where they meet.
#pragma once

#include "base/result.h"
#include "control/refusal.h"
#include "group/group_error.h"
#include "kafka/partition_table.h"
#include "partition/messages.h"
#include "wire/error_code.h"

namespace magpie::kafka {

// Group errors have Kafka's numbers already.
inline wire::ErrorCode error_of(group::GroupError error) {
  return static_cast<wire::ErrorCode>(error);
}

// Why a change to the cluster was not made.
wire::ErrorCode error_of(control::RefusalCode code);

// Why a batch was not stored.
wire::ErrorCode error_of(partition::Refusal refusal);

// Why a partition that is not readable cannot serve: retriable while it recovers, a storage error
// once it is known to be damaged.
wire::ErrorCode unavailable_error(const HostedPartition& hosted);

// Why stored batches could not be read. Only codes that every client's fetch handles (pitfall 15).
wire::ErrorCode read_error(const Error& error);

}  // namespace magpie::kafka
