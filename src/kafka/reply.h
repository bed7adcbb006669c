// Sending an answer of any type to the request it belongs to.
#pragma once

#include "kafka/broker.h"
#include "wire/response_frame.h"

namespace magpie::kafka {

// Encodes `body` in the version the client asked in and hands it over. Once per request.
template <typename Response>
void reply(Broker& broker, const Request& request, const Response& body) {
  broker.connections.answer(request.id,
                            wire::frame_response(body, request.version, request.correlation_id),
                            broker.effects);
}

}  // namespace magpie::kafka
