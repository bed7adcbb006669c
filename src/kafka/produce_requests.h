// Produce (key 0): hand each batch to its partition, answer when all are settled.
//
// A batch may wait long: for other regions, or for enough of them. When the time that the client
// allows is over, what is not settled is answered REQUEST_TIMED_OUT, as Kafka does: the client
// tries again, and a retry of a batch that was taken over waits for the original (G1, G8).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
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

  // A partition settled one batch of one of our requests, perhaps after its time was over; null if
  // it was removed meanwhile.
  void settled(Broker& broker, const HostedPartition* hosted, const Ticket& ticket,
               partition::Settled& settled);

  // Answers what has waited as long as it may.
  void tick(Broker& broker);
  Instant next_deadline() const {
    return deadlines_.empty() ? Instant::never() : deadlines_.begin()->first;
  }

  size_t in_progress() const { return operations_.size(); }

 private:
  using PartitionAnswer = wire::ProduceResponse::Partition;
  struct Item {
    PartitionAnswer* answer = nullptr;  // into the operation's response
    bool waiting = false;
  };
  struct Operation {
    Request request;
    bool wants_answer = true;
    Instant deadline;
    wire::ProduceResponse response;
    std::vector<Item> items;  // by ticket item
    size_t unsettled = 0;
    bool refused = false;  // at least one batch was not stored
  };

  void finish(Broker& broker, uint64_t id);

  uint64_t next_operation_ = 0;
  std::map<uint64_t, Operation> operations_;
  std::set<std::pair<Instant, uint64_t>> deadlines_;
};

}  // namespace magpie::kafka
