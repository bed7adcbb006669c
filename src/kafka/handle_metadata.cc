// Metadata (key 3): brokers, topics and who leads their partitions.
//
// A topic that is asked for by name and does not exist is created first, if both the client and the
// operator allow it (auto.create.topics.enable); the answer then already names its leaders.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/topic_name.h"
#include "kafka/authorized_operations.h"
#include "kafka/cluster_control.h"
#include "kafka/cluster_view.h"
#include "kafka/errors.h"
#include "kafka/handlers.h"
#include "kafka/partition_description.h"
#include "kafka/reply.h"
#include "wire/metadata.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;
using TopicAnswer = wire::MetadataResponse::Topic;

TopicAnswer describe_topic(Broker& broker, const control::Topic& topic, bool with_operations) {
  TopicAnswer answer;
  answer.name = topic.name;
  answer.topic_id = topic.id;
  answer.is_internal = control::is_internal_topic(topic.name);
  for (int32_t index = 0; index < topic.partition_count(); ++index) {
    describe_partition(broker, topic, index, answer.partitions.emplace_back());
  }
  if (with_operations) answer.topic_authorized_operations = kAllTopicOperations;
  return answer;
}

TopicAnswer missing_topic(const wire::MetadataRequest::Topic& asked, ErrorCode error) {
  TopicAnswer answer;
  answer.error_code = error;
  answer.name = asked.name;
  answer.topic_id = asked.topic_id;
  return answer;
}

TopicAnswer answer_topic(Broker& broker, const wire::MetadataRequest::Topic& asked,
                         const std::optional<control::Refusal>& refusal, bool with_operations) {
  const control::State& state = broker.control.state();
  if (!asked.name) {
    const control::Topic* topic = state.find_topic(asked.topic_id);
    if (topic == nullptr) return missing_topic(asked, ErrorCode::kUnknownTopicId);
    return describe_topic(broker, *topic, with_operations);
  }
  const control::Topic* topic = state.find_topic(*asked.name);
  if (topic != nullptr) return describe_topic(broker, *topic, with_operations);
  if (control::topic_name_problem(*asked.name)) {
    return missing_topic(asked, ErrorCode::kInvalidTopicException);
  }
  return missing_topic(asked,
                       refusal ? error_of(refusal->code) : ErrorCode::kUnknownTopicOrPartition);
}

// One request while its topics are being created.
struct Pending {
  Request request;
  wire::MetadataRequest body;
  std::vector<std::optional<control::Refusal>> refusals;  // by position in body.topics
  size_t creating = 0;
};

void answer(Broker& broker, const Pending& pending) {
  const wire::MetadataRequest& body = pending.body;
  wire::MetadataResponse response;
  for (BrokerDescription& each : broker.cluster.brokers(pending.request.listener)) {
    response.brokers.push_back({.node_id = each.node.value,
                                .host = std::move(each.address.host),
                                .port = each.address.port,
                                .rack = std::move(each.region)});
  }
  response.cluster_id = broker.config.cluster_id;
  response.controller_id = broker.config.node_id.value;
  if (body.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = kAllClusterOperations;
  }
  const bool operations = body.include_topic_authorized_operations;
  // "All topics" is null, but in version 0, which cannot say null, the empty list.
  if (!body.topics || (pending.request.version == 0 && body.topics->empty())) {
    for (const auto& [name, topic] : broker.control.state().topics()) {
      response.topics.push_back(describe_topic(broker, topic, operations));
    }
  } else {
    for (size_t i = 0; i < body.topics->size(); ++i) {
      const auto& asked = (*body.topics)[i];
      response.topics.push_back(answer_topic(broker, asked, pending.refusals[i], operations));
    }
  }
  reply(broker, pending.request, response);
}

bool should_create(Broker& broker, const wire::MetadataRequest& body,
                   const wire::MetadataRequest::Topic& asked) {
  return body.allow_auto_topic_creation && broker.config.auto_create_topics && asked.name &&
         broker.control.state().find_topic(*asked.name) == nullptr &&
         !control::topic_name_problem(*asked.name) && !control::is_internal_topic(*asked.name);
}

void create(Broker& broker, const std::shared_ptr<Pending>& pending, size_t position) {
  control::CreateTopic wanted;
  wanted.name = *(*pending->body.topics)[position].name;
  propose<control::TopicCreated>(
      broker,
      [wanted, &control = broker.control](const control::State& state) {
        return control::decide_create_topic(state, control.policy(), wanted, control.random());
      },
      [pending, position](Broker& late,
                          const tl::expected<control::TopicCreated, control::Refusal>& created) {
        // Somebody else may have created it first, which is just as good.
        if (!created && created.error().code != control::RefusalCode::kTopicAlreadyExists) {
          pending->refusals[position] = created.error();
        }
        if (--pending->creating == 0) answer(late, *pending);
      });
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::MetadataRequest body) {
  auto pending = std::make_shared<Pending>();
  pending->request = request;
  pending->body = std::move(body);
  const size_t count = pending->body.topics ? pending->body.topics->size() : 0;
  pending->refusals.resize(count);
  std::vector<size_t> missing;
  for (size_t i = 0; i < count; ++i) {
    if (should_create(broker, pending->body, (*pending->body.topics)[i])) missing.push_back(i);
  }
  if (missing.empty()) return answer(broker, *pending);
  pending->creating = missing.size();
  for (const size_t position : missing) create(broker, pending, position);
}

}  // namespace magpie::kafka
