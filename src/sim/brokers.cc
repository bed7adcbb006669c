#include "sim/brokers.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/find_coordinator.h"

namespace magpie::sim {
namespace {

using wire::ErrorCode;

// retry.backoff.ms
constexpr Duration kPause = Duration::milliseconds(100);

}  // namespace

Brokers::Brokers(Scene& scene, Network& network, Topics& topics, const Bootstrap& bootstrap,
                 Place place, std::string client_id)
    : scene_(scene),
      network_(network),
      topics_(topics),
      bootstrap_(bootstrap),
      place_(place),
      client_id_(std::move(client_id)),
      random_(scene.random.fork()) {}

Session& Brokers::session(const NetworkAddress& address, size_t channel) {
  std::unique_ptr<Session>& found = sessions_[{address, channel}];
  if (!found) {
    found = std::make_unique<Session>(
        scene_, network_, Session::Peer{place_, address, bootstrap_.patience}, client_id_);
  }
  return *found;
}

Session& Brokers::any(size_t channel) {
  const auto& addresses = bootstrap_.addresses;
  if (bootstrap_.alone) return session(addresses.front(), channel);
  return session(addresses[random_.below(addresses.size())], channel);
}

Session& Brokers::leader(const std::string& topic, int32_t partition, size_t channel) {
  if (bootstrap_.alone) return any(channel);
  const auto found = leaders_.find({topic, partition});
  if (found != leaders_.end()) return session(found->second.address, channel);
  look_again();
  return any(channel);
}

Session& Brokers::node(int32_t id, size_t channel) {
  const auto found = nodes_.find(id);
  if (found != nodes_.end()) return session(found->second, channel);
  look_again();
  return any(channel);
}

int32_t Brokers::epoch(const std::string& topic, int32_t partition) const {
  const auto found = leaders_.find({topic, partition});
  return found == leaders_.end() ? -1 : found->second.epoch;
}

Session& Brokers::coordinator(const std::string& group, size_t channel) {
  if (bootstrap_.alone) return any(channel);
  if (coordinator_) return session(*coordinator_, channel);
  find_coordinator(group);
  return any(channel);
}

size_t Brokers::waiting(size_t channel) const {
  size_t sum = 0;
  for (const auto& [key, session] : sessions_) {
    if (key.second == channel) sum += session->waiting();
  }
  return sum;
}

bool Brokers::is_losing(size_t channel) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    return entry.first.second == channel && entry.second->is_losing();
  });
}

void Brokers::disconnect(size_t channel) {
  for (auto& [key, session] : sessions_) {
    if (key.second == channel) session->disconnect();
  }
}

// --- metadata ------------------------------------------------------------------------------------

void Brokers::look_again() {
  if (bootstrap_.alone || asking_) return;
  asking_ = true;
  scene_.queue.after(kPause, [this] { ask(); });
}

void Brokers::ask() {
  wire::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  const int version = draw_version(random_, wire::ApiKey::kMetadata, 10, 13);
  any(kAsking).call<wire::MetadataResponse>(request, version, [this](const auto& response) {
    asking_ = false;
    if (!response) return look_again();
    take(*response);
  });
}

void Brokers::take(const wire::MetadataResponse& response) {
  for (const auto& broker : response.brokers) nodes_[broker.node_id] = {broker.host, broker.port};
  for (const auto& topic : response.topics) {
    if (topic.error_code != ErrorCode::kNone || !topic.name) continue;
    for (const auto& partition : topic.partitions) {
      const auto node = nodes_.find(partition.leader_id);
      if (node == nodes_.end()) continue;
      learn(*topic.name, partition.partition_index, {node->second, partition.leader_epoch},
            partition.leader_id);
    }
  }
}

void Brokers::learn(const std::string& topic, int32_t partition, const Leader& leader,
                    int32_t node) {
  Leader& known = leaders_[{topic, partition}];
  // A broker that lags behind says what was true once (KIP-320).
  if (leader.epoch < known.epoch) return;
  known = leader;
  topics_.saw_leader(topic, partition, leader.epoch, node);
}

void Brokers::find_coordinator(const std::string& group) {
  if (finding_) return;
  finding_ = true;
  wire::FindCoordinatorRequest request;
  request.key = group;
  const int version = draw_version(random_, wire::ApiKey::kFindCoordinator, 1, 3);
  any(kAsking).call<wire::FindCoordinatorResponse>(request, version, [this](const auto& response) {
    finding_ = false;
    if (!response || response->error_code != ErrorCode::kNone) return;
    coordinator_ = NetworkAddress{response->host, response->port};
  });
}

}  // namespace magpie::sim
