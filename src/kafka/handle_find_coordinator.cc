// FindCoordinator (key 10): which broker coordinates a group. With one node it is always this one.
#include <cstdint>
#include <string>

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
    const AdvertisedAddress& address = broker.config.addresses.at(request.listener.value);
    answer.node_id = broker.config.node_id.value;
    answer.host = address.host;
    answer.port = address.port;
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
