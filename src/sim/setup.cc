#include "sim/setup.h"

#include <utility>

#include "wire/create_topics.h"

namespace magpie::sim {

using wire::ErrorCode;

Setup::Setup(Surroundings around)
    : around_(around), random_(around.scene.random.fork()), brokers_(around.brokers("setup")) {}

void Setup::again(bool created) {
  around_.scene.queue.after(Duration::milliseconds(50), [this, created] {
    if (created) {
      look();
    } else {
      create();
    }
  });
}

void Setup::create() {
  wire::CreateTopicsRequest request;
  for (const SimTopic& topic : around_.topics.list()) {
    wire::CreateTopicsRequestTopic wanted;
    wanted.name = topic.name;
    wanted.num_partitions = topic.partitions;
    wanted.replication_factor = 1;
    for (const auto& [key, value] : topic.configs) wanted.configs.push_back({key, value});
    request.topics.push_back(std::move(wanted));
  }
  const int version = draw_version(random_, wire::ApiKey::kCreateTopics, 2, 7);
  brokers_.any().call<wire::CreateTopicsResponse>(request, version, [this](const auto& response) {
    bool created = response.has_value();
    if (response) {
      for (const auto& topic : response->topics) {
        created &= topic.error_code == ErrorCode::kNone ||
                   topic.error_code == ErrorCode::kTopicAlreadyExists;
        around_.scene.note("create", static_cast<int>(topic.error_code));
      }
    }
    again(created);
  });
}

void Setup::look() {
  wire::MetadataRequest request;
  const int version = draw_version(random_, wire::ApiKey::kMetadata, 10, 13);
  brokers_.any().call<wire::MetadataResponse>(request, version, [this](const auto& response) {
    if (response && take(*response)) {
      done_ = true;
    } else {
      again(true);
    }
  });
}

bool Setup::take(const wire::MetadataResponse& response) {
  size_t found = 0;
  for (const auto& topic : response.topics) {
    for (SimTopic& wanted : around_.topics.list()) {
      if (topic.name != wanted.name || topic.error_code != ErrorCode::kNone) continue;
      wanted.id = topic.topic_id;
      ++found;
    }
  }
  return found == around_.topics.list().size();
}

}  // namespace magpie::sim
