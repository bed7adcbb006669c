#include "kafka/record_deletions.h"

#include "kafka/errors.h"
#include "kafka/reply.h"
#include "kafka/serving.h"

namespace magpie::kafka {

using wire::ErrorCode;

namespace {

constexpr int64_t kHighWatermark = -1;  // as the wanted offset: everything that can be read

}  // namespace

void RecordDeletions::start(Broker& broker, const Request& request,
                            const wire::DeleteRecordsRequest& body) {
  const auto place = operations_.emplace_hint(operations_.end(), next_operation_++, Operation{});
  Operation& operation = place->second;
  operation.request = request;
  operation.response.topics.resize(body.topics.size());
  for (size_t t = 0; t < body.topics.size(); ++t) {
    auto& topic = operation.response.topics[t];
    topic.name = body.topics[t].name;
    topic.partitions.resize(body.topics[t].partitions.size());
    for (PartitionAnswer& answer : topic.partitions) operation.items.push_back({.answer = &answer});
  }
  size_t item = 0;
  for (const auto& topic : body.topics) {
    for (const auto& asked : topic.partitions) {
      remove(broker, operation, operation.items[item++], topic.name, asked);
    }
  }
  finish_if_complete(broker, place);
}

void RecordDeletions::remove(Broker& broker, Operation& operation, Item& item,
                             std::string_view topic,
                             const wire::DeleteRecordsRequest::Partition& asked) {
  PartitionAnswer& answer = *item.answer;
  answer.partition_index = asked.partition_index;
  answer.low_watermark = -1;
  const AskedPartition named{topic, PartitionIndex{asked.partition_index}};
  HostedPartition* hosted = find_hosted(broker, named);
  answer.error_code = leader_error(broker, named, hosted);
  if (answer.error_code != ErrorCode::kNone) return;
  if (!knows_its_end(*hosted)) {
    answer.error_code = ErrorCode::kLeaderNotAvailable;
    return;
  }
  const partition::Partition& partition = *hosted->partition;
  const Offset wanted =
      asked.offset == kHighWatermark ? partition.high_watermark() : Offset{asked.offset};
  if (wanted.value < 0 || wanted > partition.high_watermark()) {
    answer.error_code = ErrorCode::kOffsetOutOfRange;
    return;
  }
  if (wanted <= partition.log_start()) {
    answer.low_watermark = partition.log_start().value;
    return;
  }
  item.route = hosted->route;
  item.wanted = wanted;
  item.waiting = true;
  ++operation.waiting;
  broker.partitions.call(*hosted, broker.effects,
                         [&](auto& called, auto& out) { called.trim(broker.now, wanted, out); });
}

void RecordDeletions::trimmed(Broker& broker, const HostedPartition& hosted,
                              const partition::Trimmed& trimmed) {
  for (auto place = operations_.begin(); place != operations_.end();) {
    const auto current = place++;
    for (Item& item : current->second.items) {
      if (!item.waiting || item.route != hosted.route || trimmed.asked < item.wanted) continue;
      item.waiting = false;
      --current->second.waiting;
      if (trimmed.start < item.wanted) {
        item.answer->error_code = ErrorCode::kKafkaStorageError;
      } else {
        item.answer->low_watermark = trimmed.start.value;
      }
    }
    finish_if_complete(broker, current);
  }
}

void RecordDeletions::partition_lost(Broker& broker, const HostedPartition& hosted) {
  for (auto place = operations_.begin(); place != operations_.end();) {
    const auto current = place++;
    for (Item& item : current->second.items) {
      if (!item.waiting || item.route != hosted.route) continue;
      item.waiting = false;
      --current->second.waiting;
      item.answer->error_code = unavailable_error(hosted);
    }
    finish_if_complete(broker, current);
  }
}

void RecordDeletions::finish_if_complete(Broker& broker, Operations::iterator place) {
  if (place->second.waiting > 0) return;
  reply(broker, place->second.request, place->second.response);
  operations_.erase(place);
}

}  // namespace magpie::kafka
