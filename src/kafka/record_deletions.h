// DeleteRecords (key 21): make an offset the first one of a partition.
//
// An answer without an error says that the records do not come back: the leader and everyone whose
// copy a failover without loss may choose have dropped them. Kafka's leader waits in the same way.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "kafka/broker.h"
#include "partition/messages.h"
#include "wire/delete_records.h"

namespace magpie::kafka {

class RecordDeletions {
 public:
  // Answers once every partition's new start is durable here and where it must be, or the time that
  // the client allows is over; what was dropped stays dropped then, too.
  void start(Broker& broker, const Request& request, const wire::DeleteRecordsRequest& body);

  // A partition's log start moved, by this or by retention, or could not be moved.
  void trimmed(Broker& broker, const HostedPartition& hosted, const partition::Trimmed& trimmed);

  // Everyone who must has dropped what the leader has; see partition::TrimmedEverywhere.
  void trimmed_everywhere(Broker& broker, const HostedPartition& hosted);

  // Answers those whose time is over.
  void tick(Broker& broker);
  Instant next_deadline() const {
    return deadlines_.empty() ? Instant::never() : deadlines_.begin()->first;
  }

  // `hosted` is about to be removed or lost its storage: its deletions are answered with an error.
  void partition_lost(Broker& broker, const HostedPartition& hosted);

 private:
  using PartitionAnswer = wire::DeleteRecordsResponse::Partition;
  struct Item {
    PartitionAnswer* answer = nullptr;
    Route route = 0;
    Offset wanted;
    bool waiting = false;
  };
  struct Operation {
    Request request;
    wire::DeleteRecordsResponse response;
    std::vector<Item> items;
    size_t waiting = 0;
    Instant deadline;
  };
  using Operations = std::map<uint64_t, Operation>;

  void remove(Broker& broker, Operation& operation, Item& item, std::string_view topic,
              const wire::DeleteRecordsRequest::Partition& asked);
  // The answer to all that wait for this partition, if it is time.
  template <typename Decide>
  void settle(Broker& broker, Route route, Decide decide);
  void finish_if_complete(Broker& broker, Operations::iterator place);

  uint64_t next_operation_ = 0;
  Operations operations_;
  std::set<std::pair<Instant, uint64_t>> deadlines_;
};

}  // namespace magpie::kafka
