#include "node/settings.h"

namespace magpie::node {

kafka::BrokerConfig broker_config(const NodeConfig& config) {
  kafka::BrokerConfig broker;
  broker.cluster_id = config.cluster_id;
  broker.node_id = config.node_id;
  broker.region = config.region;
  for (const AdvertisedListener& listener : config.listeners) {
    broker.addresses.push_back({listener.host, listener.port});
  }
  broker.auto_create_topics = config.auto_create_topics;
  broker.default_partitions = config.default_partitions;
  return broker;
}

kafka::ConnectionLimits connection_limits(const NodeConfig& config) {
  return {config.limits.unanswered_bytes_per_connection, config.limits.unanswered_bytes};
}

group::GroupConfig group_config(const NodeConfig& config) {
  group::GroupConfig group;
  group.session_timeout_min = config.group_session_timeout_min;
  group.session_timeout_max = config.group_session_timeout_max;
  group.initial_rebalance_delay = config.group_initial_rebalance_delay;
  group.offsets_retention = config.offsets_retention;
  group.limits.groups = static_cast<size_t>(config.limits.groups);
  group.limits.members_per_group = static_cast<size_t>(config.limits.members_per_group);
  return group;
}

control::Policy policy(const NodeConfig& config) {
  control::Policy policy;
  policy.nodes = {config.node_id};
  policy.default_partitions = config.default_partitions;
  policy.partitions_per_node = config.limits.partitions;
  policy.topic_defaults.insert(config.topic_defaults.begin(), config.topic_defaults.end());
  return policy;
}

partition::PartitionConfig partition_config(const NodeConfig& config,
                                            const control::TopicSettings& topic) {
  partition::PartitionConfig partition;
  partition.max_message_bytes = topic.max_message_bytes;
  partition.log_append_time = topic.log_append_time;
  partition.delete_old = topic.deletes;
  partition.compact = topic.compacts;
  partition.retention = {topic.retention_bytes, topic.retention_age};
  partition.tombstone_age = topic.tombstone_age;
  partition.compaction_lag = topic.compaction_lag;
  partition.timestamp_future_max = topic.timestamp_future_max;
  partition.timestamp_past_max = topic.timestamp_past_max.value_or(Duration::max());
  partition.producer_expiration = config.producer_id_expiration;
  partition.upkeep_interval = config.retention_check_interval;
  partition.producers_max = static_cast<size_t>(config.limits.producers);
  return partition;
}

engine::EngineConfig engine_config(const NodeConfig& config, const control::TopicSettings& topic) {
  engine::EngineConfig engine;
  engine.fsync = config.fsync;
  engine.fsync_interval = config.fsync_interval;
  engine.segment_bytes = topic.segment_bytes;
  engine.segment_age = topic.segment_age;
  engine.index_interval_bytes = topic.index_interval_bytes;
  engine.may_have_gaps = topic.compacts;
  return engine;
}

}  // namespace magpie::node
