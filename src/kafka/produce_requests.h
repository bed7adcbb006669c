// Produce (key 0): hand each batch to its partition, answer when all are settled.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "kafka/broker.h"
#include "kafka/ticket.h"
#include "partition/messages.h"
#include "wire/produce.h"

namespace magpie::kafka {

class ProduceRequests {
 public:
  // Appends every batch of the request. The answer leaves when the last partition has settled its
  // batch; with acks=0 there is none, and acks=1 waits like acks=all, because the failover group's
  // policy and not the client decides how safe a record is.
  void start(Broker& broker, const Request& request, wire::ProduceRequest body);

  // Answers the whole request with one error.
  void refuse(Broker& broker, const Request& request, const wire::ProduceRequest& body,
              wire::ErrorCode error);

  // A partition settled one batch of one of our requests; null if it was removed meanwhile.
  void settled(Broker& broker, const HostedPartition* hosted, const Ticket& ticket,
               partition::Settled& settled);

  size_t in_progress() const { return operations_.size(); }

 private:
  using PartitionAnswer = wire::ProduceResponse::Partition;
  struct Operation {
    Request request;
    bool wants_answer = true;
    wire::ProduceResponse response;
    std::vector<PartitionAnswer*> items;  // into `response`, by ticket item
    size_t unsettled = 0;
    bool refused = false;  // at least one batch was not stored
  };

  void finish(Broker& broker, uint64_t id);

  uint64_t next_operation_ = 0;
  std::map<uint64_t, Operation> operations_;
};

}  // namespace magpie::kafka
