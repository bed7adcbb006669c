// OffsetFetch (key 9): how far groups have come. Up to version 7 for one group, then for several
// (KIP-709).
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kafka/cluster_control.h"
#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/positions_ahead.h"
#include "kafka/positions_aside.h"
#include "kafka/reply.h"
#include "wire/offset_fetch.h"

namespace magpie::kafka {
namespace {

// Both forms of the request list topics with partition indexes.
template <typename Topics>
std::optional<std::vector<group::TopicPartition>> flatten_topics(const Topics& topics) {
  if (!topics) return std::nullopt;
  std::vector<group::TopicPartition> flat;
  for (const auto& topic : *topics) {
    for (const int32_t index : topic.partition_indexes) flat.push_back({topic.name, index});
  }
  return flat;
}

// Of a topic that has just been restored, positions may still be put aside.
group::FetchedPosition found_aside(const Broker& broker, const std::string& group,
                                   group::FetchedPosition position) {
  const control::Topic* topic = broker.control.state().find_topic(position.at.topic);
  if (position.offset.value >= 0 || topic == nullptr) return position;
  const group::Position* aside = broker.groups.coordinator().durable().find_position(
      group, {aside_name(topic->id), position.at.partition});
  if (aside == nullptr) return position;
  position.offset = aside->offset;
  position.leader_epoch = aside->leader_epoch;
  position.metadata = aside->metadata;
  return position;
}

// Both forms of the answer list topics with partitions of the same fields; positions of one topic
// come one after the other.
template <typename Topic>
void fill_topics(const Broker& broker, const std::string& group,
                 const std::vector<group::FetchedPosition>& positions, std::vector<Topic>& topics) {
  for (const group::FetchedPosition& stored : positions) {
    if (is_aside(stored.at.topic)) continue;
    const group::FetchedPosition position = found_aside(broker, group, stored);
    if (topics.empty() || topics.back().name != position.at.topic) {
      topics.emplace_back().name = position.at.topic;
    }
    auto& partition = topics.back().partitions.emplace_back();
    partition.partition_index = position.at.partition;
    partition.committed_offset = position.offset.value;
    partition.committed_leader_epoch = position.leader_epoch.value;
    if (const auto clamped =
            clamp_position(broker, position.at, position.offset, position.leader_epoch)) {
      partition.committed_offset = clamped->offset.value;
      partition.committed_leader_epoch = clamped->epoch.value;
    }
    partition.metadata = position.metadata;
    partition.error_code = error_of(position.error);
  }
}

// Version 1 has no place for the group's error, so every partition carries it.
void spread_error(const wire::OffsetFetchRequest& body, wire::ErrorCode error,
                  wire::OffsetFetchResponse& response) {
  if (!body.topics) return;
  for (const auto& topic : *body.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    for (const int32_t index : topic.partition_indexes) {
      answered.partitions.push_back(
          {.partition_index = index, .committed_offset = -1, .metadata = "", .error_code = error});
    }
  }
}

void answer_one(Broker& broker, const Request& request, const wire::OffsetFetchRequest& body) {
  const group::OffsetFetchAnswer answer = broker.groups.coordinator().fetch_positions(
      {body.group_id, flatten_topics(body.topics), body.require_stable});
  wire::OffsetFetchResponse response;
  response.error_code = error_of(answer.error);
  if (answer.error == group::GroupError::kNone) {
    fill_topics(broker, body.group_id, answer.positions, response.topics);
  } else if (request.version < 2) {
    spread_error(body, response.error_code, response);
  }
  reply(broker, request, response);
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::OffsetFetchRequest body) {
  if (request.version < 8) return answer_one(broker, request, body);
  wire::OffsetFetchResponse response;
  for (const auto& asked : body.groups) {
    const group::OffsetFetchAnswer answer = broker.groups.coordinator().fetch_positions(
        {asked.group_id, flatten_topics(asked.topics), body.require_stable});
    auto& answered = response.groups.emplace_back();
    answered.group_id = asked.group_id;
    answered.error_code = error_of(answer.error);
    fill_topics(broker, asked.group_id, answer.positions, answered.topics);
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
