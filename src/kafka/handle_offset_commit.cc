// OffsetCommit (key 8): remember how far a group has come.
//
// Positions of partitions that do not exist are refused here; the rest goes to the coordinator, and
// both halves meet again in the answer, which has the request's shape.
#include <map>
#include <utility>
#include <variant>

#include "kafka/cluster_control.h"
#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/offset_commit.h"

namespace magpie::kafka {
namespace {

bool exists(Broker& broker, const group::TopicPartition& at) {
  const control::Topic* topic = broker.control.state().find_topic(at.topic);
  return topic != nullptr && topic->has_partition(PartitionIndex{at.partition});
}

wire::OffsetCommitResponse unknown_everywhere(const wire::OffsetCommitRequest& body) {
  wire::OffsetCommitResponse response;
  for (const auto& topic : body.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& asked : topic.partitions) {
      answered.partitions.push_back({.partition_index = asked.partition_index,
                                     .error_code = wire::ErrorCode::kUnknownTopicOrPartition});
    }
  }
  return response;
}

void merge(const group::OffsetCommitReply& committed, wire::OffsetCommitResponse& response) {
  std::map<group::TopicPartition, group::GroupError> errors;
  for (const auto& position : committed.positions) errors[position.at] = position.error;
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      const auto found = errors.find({topic.name, partition.partition_index});
      if (found != errors.end()) partition.error_code = error_of(found->second);
    }
  }
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::OffsetCommitRequest body) {
  wire::OffsetCommitResponse response = unknown_everywhere(body);
  group::OffsetCommit commit;
  commit.group_id = std::move(body.group_id);
  commit.generation = body.generation_id_or_member_epoch;
  commit.member_id = std::move(body.member_id);
  commit.instance_id = std::move(body.group_instance_id);
  commit.retention_time_ms = body.retention_time_ms;
  for (auto& topic : body.topics) {
    for (auto& asked : topic.partitions) {
      const group::TopicPartition at{topic.name, asked.partition_index};
      if (!exists(broker, at)) continue;
      commit.positions.push_back({.at = at,
                                  .offset = Offset{asked.committed_offset},
                                  .leader_epoch = LeaderEpoch{asked.committed_leader_epoch},
                                  .metadata = std::move(asked.committed_metadata)});
    }
  }
  broker.groups.submit(
      broker, std::move(commit),
      [request, response = std::move(response)](Broker& late, const group::Reply& answer) mutable {
        merge(std::get<group::OffsetCommitReply>(answer.body), response);
        reply(late, request, response);
      });
}

}  // namespace magpie::kafka
