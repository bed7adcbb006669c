// InitProducerId (key 22): an id for an idempotent producer (KIP-98, KIP-360).
//
// A producer that lost its way asks again with its old id and epoch; without a transactional id it
// gets a new id, as in Kafka, which starts a new sequence everywhere.
#include <optional>

#include "kafka/cluster_control.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/init_producer_id.h"

namespace magpie::kafka {

using wire::ErrorCode;

void handle(Broker& broker, const Request& request, wire::InitProducerIdRequest body) {
  wire::InitProducerIdResponse response;
  response.producer_epoch = -1;
  // Old id and old epoch come together or not at all (KIP-360).
  const bool half = (body.producer_id < 0) != (body.producer_epoch < 0);
  if (half) {
    response.error_code = ErrorCode::kInvalidRequest;
  } else if (body.transactional_id) {
    // Transactions are not offered; a clear refusal beats a producer that waits for ever.
    response.error_code = body.transactional_id->empty() ? ErrorCode::kInvalidRequest
                                                         : ErrorCode::kUnsupportedVersion;
  } else if (const std::optional<ProducerId> id = broker.control.next_producer_id(broker)) {
    response.producer_id = id->value;
    response.producer_epoch = 0;
  } else {
    response.error_code = ErrorCode::kCoordinatorLoadInProgress;
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
