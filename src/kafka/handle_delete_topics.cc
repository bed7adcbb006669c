// DeleteTopics (key 20): by name, or from version 6 on also by id (KIP-516).
#include <utility>
#include <vector>

#include "control/decide_topic.h"
#include "kafka/cluster_control.h"
#include "kafka/errors.h"
#include "kafka/gathering.h"
#include "kafka/handlers.h"
#include "wire/delete_topics.h"

namespace magpie::kafka {
namespace {

using Pending = Gathering<wire::DeleteTopicsResponse>;

void remove(Broker& broker, const std::shared_ptr<Pending>& pending, size_t position,
            control::DeleteTopic wanted) {
  ++pending->missing;
  wanted.keep = broker.control.policy().keep_deleted;
  wanted.now = broker.now.wall;
  const control::State& held = broker.control.state();
  const control::Topic* topic =
      wanted.id ? held.find_topic(*wanted.id) : held.find_topic(wanted.name);
  if (topic != nullptr) wanted.bytes = broker.partitions.bytes_of_topic(topic->name);
  propose<control::TopicDeleted>(
      broker,
      [wanted = std::move(wanted)](const control::State& state) {
        return control::decide_delete_topic(state, wanted);
      },
      [pending, position](Broker& late,
                          const tl::expected<control::TopicDeleted, control::Refusal>& deleted) {
        auto& answer = pending->response.responses[position];
        if (deleted) {
          answer.name = deleted->name;
          answer.topic_id = deleted->id;
        } else {
          answer.error_code = error_of(deleted.error().code);
          answer.error_message = deleted.error().message;
        }
        one_done(late, *pending);
      });
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::DeleteTopicsRequest body) {
  const auto pending = gather<wire::DeleteTopicsResponse>(request);
  std::vector<control::DeleteTopic> wanted;
  for (std::string& name : body.topic_names) wanted.push_back({std::move(name), std::nullopt});
  for (auto& topic : body.topics) {
    if (topic.name) {
      wanted.push_back({std::move(*topic.name), std::nullopt});
    } else {
      wanted.push_back({"", topic.topic_id});
    }
  }
  pending->response.responses.resize(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    auto& answer = pending->response.responses[i];
    if (wanted[i].id) {
      answer.topic_id = *wanted[i].id;
    } else {
      answer.name = wanted[i].name;
    }
    remove(broker, pending, i, std::move(wanted[i]));
  }
  one_done(broker, *pending);
}

}  // namespace magpie::kafka
