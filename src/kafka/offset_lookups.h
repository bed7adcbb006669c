// ListOffsets (key 2): where a partition begins, ends, or reached a time.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "kafka/broker.h"
#include "kafka/ticket.h"
#include "partition/messages.h"
#include "wire/list_offsets.h"

namespace magpie::kafka {

// Special values of the timestamp field.
inline constexpr int64_t kLatestTimestamp = -1;    // the high watermark
inline constexpr int64_t kEarliestTimestamp = -2;  // the log start
inline constexpr int64_t kMaxTimestamp = -3;  // the record with the largest timestamp (KIP-734)

class OffsetLookups {
 public:
  // Answers once every partition's offset is known; looking for a time may read the disk.
  void start(Broker& broker, const Request& request, const wire::ListOffsetsRequest& body);

  // A partition found (or did not find) a time.
  void found(Broker& broker, const HostedPartition* hosted, const Ticket& ticket,
             const partition::TimestampFound& found);

  // `hosted` is about to be removed: its lookups are answered with an error.
  void partition_lost(Broker& broker, const HostedPartition& hosted);

 private:
  using PartitionAnswer = wire::ListOffsetsResponse::Partition;
  struct Item {
    PartitionAnswer* answer = nullptr;
    Route route = 0;
    bool waiting = false;
  };
  struct Operation {
    Request request;
    wire::ListOffsetsResponse response;
    std::vector<Item> items;
    size_t waiting = 0;
  };
  using Operations = std::map<uint64_t, Operation>;

  void look_up(Broker& broker, uint64_t id, Operation& operation, uint32_t item,
               std::string_view topic, const wire::ListOffsetsRequest::Partition& asked);
  void finish_if_complete(Broker& broker, Operations::iterator place);

  uint64_t next_operation_ = 0;
  Operations operations_;
};

}  // namespace magpie::kafka
