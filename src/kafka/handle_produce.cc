// Produce (key 0); the work is in produce_requests.h.
#include <utility>

#include "kafka/handlers.h"
#include "kafka/produce_requests.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::ProduceRequest body) {
  broker.produces.start(broker, request, std::move(body));
}

}  // namespace magpie::kafka
