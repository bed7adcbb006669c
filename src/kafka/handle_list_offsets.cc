// ListOffsets (key 2); the work is in offset_lookups.h.
#include "kafka/handlers.h"
#include "kafka/offset_lookups.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::ListOffsetsRequest body) {
  broker.offset_lookups.start(broker, request, body);
}

}  // namespace magpie::kafka
