// Which names a topic may have. The rules are Kafka's, because clients check them too.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace magpie::control {

// What is wrong with `name`, as a sentence for the person who chose it; nothing if it is allowed:
// 1 to 249 characters of [a-zA-Z0-9._-], and not "." or "..".
std::optional<std::string> topic_name_problem(std::string_view name);

// The name as Kafka's tools show it in metric names, where '.' becomes '_'. Of two topics with the
// same such name Kafka refuses the second.
std::string metric_topic_name(std::string_view name);

// True for the topics that the cluster keeps for itself. Clients are told so in Metadata.
bool is_internal_topic(std::string_view name);

// Where consumer groups keep their positions.
inline constexpr std::string_view kConsumerOffsetsTopic = "__consumer_offsets";
// Reserved for transactions.
inline constexpr std::string_view kTransactionStateTopic = "__transaction_state";
// Reserved for what else the cluster may have to keep.
inline constexpr std::string_view kInternalTopicPrefix = "__magpie_";

}  // namespace magpie::control
