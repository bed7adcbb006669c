// Creating, altering and deleting topics through the admin port.
#pragma once

#include <string>

#include "kafka/broker.h"
#include "port/effect.h"

namespace magpie::admin {

// Body: {"name": "orders", "partitions": 3, "configs": {"retention.ms": "3600000"}}; all but the
// name may be left out.
void create_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& body);

// Body: {"partitions": 6, "configs": {"retention.ms": "60000", "cleanup.policy": null}}; null sets
// a key back to its default. Configs are altered first; if that is refused, nothing is done.
void alter_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& name,
                 const std::string& body);

// Body: nothing, or {"purge": true}: its records are not kept for a while, but removed at once.
void delete_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& name,
                  const std::string& body);

}  // namespace magpie::admin
