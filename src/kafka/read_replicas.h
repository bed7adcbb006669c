// Sending consumers to the copy in their own region (KIP-392).
//
// A leader names a follower to read from if the consumer says that it stands in that follower's
// region, the partition's failover group has `consistency: prefix`, the follower's node is alive,
// and its log agrees with the leader's and reaches the offset asked for. So it is never sent to a
// copy that does not hold what it wants next.
//
// A follower may refuse all the same (its own log may begin later, it may just have lost the
// leader). Then the consumer comes back with the offset it was sent away with, and is served here:
// two nodes never send it back and forth.
//
// Limit: remembered for the last 100,000 partitions of connections that were sent away; beyond
// that all are forgotten, and consumers may be sent away once more.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "kafka/broker.h"

namespace magpie::kafka {

class ReadReplicas {
 public:
  // Nodes of the consumer's region that this request may be sent to; empty if there are none, or if
  // it stands in this node's own region. `rack` as the consumer says it.
  static std::set<NodeId> near(const Broker& broker, const Request& request,
                               const std::string& rack);

  // The replica to read `from` on instead of here; nothing: read here. REQUIRES: `hosted` leads.
  std::optional<NodeId> choose(const Broker& broker, const Request& request,
                               const std::set<NodeId>& near, const HostedPartition& hosted,
                               Offset from);

  void connection_closed(port::ConnectionId connection);

 private:
  std::map<std::pair<port::ConnectionId, Route>, Offset> sent_away_;
};

}  // namespace magpie::kafka
