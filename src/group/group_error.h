// Why a group request was refused.
//
// The values are Kafka's error codes (protocol guide, "Error Codes"), so that a handler maps them
// with a cast; inside this folder only the names are used.
#pragma once

#include <cstdint>

namespace magpie::group {

enum class GroupError : int16_t {
  kUnknownServerError = -1,
  kNone = 0,
  kUnknownTopicOrPartition = 3,
  kOffsetMetadataTooLarge = 12,
  kCoordinatorNotAvailable = 15,
  kNotCoordinator = 16,
  kIllegalGeneration = 22,
  kInconsistentGroupProtocol = 23,
  kInvalidGroupId = 24,
  kUnknownMemberId = 25,
  kInvalidSessionTimeout = 26,
  kRebalanceInProgress = 27,
  kInvalidCommitOffsetSize = 28,
  kInvalidRequest = 42,
  kPolicyViolation = 44,
  kNonEmptyGroup = 68,
  kGroupIdNotFound = 69,
  kMemberIdRequired = 79,
  kGroupMaxSizeReached = 81,
  kFencedInstanceId = 82,
  kGroupSubscribedToTopic = 86,
  kUnstableOffsetCommit = 88,
};

// Kafka's name of the error: "ILLEGAL_GENERATION".
const char* to_string(GroupError error);

}  // namespace magpie::group
