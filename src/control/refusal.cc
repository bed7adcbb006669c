#include "control/refusal.h"

namespace magpie::control {

const char* to_string(RefusalCode code) {
  switch (code) {
    case RefusalCode::kInvalidTopic:
      return "invalid_topic";
    case RefusalCode::kTopicAlreadyExists:
      return "topic_already_exists";
    case RefusalCode::kUnknownTopicOrPartition:
      return "unknown_topic_or_partition";
    case RefusalCode::kUnknownTopicId:
      return "unknown_topic_id";
    case RefusalCode::kInvalidPartitions:
      return "invalid_partitions";
    case RefusalCode::kInvalidReplicationFactor:
      return "invalid_replication_factor";
    case RefusalCode::kInvalidReplicaAssignment:
      return "invalid_replica_assignment";
    case RefusalCode::kInvalidConfig:
      return "invalid_config";
    case RefusalCode::kInvalidRequest:
      return "invalid_request";
    case RefusalCode::kPolicyViolation:
      return "policy_violation";
    case RefusalCode::kThrottled:
      return "throttled";
    case RefusalCode::kUnavailable:
      return "unavailable";
    case RefusalCode::kStorage:
      return "storage";
  }
  return "unknown";
}

}  // namespace magpie::control
