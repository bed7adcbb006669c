// Topics, partitions and groups as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/view.h"
#include "control/topic.h"
#include "kafka/broker.h"

namespace magpie::admin {

nlohmann::json describe_status(kafka::Broker& broker, const NodeView& view);
nlohmann::json list_topics(kafka::Broker& broker);
nlohmann::json describe_topic(kafka::Broker& broker, const control::Topic& topic);
nlohmann::json list_partitions(kafka::Broker& broker);
nlohmann::json list_groups(const NodeView& view);
// Null if there is no such group.
nlohmann::json describe_group(kafka::Broker& broker, const NodeView& view,
                              const std::string& group);

// How many records lie between a committed position and the end that consumers see; -1 if the
// partition is not readable here.
int64_t consumer_lag(kafka::Broker& broker, const group::TopicPartition& at, Offset position);

}  // namespace magpie::admin
