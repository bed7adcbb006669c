// From a frame of bytes to the handler of its API.
#pragma once

#include "base/buffer.h"
#include "kafka/broker.h"
#include "port/effect.h"

namespace magpie::kafka {

// Decodes one frame of a connection and calls its handler. A frame that is no Kafka request, or one
// in a version nobody would understand the answer to, closes the connection with a log line that
// names peer, API and version. REQUIRES: the connection is open.
void dispatch(Broker& broker, port::ConnectionId connection, Buffer frame);

}  // namespace magpie::kafka
