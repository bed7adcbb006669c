// The routes of switchovers and failovers: asked for, looked at, approved, abandoned. What carries
// them out is failover/, on whichever node executes them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/view.h"
#include "control/operation.h"
#include "failover/preview.h"
#include "kafka/broker.h"
#include "port/event.h"

namespace magpie::admin {

// The newest first.
nlohmann::json list_operations(const control::State& state);
// Null if there is none under this number.
nlohmann::json describe_operation(const control::State& state, const std::string& number);

// What the moves of an operation's groups have proven: {"certificates": [{"certificate": {…},
// "signature": "…"}]}; without a key the signature is null. Null if there is no such operation.
nlohmann::json list_certificates(const kafka::Broker& broker, const NodeView& view,
                                 const std::string& number);

// Each answers the exchange once, now or later. Begins one, or, with "dry_run", asks what it would
// do; then the answer comes from answer_preview().
void begin_operation(kafka::Broker& broker, const NodeView& view, port::HttpExchangeId exchange,
                     const std::string& body);
void abandon_operation(kafka::Broker& broker, port::HttpExchangeId exchange,
                       const std::string& number, const std::string& body);
void approve_operation(kafka::Broker& broker, port::HttpExchangeId exchange,
                       const std::string& number, const std::string& body);

// Answers the exchange whose number is the preview's token.
void answer_preview(kafka::Broker& broker, const failover::Preview& preview);

}  // namespace magpie::admin
