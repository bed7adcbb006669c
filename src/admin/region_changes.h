// The routes that take a region out of the cluster, and in again (control/decide_regions.h).
#pragma once

#include <string>

#include "base/time.h"
#include "kafka/broker.h"
#include "port/event.h"

namespace magpie::admin {

// Each answers the exchange once. Takes the next step of the removal, or, with {"dry_run": true},
// says what it would mean; whoever wants to see the end asks again until the state is `removed`.
// `lease`: how long a node's lasts.
void remove_region(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& region,
                   const std::string& body, Duration lease);
void readmit_region(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& region,
                    Duration lease);

}  // namespace magpie::admin
