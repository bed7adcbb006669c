// DeleteRecords (key 21); the work is in record_deletions.h.
#include "kafka/handlers.h"
#include "kafka/record_deletions.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::DeleteRecordsRequest body) {
  broker.record_deletions.start(broker, request, body);
}

}  // namespace magpie::kafka
