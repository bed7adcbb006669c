#include "kafka/produce_requests.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/topic_name.h"
#include "kafka/client_deadline.h"
#include "kafka/errors.h"
#include "kafka/leader_hints.h"
#include "kafka/reply.h"
#include "kafka/serving.h"
#include "record/batch.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;

// The error that refuses a whole request, whatever is in it.
ErrorCode request_error(const wire::ProduceRequest& body) {
  if (body.acks < -1 || body.acks > 1) return ErrorCode::kInvalidRequiredAcks;
  // Transactions are not offered; a client that names one must not believe it has it.
  if (body.transactional_id) return ErrorCode::kUnsupportedVersion;
  return ErrorCode::kNone;
}

// The error that refuses one partition's batch before the partition sees it.
ErrorCode batch_error(const Broker& broker, const Request& request, const AskedPartition& asked,
                      const HostedPartition* hosted, const Buffer& batch) {
  if (control::is_internal_topic(asked.topic)) return ErrorCode::kInvalidTopicException;
  const ErrorCode error = leader_error(broker, asked, hosted);
  // A leader without its lease refuses as one that lacks copies does: nothing was stored, and the
  // client is to try again here.
  const bool held = hosted != nullptr && hosted->partition->holds_commits();
  if (error != ErrorCode::kNone) return held ? ErrorCode::kNotEnoughReplicas : error;
  // Before version 7 nobody knew zstd (KIP-110).
  const bool has_header = batch.size() >= record::kBatchHeaderBytes;
  if (request.version < 7 && has_header &&
      record::parse_header(batch.bytes()).codec() == record::Codec::kZstd) {
    return ErrorCode::kUnsupportedCompressionType;
  }
  return ErrorCode::kNone;
}

}  // namespace

void ProduceRequests::start(Broker& broker, const Request& request, wire::ProduceRequest body) {
  const ErrorCode refused = request_error(body);
  if (refused != ErrorCode::kNone) return refuse(broker, request, body, refused);
  const uint64_t id = next_operation_++;
  Operation& operation = operations_.emplace_hint(operations_.end(), id, Operation{})->second;
  operation.request = request;
  operation.wants_answer = body.acks != 0;
  operation.deadline = client_deadline(broker.now, body.timeout_ms);
  deadlines_.emplace(operation.deadline, id);

  // The answer has the request's shape; build it whole first, because `items` points into it.
  operation.response.responses.resize(body.topic_data.size());
  for (size_t t = 0; t < body.topic_data.size(); ++t) {
    auto& topic = operation.response.responses[t];
    topic.name = body.topic_data[t].name;
    topic.partition_responses.resize(body.topic_data[t].partition_data.size());
    for (PartitionAnswer& answer : topic.partition_responses) operation.items.push_back({&answer});
  }
  operation.unsettled = operation.items.size() + 1;  // one for the loop below

  uint32_t item = 0;
  for (auto& topic : body.topic_data) {
    for (auto& asked : topic.partition_data) {
      const uint64_t ticket = Ticket{TicketKind::kProduce, id, item}.pack();
      Item& placed = operation.items[item++];
      placed.answer->index = asked.index;
      const AskedPartition partition{topic.name, PartitionIndex{asked.index}};
      HostedPartition* hosted = find_hosted(broker, partition);
      Buffer batch = std::exchange(asked.records, std::nullopt).value_or(Buffer());
      broker.statistics.produced_bytes += batch.size();
      const ErrorCode error = batch_error(broker, request, partition, hosted, batch);
      if (error != ErrorCode::kNone) {
        placed.answer->error_code = error;
        placed.answer->base_offset = -1;
        operation.refused = true;
        ++broker.statistics.produce_refusals;
        --operation.unsettled;
        continue;
      }
      placed.waiting = true;
      broker.partitions.call(*hosted, broker.effects, [&](auto& called, auto& out) {
        called.append(broker.now, ticket, std::move(batch), out);
      });
    }
  }
  if (--operation.unsettled == 0) finish(broker, id);
}

void ProduceRequests::refuse(Broker& broker, const Request& request,
                             const wire::ProduceRequest& body, ErrorCode error) {
  if (body.acks == 0) {
    broker.connections.skip(request.id, broker.effects);
    return broker.connections.close(request.id.connection, broker.effects);
  }
  wire::ProduceResponse response;
  for (const auto& topic : body.topic_data) {
    auto& answered = response.responses.emplace_back();
    answered.name = topic.name;
    for (const auto& asked : topic.partition_data) {
      answered.partition_responses.push_back(
          {.index = asked.index, .error_code = error, .base_offset = -1});
    }
  }
  reply(broker, request, response);
}

void ProduceRequests::settled(Broker& broker, const HostedPartition* hosted, const Ticket& ticket,
                              partition::Settled& settled) {
  const ErrorCode error = error_of(settled.refusal);
  const bool refused = error != ErrorCode::kNone;
  ++(refused ? broker.statistics.produce_refusals : broker.statistics.produced_batches);
  const auto found = operations_.find(ticket.operation);
  if (found == operations_.end()) return;  // its time was over
  Operation& operation = found->second;
  Item& item = operation.items.at(ticket.item);
  item.waiting = false;
  PartitionAnswer& answer = *item.answer;
  answer.error_code = error;
  operation.refused |= refused;
  answer.base_offset = settled.base_offset.value;
  answer.log_append_time_ms = settled.log_append_time;
  if (!settled.message.empty()) answer.error_message = std::move(settled.message);
  for (const int32_t index : settled.record_indexes) {
    answer.record_errors.push_back({.batch_index = index, .batch_index_error_message = {}});
  }
  if (hosted != nullptr) answer.log_start_offset = hosted->partition->log_start().value;
  if (--operation.unsettled == 0) finish(broker, found->first);
}

void ProduceRequests::tick(Broker& broker) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= broker.now.instant) {
    const uint64_t id = deadlines_.begin()->second;
    for (Item& item : operations_.at(id).items) {
      if (!item.waiting) continue;
      item.answer->error_code = ErrorCode::kRequestTimedOut;
      item.answer->base_offset = -1;
    }
    finish(broker, id);
  }
}

void ProduceRequests::finish(Broker& broker, uint64_t id) {
  const auto found = operations_.find(id);
  Operation& operation = found->second;
  deadlines_.erase({operation.deadline, id});
  if (operation.wants_answer) {
    for (auto& topic : operation.response.responses) {
      for (PartitionAnswer& answer : topic.partition_responses) {
        hint_leader(broker, operation.request, topic.name, answer.index, operation.response,
                    answer);
      }
    }
    reply(broker, operation.request, operation.response);
  } else {
    broker.connections.skip(operation.request.id, broker.effects);
    // Without an answer, closing is the only way to say that something was not stored.
    if (operation.refused)
      broker.connections.close(operation.request.id.connection, broker.effects);
  }
  operations_.erase(found);
}

}  // namespace magpie::kafka
