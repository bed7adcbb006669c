// What one client knows of the cluster: whom to ask about what.
//
// As Kafka's clients do, it asks any broker who leads which partition, in which epoch, keeps what
// is newest, and asks again when a broker sends it away or falls silent. Where there is one node,
// that one is asked everything.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/network.h"
#include "sim/scene.h"
#include "sim/session.h"
#include "sim/topics.h"
#include "wire/metadata.h"

namespace magpie::sim {

// The nodes as clients are told to find them.
struct Bootstrap {
  std::vector<NetworkAddress> addresses;
  // How long clients wait for an answer while there are faults.
  Duration patience = Duration::seconds(30);
  // Clients stay with one node, the only one.
  bool alone = true;
};

class Brokers {
 public:
  // Requests of different channels do not wait for each other.
  static constexpr size_t kMain = 0;
  static constexpr size_t kSide = 1;

  Brokers(Scene& scene, Network& network, Topics& topics, const Bootstrap& bootstrap, Place place,
          std::string client_id);

  Session& any(size_t channel = kMain);
  // Whoever leads the partition as far as this client knows; anybody if it does not know.
  Session& leader(const std::string& topic, int32_t partition, size_t channel = kMain);
  // A node that this client has heard of; anybody if it has not.
  Session& node(int32_t id, size_t channel = kMain);
  // The leader's epoch; -1 if it is not known or does not matter.
  int32_t epoch(const std::string& topic, int32_t partition) const;
  Session& coordinator(const std::string& group, size_t channel = kMain);

  // What is known was wrong, or an answer did not come.
  void look_again();
  void forget_coordinator() { coordinator_.reset(); }

  // All sessions of a channel together.
  size_t waiting(size_t channel = kMain) const;
  bool is_losing(size_t channel = kMain) const;
  void disconnect(size_t channel = kMain);

 private:
  struct Leader {
    NetworkAddress address;
    int32_t epoch = -1;
  };
  static constexpr size_t kAsking = 2;

  Session& session(const NetworkAddress& address, size_t channel);
  void ask();
  void take(const wire::MetadataResponse& response);
  void learn(const std::string& topic, int32_t partition, const Leader& leader, int32_t node);
  void find_coordinator(const std::string& group);

  Scene& scene_;
  Network& network_;
  Topics& topics_;
  const Bootstrap& bootstrap_;
  const Place place_;
  const std::string client_id_;
  Random random_;
  std::map<std::pair<NetworkAddress, size_t>, std::unique_ptr<Session>> sessions_;
  std::map<std::pair<std::string, int32_t>, Leader> leaders_;
  std::map<int32_t, NetworkAddress> nodes_;
  std::optional<NetworkAddress> coordinator_;
  bool asking_ = false;
  bool finding_ = false;
};

}  // namespace magpie::sim
