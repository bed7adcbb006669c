// FindCoordinator (key 10): which broker coordinates a group. With one node it is always this one.
#include <cstdint>
#include <optional>
#include <string>

#include "kafka/cluster_view.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/find_coordinator.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;

constexpr int8_t kGroupKey = 0;
constexpr int8_t kTransactionKey = 1;

// Works for the list of version 4 and for the single answer of older ones: both have these fields.
template <typename Answer>
void fill(const Broker& broker, const Request& request, int8_t key_type, Answer& answer) {
  if (key_type == kGroupKey) {
    const std::optional<NodeId> node = broker.cluster.coordinator();
    const std::optional<BrokerDescription> coordinator =
        node ? broker.cluster.broker(*node, request.listener) : std::nullopt;
    answer.node_id = coordinator ? coordinator->node.value : -1;
    answer.host = coordinator ? coordinator->address.host : "";
    answer.port = coordinator ? coordinator->address.port : -1;
    if (!coordinator) answer.error_code = ErrorCode::kCoordinatorNotAvailable;
    return;
  }
  answer.node_id = -1;
  answer.port = -1;
  answer.error_code =
      key_type == kTransactionKey ? ErrorCode::kUnsupportedVersion : ErrorCode::kInvalidRequest;
  answer.error_message =
      key_type == kTransactionKey ? "transactions are not offered" : "unknown coordinator type";
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::FindCoordinatorRequest body) {
  wire::FindCoordinatorResponse response;
  if (request.version < 4) {
    fill(broker, request, body.key_type, response);
    return reply(broker, request, response);
  }
  for (const std::string& key : body.coordinator_keys) {
    auto& coordinator = response.coordinators.emplace_back();
    coordinator.key = key;
    fill(broker, request, body.key_type, coordinator);
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
