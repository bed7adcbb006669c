// Topics that were deleted and can still be restored (control/deleted_topic.h), for the admin port.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/state.h"
#include "kafka/broker.h"
#include "port/event.h"

namespace magpie::admin {

// Those that go first come first.
nlohmann::json list_deleted_topics(const control::State& state);

// `which` is a topic's name, or the id of a deleted one. Each answers the exchange once, when the
// change is carried out.
void restore_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& which);
void purge_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& which);
// All that are kept now, one after the other.
void purge_topics(kafka::Broker& broker, port::HttpExchangeId exchange);

}  // namespace magpie::admin
