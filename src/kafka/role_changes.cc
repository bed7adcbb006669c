#include "kafka/role_changes.h"

#include "kafka/fetch_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/positions_ahead.h"
#include "kafka/record_deletions.h"

namespace magpie::kafka {

void role_changed(Broker& broker, HostedPartition& hosted) {
  broker.fetches.partition_lost(broker, hosted);
  broker.offset_lookups.partition_lost(broker, hosted);
  broker.record_deletions.partition_lost(broker, hosted);
  report_positions_ahead(broker, hosted);
}

}  // namespace magpie::kafka
