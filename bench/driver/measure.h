// The runs. Each one returns what it measured between the end of the warm-up and the last
// acknowledgement (produce) or the last message that arrived (consume, follow).
#pragma once

#include "base/result.h"
#include "driver/report.h"
#include "driver/settings.h"

namespace magpie::bench {

Result<Report> measure_produce(const Settings& settings);

// Everything the topic holds. kUnavailable when the end is not reached.
Result<Report> measure_consume(const Settings& settings);

// With a rate: the latency at that rate. Without: how much producers and a consumer get through
// together.
Result<Report> measure_follow(const Settings& settings);

}  // namespace magpie::bench
