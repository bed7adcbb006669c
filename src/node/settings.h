// From what operators set to what the machines take.
#pragma once

#include "control/controller.h"
#include "control/policy.h"
#include "control/topic_settings.h"
#include "engine/engine.h"
#include "group/group_config.h"
#include "kafka/broker.h"
#include "kafka/connections.h"
#include "node/node_config.h"
#include "partition/messages.h"

namespace magpie::node {

kafka::BrokerConfig broker_config(const NodeConfig& config);
kafka::ConnectionLimits connection_limits(const NodeConfig& config);
group::GroupConfig group_config(const NodeConfig& config);
control::Policy policy(const NodeConfig& config);

partition::PartitionConfig partition_config(const NodeConfig& config,
                                            const control::TopicSettings& topic);
engine::EngineConfig engine_config(const NodeConfig& config, const control::TopicSettings& topic);

}  // namespace magpie::node
