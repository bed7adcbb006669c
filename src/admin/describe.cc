#include "admin/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/uuid.h"
#include "control/decide_regions.h"
#include "control/describe_configs.h"
#include "control/topic_name.h"
#include "kafka/cluster_control.h"
#include "kafka/positions_aside.h"

namespace magpie::admin {
namespace {

using nlohmann::json;
using partition::PartitionState;

const char* to_string(PartitionState state) {
  switch (state) {
    case PartitionState::kNew:
    case PartitionState::kOpening:
      return "opening";
    case PartitionState::kOnline:
      return "online";
    case PartitionState::kReadOnly:
      return "read_only";
    case PartitionState::kOffline:
      return "offline";
    case PartitionState::kClosing:
    case PartitionState::kClosed:
      return "closed";
  }
  return "unknown";
}

json describe_partition(const kafka::HostedPartition& hosted) {
  const partition::Partition& partition = *hosted.partition;
  json described = {{"topic", hosted.topic},
                    {"partition", hosted.index.value},
                    {"state", to_string(partition.state())},
                    {"leader_epoch", partition.leader_epoch().value}};
  if (partition.is_readable()) {
    described["log_start"] = partition.log_start().value;
    described["high_watermark"] = partition.high_watermark().value;
    described["log_end"] = partition.log_end().value;
    described["size_bytes"] = partition.size_bytes();
    described["producers"] = partition.producer_count();
  }
  if (!hosted.failure.empty()) described["failure"] = hosted.failure;
  return described;
}

size_t count_state(kafka::Broker& broker, PartitionState state) {
  const auto& all = broker.partitions.all();
  return static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const auto& entry) {
    return entry.second.partition->state() == state;
  }));
}

}  // namespace

json describe_status(kafka::Broker& broker, const NodeView& view) {
  const control::State& state = broker.control.state();
  json status = {{"cluster_id", broker.config.cluster_id},
                 {"node_id", broker.config.node_id.value},
                 {"region", broker.config.region},
                 {"phase", view.phase},
                 {"leader_epoch", state.leadership().epoch.value},
                 {"topics", state.topics().size()},
                 {"partitions",
                  {{"hosted", broker.partitions.size()},
                   {"online", count_state(broker, PartitionState::kOnline)},
                   {"read_only", count_state(broker, PartitionState::kReadOnly)},
                   {"offline", count_state(broker, PartitionState::kOffline)}}},
                 {"groups", view.coordinator.durable().groups().size()},
                 {"connections", broker.connections.size()}};
  json problems = json::array();
  if (control::is_removed(state, broker.config.region)) {
    problems.push_back("region '" + broker.config.region +
                       "' was removed from the cluster: this node serves nothing");
  }
  if (!view.groups_failure.empty()) problems.push_back("consumer groups: " + view.groups_failure);
  if (!view.storage_error.empty()) problems.push_back("cluster state: " + view.storage_error);
  for (const auto& [route, hosted] : broker.partitions.all()) {
    if (hosted.failure.empty()) continue;
    problems.push_back("partition " + hosted.partition->label() + ": " + hosted.failure);
  }
  status["problems"] = std::move(problems);
  // No problems for clients: traffic goes on.
  if (!view.stuck_folders.empty()) status["stuck_folders"] = view.stuck_folders;
  if (!view.store_trouble.empty()) status["store_trouble"] = view.store_trouble;
  return status;
}

json list_topics(kafka::Broker& broker) {
  json topics = json::array();
  for (const auto& [name, topic] : broker.control.state().topics()) {
    topics.push_back({{"name", name},
                      {"id", to_string(topic.id)},
                      {"partitions", topic.partition_count()},
                      {"internal", control::is_internal_topic(name)}});
  }
  return {{"topics", std::move(topics)}};
}

json describe_topic(kafka::Broker& broker, const control::Topic& topic) {
  json partitions = json::array();
  for (int32_t index = 0; index < topic.partition_count(); ++index) {
    const kafka::HostedPartition* hosted =
        broker.partitions.find(topic.name, PartitionIndex{index});
    if (hosted != nullptr) partitions.push_back(describe_partition(*hosted));
  }
  json configs = json::object();
  const auto described =
      control::describe_topic_configs(broker.control.state(), broker.control.policy(), topic.name);
  if (described) {
    for (const control::DescribedConfig& config : *described) {
      if (config.source == control::ConfigSource::kTopic) configs[config.name] = *config.value;
    }
  }
  return {{"name", topic.name},
          {"id", to_string(topic.id)},
          {"internal", control::is_internal_topic(topic.name)},
          {"configs", std::move(configs)},
          {"partitions", std::move(partitions)}};
}

json list_partitions(kafka::Broker& broker) {
  json partitions = json::array();
  for (const auto& [route, hosted] : broker.partitions.all()) {
    partitions.push_back(describe_partition(hosted));
  }
  return {{"partitions", std::move(partitions)}};
}

json list_groups(const NodeView& view) {
  json groups = json::array();
  for (const group::ListedGroup& group : view.coordinator.list({}).groups) {
    groups.push_back({{"group", group.group_id},
                      {"state", group.state},
                      {"protocol_type", group.protocol_type}});
  }
  return {{"groups", std::move(groups)}};
}

int64_t consumer_lag(kafka::Broker& broker, const group::TopicPartition& at, Offset position) {
  const kafka::HostedPartition* hosted =
      broker.partitions.find(at.topic, PartitionIndex{at.partition});
  if (hosted == nullptr || !hosted->partition->is_readable()) return -1;
  return std::max<int64_t>(hosted->partition->high_watermark() - position, 0);
}

json describe_group(kafka::Broker& broker, const NodeView& view, const std::string& group) {
  const group::GroupDescription description = view.coordinator.describe(group);
  const group::DurableGroup* durable = view.coordinator.durable().find(group);
  if (description.state == "Dead" && durable == nullptr) return nullptr;
  json members = json::array();
  for (const group::DescribedMember& member : description.members) {
    json described = {{"member_id", member.member_id},
                      {"client_id", member.client_id},
                      {"host", member.client_host}};
    if (member.instance_id) described["instance_id"] = *member.instance_id;
    members.push_back(std::move(described));
  }
  json positions = json::array();
  if (durable != nullptr) {
    for (const auto& [at, position] : durable->positions) {
      if (kafka::is_aside(at.topic)) continue;
      const int64_t lag = consumer_lag(broker, at, position.offset);
      json described = {
          {"topic", at.topic}, {"partition", at.partition}, {"committed", position.offset.value}};
      described["lag"] = lag < 0 ? json(nullptr) : json(lag);
      positions.push_back(std::move(described));
    }
  }
  return {{"group", group},
          {"state", description.state},
          {"protocol_type", description.protocol_type},
          {"protocol", description.protocol_name},
          {"generation", description.generation},
          {"leader", description.leader},
          {"members", std::move(members)},
          {"positions", std::move(positions)}};
}

}  // namespace magpie::admin
