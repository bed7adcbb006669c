// The admin port: health, metrics and the cluster as JSON, over HTTP.
//
// Reading routes answer at once. Changing routes propose to the cluster state like any Kafka client
// and answer when the change is carried out. Every error is an object with a stable code, a
// sentence that says what is wrong, and one that says what to do; docs/operations/admin-api.md
// lists routes and codes, docs/operations/metrics.md the metrics.
//
// What it does not do: it speaks no HTTP (the driver does), keeps no state, and knows no users yet.
#pragma once

#include <string>
#include <vector>

#include "admin/view.h"
#include "kafka/broker.h"
#include "port/event.h"

namespace magpie::admin {

// All routes as docs/operations/admin-api.md writes them: "GET /v1/topics/NAME".
std::vector<std::string> list_routes();

// Answers the request with exactly one HttpRespond, now or later.
void serve(kafka::Broker& broker, const NodeView& view, const port::HttpRequestReceived& request);

}  // namespace magpie::admin
