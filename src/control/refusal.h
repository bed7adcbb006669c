// Why a request to change the cluster was not carried out, and the shape of every decision.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "control/change.h"

namespace magpie::control {

// Named after Kafka's error codes; the numbers are known only at the wire edge.
enum class RefusalCode {
  kInvalidTopic,              // INVALID_TOPIC_EXCEPTION
  kTopicAlreadyExists,        // TOPIC_ALREADY_EXISTS
  kUnknownTopicOrPartition,   // UNKNOWN_TOPIC_OR_PARTITION
  kUnknownTopicId,            // UNKNOWN_TOPIC_ID
  kInvalidPartitions,         // INVALID_PARTITIONS
  kInvalidReplicationFactor,  // INVALID_REPLICATION_FACTOR
  kInvalidReplicaAssignment,  // INVALID_REPLICA_ASSIGNMENT
  kInvalidConfig,             // INVALID_CONFIG
  kInvalidRequest,            // INVALID_REQUEST
  kPolicyViolation,           // POLICY_VIOLATION: well-formed, but Magpie does not allow it
  kThrottled,                 // THROTTLING_QUOTA_EXCEEDED: too many changes are waiting
  kUnavailable,               // COORDINATOR_NOT_AVAILABLE: not started yet, or stopping
  kStorage,                   // KAFKA_STORAGE_ERROR: the change could not be made durable
};

// Short lower-case name, for logs and metrics: "invalid_topic".
const char* to_string(RefusalCode code);

// The message is meant for the person who asked: what is wrong, and what to do.
struct Refusal {
  RefusalCode code;
  std::string message;

  bool operator==(const Refusal&) const = default;
};

// `return refuse(RefusalCode::kInvalidTopic, "…")` in a function that returns any Decided.
inline tl::unexpected<Refusal> refuse(RefusalCode code, std::string message) {
  return tl::unexpected<Refusal>(Refusal{code, std::move(message)});
}

// What is to be committed, and the answer to give once it is. Deciding changes nothing.
template <typename Answer>
struct Decision {
  Transaction transaction;
  Answer answer;
};

template <typename Answer>
using Decided = tl::expected<Decision<Answer>, Refusal>;

}  // namespace magpie::control
