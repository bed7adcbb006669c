#include "kafka/record_deletions.h"

#include <optional>
#include <utility>

#include "kafka/client_deadline.h"
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
  operation.deadline = client_deadline(broker.now, body.timeout_ms);
  deadlines_.emplace(operation.deadline, place->first);
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
  if (wanted <= partition.start_everywhere()) {
    answer.low_watermark = partition.log_start().value;
    return;
  }
  item.route = hosted->route;
  item.wanted = wanted;
  item.waiting = true;
  ++operation.waiting;
  if (wanted <= partition.log_start()) return;  // the copies elsewhere are not as far
  broker.partitions.call(*hosted, broker.effects,
                         [&](auto& called, auto& out) { called.trim(broker.now, wanted, out); });
}

void RecordDeletions::trimmed(Broker& broker, const HostedPartition& hosted,
                              const partition::Trimmed& trimmed) {
  const partition::Partition& partition = *hosted.partition;
  settle(broker, hosted.route, [&](const Item& item) -> std::optional<ErrorCode> {
    if (trimmed.asked < item.wanted) return std::nullopt;
    if (trimmed.start < item.wanted) return ErrorCode::kKafkaStorageError;
    if (partition.start_everywhere() < item.wanted) return std::nullopt;
    item.answer->low_watermark = trimmed.start.value;
    return ErrorCode::kNone;
  });
}

void RecordDeletions::trimmed_everywhere(Broker& broker, const HostedPartition& hosted) {
  const partition::Partition& partition = *hosted.partition;
  settle(broker, hosted.route, [&](const Item& item) -> std::optional<ErrorCode> {
    if (partition.start_everywhere() < item.wanted) return std::nullopt;
    item.answer->low_watermark = partition.log_start().value;
    return ErrorCode::kNone;
  });
}

void RecordDeletions::partition_lost(Broker& broker, const HostedPartition& hosted) {
  settle(broker, hosted.route,
         [&](const Item&) { return std::optional(unavailable_error(hosted)); });
}

template <typename Decide>
void RecordDeletions::settle(Broker& broker, Route route, Decide decide) {
  for (auto place = operations_.begin(); place != operations_.end();) {
    const auto current = place++;
    for (Item& item : current->second.items) {
      if (!item.waiting || item.route != route) continue;
      const std::optional<ErrorCode> decided = decide(item);
      if (!decided) continue;
      item.answer->error_code = *decided;
      item.waiting = false;
      --current->second.waiting;
    }
    finish_if_complete(broker, current);
  }
}

void RecordDeletions::tick(Broker& broker) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= broker.now.instant) {
    const auto place = operations_.find(deadlines_.begin()->second);
    for (Item& item : place->second.items) {
      if (!std::exchange(item.waiting, false)) continue;
      item.answer->error_code = ErrorCode::kRequestTimedOut;
      --place->second.waiting;
    }
    finish_if_complete(broker, place);
  }
}

void RecordDeletions::finish_if_complete(Broker& broker, Operations::iterator place) {
  if (place->second.waiting > 0) return;
  deadlines_.erase({place->second.deadline, place->first});
  reply(broker, place->second.request, place->second.response);
  operations_.erase(place);
}

}  // namespace magpie::kafka
