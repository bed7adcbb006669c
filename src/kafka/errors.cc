#include "kafka/errors.h"

#include "base/check.h"

namespace magpie::kafka {

using partition::Refusal;
using wire::ErrorCode;

wire::ErrorCode error_of(control::RefusalCode code) {
  using control::RefusalCode;
  switch (code) {
    case RefusalCode::kInvalidTopic:
      return ErrorCode::kInvalidTopicException;
    case RefusalCode::kTopicAlreadyExists:
      return ErrorCode::kTopicAlreadyExists;
    case RefusalCode::kUnknownTopicOrPartition:
      return ErrorCode::kUnknownTopicOrPartition;
    case RefusalCode::kUnknownTopicId:
      return ErrorCode::kUnknownTopicId;
    case RefusalCode::kInvalidPartitions:
      return ErrorCode::kInvalidPartitions;
    case RefusalCode::kInvalidReplicationFactor:
      return ErrorCode::kInvalidReplicationFactor;
    case RefusalCode::kInvalidReplicaAssignment:
      return ErrorCode::kInvalidReplicaAssignment;
    case RefusalCode::kInvalidConfig:
      return ErrorCode::kInvalidConfig;
    case RefusalCode::kInvalidRequest:
      return ErrorCode::kInvalidRequest;
    case RefusalCode::kPolicyViolation:
      return ErrorCode::kPolicyViolation;
    case RefusalCode::kThrottled:
      return ErrorCode::kThrottlingQuotaExceeded;
    case RefusalCode::kUnavailable:
      return ErrorCode::kCoordinatorNotAvailable;
    case RefusalCode::kStorage:
      return ErrorCode::kKafkaStorageError;
  }
  CHECK(false);
}

wire::ErrorCode error_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return ErrorCode::kNone;
    case Refusal::kNotOpen:
    case Refusal::kNotLeader:
      return ErrorCode::kNotLeaderOrFollower;
    case Refusal::kBlocked:
      return ErrorCode::kNotEnoughReplicas;
    case Refusal::kStorage:
      return ErrorCode::kKafkaStorageError;
    case Refusal::kCorrupt:
      return ErrorCode::kCorruptMessage;
    case Refusal::kUnsupportedFormat:
      return ErrorCode::kUnsupportedForMessageFormat;
    case Refusal::kUnsupportedCodec:
      return ErrorCode::kUnsupportedCompressionType;
    case Refusal::kTooLarge:
      return ErrorCode::kMessageTooLarge;
    case Refusal::kInvalidRecord:
      return ErrorCode::kInvalidRecord;
    case Refusal::kInvalidTimestamp:
      return ErrorCode::kInvalidTimestamp;
    case Refusal::kTransactional:
      return ErrorCode::kUnsupportedVersion;
    case Refusal::kDuplicateSequence:
      return ErrorCode::kDuplicateSequenceNumber;
    case Refusal::kOutOfOrderSequence:
      return ErrorCode::kOutOfOrderSequenceNumber;
    case Refusal::kProducerFenced:
      return ErrorCode::kInvalidProducerEpoch;
    case Refusal::kUnknownProducer:
      return ErrorCode::kUnknownProducerId;
  }
  CHECK(false);
}

wire::ErrorCode unavailable_error(const HostedPartition& hosted) {
  const auto state = hosted.partition->state();
  return state == partition::PartitionState::kOffline ? ErrorCode::kKafkaStorageError
                                                      : ErrorCode::kNotLeaderOrFollower;
}

wire::ErrorCode read_error(const Error& error) {
  return error.kind == ErrorKind::kUnavailable ? ErrorCode::kNotLeaderOrFollower
                                               : ErrorCode::kKafkaStorageError;
}

}  // namespace magpie::kafka
