// DeleteRecords (key 21): make an offset the first one of a partition.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "kafka/broker.h"
#include "partition/messages.h"
#include "wire/delete_records.h"

namespace magpie::kafka {

class RecordDeletions {
 public:
  // Answers once every partition's new start is durable.
  void start(Broker& broker, const Request& request, const wire::DeleteRecordsRequest& body);

  // A partition's log start moved, by this or by retention, or could not be moved.
  void trimmed(Broker& broker, const HostedPartition& hosted, const partition::Trimmed& trimmed);

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
  };
  using Operations = std::map<uint64_t, Operation>;

  void remove(Broker& broker, Operation& operation, Item& item, std::string_view topic,
              const wire::DeleteRecordsRequest::Partition& asked);
  void finish_if_complete(Broker& broker, Operations::iterator place);

  uint64_t next_operation_ = 0;
  Operations operations_;
};

}  // namespace magpie::kafka
