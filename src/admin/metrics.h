// Metrics in Prometheus' text format (exposition format 0.0.4).
//
// The catalogue is docs/operations/metrics.md; a test compares it with what is written here.
#pragma once

#include <string>

#include "admin/view.h"
#include "kafka/broker.h"

namespace magpie::admin {

std::string render_metrics(kafka::Broker& broker, const NodeView& view);

}  // namespace magpie::admin
