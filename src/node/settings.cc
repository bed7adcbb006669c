#include "node/settings.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>

#include "control/broker_configs.h"
#include "kafka/positions_aside.h"

namespace magpie::node {
namespace {

// For so long after its lease was renewed a leader may not notice that it hears nothing of changes:
// until the store is probed and what it holds has not come (store/state_follower.h).
constexpr Duration kUnheardOf = Duration::seconds(10);

using Described = std::map<std::string, std::string, std::less<>>;

std::string millis(Duration duration) {
  return fmt::format("{}", duration.nanos / 1'000'000);
}

std::string advertised(const NodeConfig& config) {
  std::string text;
  for (const AdvertisedListener& listener : config.listeners) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}://{}:{}", listener.name, listener.host, listener.port);
  }
  return text;
}

// The values of this node by Kafka's names. A value that is Kafka's default is left out, so that
// tools see it as a default.
Described described(const NodeConfig& config) {
  const std::string id = fmt::format("{}", config.node_id.value);
  Described all = {
      {"advertised.listeners", advertised(config)},
      {"auto.create.topics.enable", config.auto_create_topics ? "true" : "false"},
      {"broker.id", id},
      {"broker.rack", config.region},
      {"connections.max.idle.ms", millis(config.connection_idle_max)},
      {"group.initial.rebalance.delay.ms", millis(config.group_initial_rebalance_delay)},
      {"group.max.session.timeout.ms", millis(config.group_session_timeout_max)},
      {"group.max.size", fmt::format("{}", config.limits.members_per_group)},
      {"group.min.session.timeout.ms", millis(config.group_session_timeout_min)},
      {"listeners", config.driver.listeners},
      {"log.dirs", config.driver.data_directory},
      {"log.retention.check.interval.ms", millis(config.retention_check_interval)},
      {"node.id", id},
      {"num.partitions", fmt::format("{}", config.default_partitions)},
      {"offsets.retention.minutes",
       fmt::format("{}", config.offsets_retention.nanos / 60'000'000'000)},
      {"offsets.topic.num.partitions", fmt::format("{}", kGroupsTopicPartitions)},
      {"producer.id.expiration.ms", millis(config.producer_id_expiration)},
  };
  if (config.driver.request_bytes != 0) {
    all["socket.request.max.bytes"] = fmt::format("{}", config.driver.request_bytes);
  }
  std::erase_if(all, [](const auto& entry) {
    const auto* definition = control::find_broker_config(entry.first);
    return entry.second.empty() || entry.second == definition->default_value;
  });
  return all;
}

}  // namespace

kafka::BrokerConfig broker_config(const NodeConfig& config) {
  kafka::BrokerConfig broker;
  broker.cluster_id = config.cluster_id;
  broker.node_id = config.node_id;
  broker.region = config.region;
  for (const AdvertisedListener& listener : config.listeners) {
    broker.addresses.push_back({listener.host, listener.port});
    broker.listeners.push_back(listener.name);
  }
  broker.auto_create_topics = config.auto_create_topics;
  broker.default_partitions = config.default_partitions;
  broker.described = described(config);
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
  group.kept_prefix = kafka::kAsidePrefix;
  group.limits.groups = static_cast<size_t>(config.limits.groups);
  group.limits.members_per_group = static_cast<size_t>(config.limits.members_per_group);
  return group;
}

control::Policy policy(const NodeConfig& config) {
  control::Policy policy;
  policy.nodes = {config.node_id};
  policy.default_partitions = config.default_partitions;
  policy.keep_deleted = config.deleted_topics_kept;
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
  partition.compaction_interval = config.compaction_interval;
  partition.producers_max = static_cast<size_t>(config.limits.producers);
  if (config.cluster) {
    partition.break_patience = Duration::seconds(config.cluster->lease_seconds) + kUnheardOf;
  }
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
  engine.min_dirty_percent = topic.min_dirty_percent;
  return engine;
}

}  // namespace magpie::node
