// DescribeLogDirs (key 35): how much disk each partition takes. There is one log directory.
#include <map>
#include <string>

#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/describe_log_dirs.h"

namespace magpie::kafka {
namespace {

using TopicAnswer = wire::DescribeLogDirsResponse::Topic;

void add(const HostedPartition& hosted, TopicAnswer& topic) {
  topic.partitions.push_back(
      {.partition_index = hosted.index.value,
       .partition_size = static_cast<int64_t>(hosted.partition->size_bytes())});
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::DescribeLogDirsRequest body) {
  wire::DescribeLogDirsResponse response;
  auto& directory = response.results.emplace_back();
  directory.log_dir = "topics";
  if (!body.topics) {
    std::map<std::string, TopicAnswer> topics;
    for (const auto& [route, hosted] : broker.partitions.all()) {
      if (hosted.published) add(hosted, topics[hosted.topic]);
    }
    for (auto& [name, topic] : topics) {
      topic.name = name;
      directory.topics.push_back(std::move(topic));
    }
    return reply(broker, request, response);
  }
  for (const auto& asked : *body.topics) {
    TopicAnswer topic{.name = asked.topic};
    for (const int32_t index : asked.partitions) {
      const HostedPartition* hosted = broker.partitions.find(asked.topic, PartitionIndex{index});
      if (hosted != nullptr) add(*hosted, topic);
    }
    if (!topic.partitions.empty()) directory.topics.push_back(std::move(topic));
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
