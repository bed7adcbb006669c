// The one thing the coordinator reads inside a member's opaque bytes: which topics a consumer
// subscribes to.
//
// Groups of protocol type "consumer" (not Connect, not Schema Registry) put a ConsumerProtocol
// subscription there. Every version begins with the fields of version 0, so those suffice and newer
// versions need no change here (Kafka, ConsumerProtocolSubscription).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"

namespace magpie::group {

inline constexpr char kConsumerProtocolType[] = "consumer";

// None if the bytes are not a subscription; the caller must then assume any topic.
std::optional<std::vector<std::string>> subscribed_topics(const Buffer& subscription);

}  // namespace magpie::group
