// Metrics of what is between regions: who lags, what is exposed, which links are up. Families
// without samples on a node that is alone.
#pragma once

#include "admin/metrics_page.h"
#include "admin/view.h"

namespace magpie::admin {

void regions_metrics(const NodeView& view, MetricsPage& page);

}  // namespace magpie::admin
