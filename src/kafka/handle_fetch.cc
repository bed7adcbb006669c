// Fetch (key 1); the work is in fetch_requests.h.
#include <utility>

#include "kafka/fetch_requests.h"
#include "kafka/handlers.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::FetchRequest body) {
  broker.fetches.start(broker, request, std::move(body));
}

}  // namespace magpie::kafka
