// CreateTopics (key 19). Each topic is decided and committed on its own, as in Kafka.
#include <algorithm>
#include <map>
#include <utility>

#include "control/decide_topic.h"
#include "control/describe_configs.h"
#include "kafka/cluster_control.h"
#include "kafka/cluster_view.h"
#include "kafka/errors.h"
#include "kafka/gathering.h"
#include "kafka/handlers.h"
#include "wire/create_topics.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;
using Pending = Gathering<wire::CreateTopicsResponse>;

control::CreateTopic to_control(const wire::CreateTopicsRequest::Topic& asked, bool validate_only) {
  control::CreateTopic wanted;
  wanted.name = asked.name;
  wanted.partitions = asked.num_partitions;
  wanted.replication_factor = asked.replication_factor;
  for (const auto& assignment : asked.assignments) {
    wanted.assignments.push_back({assignment.partition_index, assignment.broker_ids});
  }
  for (const auto& config : asked.configs) wanted.configs.push_back({config.name, config.value});
  wanted.validate_only = validate_only;
  return wanted;
}

// How many copies a topic has is what its failover group says, whatever was asked for; of a topic
// that was only to be checked nobody knows yet.
int16_t replication_factor_of(const Broker& broker, const control::TopicCreated& created) {
  const control::Topic* topic = broker.control.state().find_topic(created.name);
  if (topic == nullptr || topic->id != created.id) return created.replication_factor;
  const auto replicas = broker.cluster.partition(*topic, PartitionIndex{0}).replicas.size();
  return static_cast<int16_t>(std::max<size_t>(replicas, 1));
}

void fill(const Broker& broker, const control::TopicCreated& created,
          wire::CreateTopicsResponse::Topic& answer) {
  answer.topic_id = created.id;
  answer.num_partitions = created.partitions;
  answer.replication_factor = replication_factor_of(broker, created);
  auto& configs = answer.configs.emplace();
  for (const auto& config : control::describe_values(broker.control.policy(), created.configs)) {
    configs.push_back({.name = config.name,
                       .value = config.value,
                       .read_only = config.read_only,
                       .config_source = static_cast<int8_t>(config.source),
                       .is_sensitive = config.sensitive});
  }
}

void create(Broker& broker, const std::shared_ptr<Pending>& pending, size_t position,
            control::CreateTopic wanted) {
  ++pending->missing;
  propose<control::TopicCreated>(
      broker,
      [wanted = std::move(wanted), &control = broker.control](const control::State& state) {
        return control::decide_create_topic(state, control.policy(), wanted, control.random());
      },
      [pending, position](Broker& late,
                          const tl::expected<control::TopicCreated, control::Refusal>& created) {
        auto& answer = pending->response.topics[position];
        if (created) {
          fill(late, *created, answer);
        } else {
          answer.error_code = error_of(created.error().code);
          answer.error_message = created.error().message;
        }
        one_done(late, *pending);
      });
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::CreateTopicsRequest body) {
  const auto pending = gather<wire::CreateTopicsResponse>(request);
  std::map<std::string, int> times;
  for (const auto& asked : body.topics) ++times[asked.name];
  pending->response.topics.resize(body.topics.size());
  for (size_t i = 0; i < body.topics.size(); ++i) {
    auto& answer = pending->response.topics[i];
    answer.name = body.topics[i].name;
    if (times[answer.name] > 1) {
      answer.error_code = ErrorCode::kInvalidRequest;
      answer.error_message = "the topic is named more than once in this request";
      continue;
    }
    create(broker, pending, i, to_control(body.topics[i], body.validate_only));
  }
  one_done(broker, *pending);
}

}  // namespace magpie::kafka
