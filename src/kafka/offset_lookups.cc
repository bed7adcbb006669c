#include "kafka/offset_lookups.h"

#include <utility>

#include "base/check.h"
#include "kafka/errors.h"
#include "kafka/reply.h"
#include "kafka/serving.h"

namespace magpie::kafka {

using wire::ErrorCode;

namespace {

constexpr int kFirstVersionWithOffsetNotAvailable = 5;

// While the leader's high watermark may not include all that was committed before its term
// (KIP-207); see serving.h.
ErrorCode end_unknown_error(const Request& request) {
  return request.version >= kFirstVersionWithOffsetNotAvailable ? ErrorCode::kOffsetNotAvailable
                                                                : ErrorCode::kLeaderNotAvailable;
}

}  // namespace

void OffsetLookups::start(Broker& broker, const Request& request,
                          const wire::ListOffsetsRequest& body) {
  const uint64_t id = next_operation_++;
  const auto place = operations_.emplace_hint(operations_.end(), id, Operation{});
  Operation& operation = place->second;
  operation.request = request;
  operation.response.topics.resize(body.topics.size());
  for (size_t t = 0; t < body.topics.size(); ++t) {
    auto& topic = operation.response.topics[t];
    topic.name = body.topics[t].name;
    topic.partitions.resize(body.topics[t].partitions.size());
    for (PartitionAnswer& answer : topic.partitions) operation.items.push_back({.answer = &answer});
  }
  uint32_t item = 0;
  for (const auto& topic : body.topics) {
    for (const auto& asked : topic.partitions) {
      look_up(broker, id, operation, item++, topic.name, asked);
    }
  }
  finish_if_complete(broker, place);
}

void OffsetLookups::look_up(Broker& broker, uint64_t id, Operation& operation, uint32_t item,
                            std::string_view topic,
                            const wire::ListOffsetsRequest::Partition& asked) {
  PartitionAnswer& answer = *operation.items[item].answer;
  answer.partition_index = asked.partition_index;
  const AskedPartition named{topic, PartitionIndex{asked.partition_index},
                             asked.current_leader_epoch};
  HostedPartition* hosted = find_hosted(broker, named);
  answer.error_code = leader_error(broker, named, hosted);
  if (answer.error_code != ErrorCode::kNone) return;
  const partition::Partition& partition = *hosted->partition;
  const bool wants_end = asked.timestamp == kLatestTimestamp || asked.timestamp == kMaxTimestamp;
  if (wants_end && !knows_its_end(*hosted)) {
    answer.error_code = end_unknown_error(operation.request);
    return;
  }
  if (asked.timestamp == kLatestTimestamp) {
    answer.offset = partition.high_watermark().value;
    answer.leader_epoch = partition.leader_epoch().value;
    return;
  }
  if (asked.timestamp == kEarliestTimestamp) {
    answer.offset = partition.log_start().value;
    answer.leader_epoch = partition.epochs().epoch_of(partition.log_start()).value;
    return;
  }
  if (asked.timestamp < kMaxTimestamp) {
    answer.error_code = ErrorCode::kUnsupportedVersion;
    return;
  }
  operation.items[item].route = hosted->route;
  operation.items[item].waiting = true;
  ++operation.waiting;
  const uint64_t ticket = Ticket{TicketKind::kOffsetLookup, id, item}.pack();
  broker.partitions.call(*hosted, broker.effects, [&](auto& called, auto& out) {
    if (asked.timestamp == kMaxTimestamp) {
      called.find_max_timestamp(broker.now, ticket, out);
    } else {
      called.find_timestamp(broker.now, ticket, asked.timestamp, out);
    }
  });
}

void OffsetLookups::found(Broker& broker, const HostedPartition* hosted, const Ticket& ticket,
                          const partition::TimestampFound& found) {
  const auto place = operations_.find(ticket.operation);
  if (place == operations_.end()) return;
  Operation& operation = place->second;
  Item& item = operation.items.at(ticket.item);
  if (!item.waiting) return;
  item.waiting = false;
  --operation.waiting;
  if (!found.status) {
    item.answer->error_code = read_error(found.status.error());
  } else if (found.offset && hosted != nullptr) {
    item.answer->offset = found.offset->value;
    item.answer->timestamp = found.timestamp;
    item.answer->leader_epoch = hosted->partition->epochs().epoch_of(*found.offset).value;
  } else if (hosted != nullptr && !knows_its_end(*hosted)) {
    item.answer->error_code = end_unknown_error(operation.request);
  }
  finish_if_complete(broker, place);
}

void OffsetLookups::partition_lost(Broker& broker, const HostedPartition& hosted) {
  for (auto place = operations_.begin(); place != operations_.end();) {
    const auto current = place++;
    for (Item& item : current->second.items) {
      if (!item.waiting || item.route != hosted.route) continue;
      item.waiting = false;
      --current->second.waiting;
      item.answer->error_code = ErrorCode::kNotLeaderOrFollower;
    }
    finish_if_complete(broker, current);
  }
}

void OffsetLookups::finish_if_complete(Broker& broker, Operations::iterator place) {
  if (place->second.waiting > 0) return;
  reply(broker, place->second.request, place->second.response);
  operations_.erase(place);
}

}  // namespace magpie::kafka
