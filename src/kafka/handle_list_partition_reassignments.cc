// ListPartitionReassignments (key 46): partitions that are moving. None ever is: kafka-topics asks
// all the same.
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/list_partition_reassignments.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::ListPartitionReassignmentsRequest) {
  reply(broker, request, wire::ListPartitionReassignmentsResponse());
}

}  // namespace magpie::kafka
