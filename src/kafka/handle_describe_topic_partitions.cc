// DescribeTopicPartitions (key 75): Metadata in pages (KIP-966).
#include <algorithm>
#include <set>
#include <string>

#include "control/topic_name.h"
#include "kafka/authorized_operations.h"
#include "kafka/cluster_control.h"
#include "kafka/handlers.h"
#include "kafka/partition_description.h"
#include "kafka/reply.h"
#include "wire/describe_topic_partitions.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;

constexpr int32_t kPartitionsPerPage = 2'000;

// Names in the order of the pages: sorted, from the cursor on.
std::set<std::string> wanted_names(Broker& broker,
                                   const wire::DescribeTopicPartitionsRequest& body) {
  std::set<std::string> names;
  for (const auto& topic : body.topics) names.insert(topic.name);
  if (body.topics.empty()) {
    for (const auto& [name, topic] : broker.control.state().topics()) names.insert(name);
  }
  if (body.cursor) names.erase(names.begin(), names.lower_bound(body.cursor->topic_name));
  return names;
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::DescribeTopicPartitionsRequest body) {
  wire::DescribeTopicPartitionsResponse response;
  int32_t left = std::clamp(body.response_partition_limit, 1, kPartitionsPerPage);
  for (const std::string& name : wanted_names(broker, body)) {
    const control::Topic* topic = broker.control.state().find_topic(name);
    const bool resumed = body.cursor && body.cursor->topic_name == name;
    const int32_t first = resumed ? std::max(body.cursor->partition_index, 0) : 0;
    if (left == 0) {
      response.next_cursor = {.topic_name = name, .partition_index = first};
      break;
    }
    auto& answer = response.topics.emplace_back();
    answer.name = name;
    if (topic == nullptr) {
      answer.error_code = control::topic_name_problem(name) ? ErrorCode::kInvalidTopicException
                                                            : ErrorCode::kUnknownTopicOrPartition;
      continue;
    }
    answer.topic_id = topic->id;
    answer.is_internal = control::is_internal_topic(name);
    answer.topic_authorized_operations = kAllTopicOperations;
    int32_t index = first;
    for (; index < topic->partition_count() && left > 0; ++index, --left) {
      auto& partition = answer.partitions.emplace_back();
      describe_partition(broker, *topic, index, partition);
      // Java's Admin does not take null here, though the protocol allows it.
      partition.eligible_leader_replicas.emplace();
      partition.last_known_elr.emplace();
    }
    if (index < topic->partition_count()) {
      response.next_cursor = {.topic_name = name, .partition_index = index};
      break;
    }
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
