#include "kafka/fetch_requests.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "control/topic_settings.h"
#include "kafka/cluster_control.h"
#include "kafka/errors.h"
#include "kafka/reply.h"
#include "record/batch.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;

constexpr int8_t kReadCommitted = 1;  // IsolationLevel
constexpr int kFirstVersionWithZstd = 10;

// Whatever a client asks for; as Kafka's broker setting fetch.max.bytes. A single batch may be
// larger.
constexpr int32_t kAnswerBytesMax = 55 * 1024 * 1024;
// Longer waits than this only hold memory.
constexpr int32_t kMaxWaitMillis = 300'000;

Instant deadline_of(const Now& now, int32_t max_wait_millis) {
  return now.instant + Duration::milliseconds(std::clamp(max_wait_millis, 0, kMaxWaitMillis));
}

// Offset and epoch of the client against the log: OFFSET_OUT_OF_RANGE, or the point where the
// client's log differs from ours (KIP-595, which clients from Fetch 12 on understand).
ErrorCode check_position(const partition::Partition& partition,
                         const wire::FetchRequest::Partition& asked,
                         wire::FetchResponse::Partition& answer) {
  const Offset from{asked.fetch_offset};
  if (asked.last_fetched_epoch >= 0) {
    const auto end = partition.epoch_end(LeaderEpoch{asked.last_fetched_epoch});
    const bool diverged = end.epoch.value < asked.last_fetched_epoch || end.end < from;
    if (end.epoch != kNoLeaderEpoch && diverged) {
      answer.diverging_epoch = {.epoch = end.epoch.value, .end_offset = end.end.value};
      return ErrorCode::kNone;
    }
  }
  const bool inside = partition.log_start() <= from && from <= partition.log_end();
  return inside ? ErrorCode::kNone : ErrorCode::kOffsetOutOfRange;
}

// Whether the client goes on with a session, instead of asking for all it wants (KIP-227: epoch 0
// opens a session, -1 ends one or wants none; versions before 7 have neither).
bool continues_session(const wire::FetchRequest& body) {
  return body.session_epoch > 0;
}

// One after the last offset in a run of whole batches; nothing if there are none.
std::optional<Offset> end_of(const BufferChain& batches) {
  std::optional<Offset> end;
  for (const Buffer& piece : batches) {
    size_t position = 0;
    while (position + record::kBatchHeaderBytes <= piece.size()) {
      const record::BatchHeader header = record::parse_header(piece.bytes().subspan(position));
      end = header.next_offset();
      position += header.size_bytes();
    }
  }
  return end;
}

// A topic that promises zstd cannot be read by clients from before it existed (KIP-110). Batches
// that a producer packed so on its own are handed out as they are, as Kafka does.
bool is_readable_in(const Broker& broker, int version, const std::string& topic) {
  if (version >= kFirstVersionWithZstd) return true;
  return control::effective_config("compression.type", broker.control.state().topic_configs(topic),
                                   broker.control.policy().topic_defaults) != "zstd";
}

}  // namespace

void FetchRequests::start(Broker& broker, const Request& request, wire::FetchRequest body) {
  if (continues_session(body)) {
    wire::FetchResponse response;
    response.error_code = ErrorCode::kFetchSessionIdNotFound;
    return reply(broker, request, response);
  }
  const uint64_t id = next_operation_++;
  const auto place = operations_.emplace_hint(operations_.end(), id, Operation{});
  Operation& operation = place->second;
  operation.request = request;
  operation.body = std::move(body);
  operation.deadline = deadline_of(broker.now, operation.body.max_wait_ms);
  gather(broker, id, operation);
  settle(broker, place);
}

// Builds the answer anew from what can be read now.
void FetchRequests::gather(Broker& broker, uint64_t id, Operation& operation) {
  CHECK(operation.reads == 0 && !operation.parked);
  operation.items.clear();
  operation.gathered = 0;
  operation.reserved = 0;
  operation.failed = false;
  operation.response = {};
  operation.response.responses.resize(operation.body.topics.size());
  for (size_t t = 0; t < operation.body.topics.size(); ++t) {
    const auto& asked = operation.body.topics[t];
    auto& answered = operation.response.responses[t];
    answered.topic = asked.topic;
    answered.partitions.resize(asked.partitions.size());
    for (size_t p = 0; p < asked.partitions.size(); ++p) {
      HostedPartition* hosted =
          broker.partitions.find(asked.topic, PartitionIndex{asked.partitions[p].partition});
      operation.items.push_back({&asked.partitions[p], &answered.partitions[p],
                                 hosted == nullptr ? 0 : hosted->route, false, false});
    }
  }
  for (uint32_t i = 0; i < operation.items.size(); ++i) gather_item(broker, id, operation, i);
}

void FetchRequests::gather_item(Broker& broker, uint64_t id, Operation& operation, uint32_t index) {
  Item& item = operation.items[index];
  PartitionAnswer& answer = *item.answer;
  answer.partition_index = item.asked->partition;
  answer.high_watermark = -1;
  // Transactions are not offered, so there are no aborted ones (pitfall 20).
  if (operation.body.isolation_level == kReadCommitted) answer.aborted_transactions.emplace();
  HostedPartition* hosted = broker.partitions.find(item.route);
  ErrorCode error = leadership_error(hosted, item.asked->current_leader_epoch);
  if (error == ErrorCode::kNone) {
    const partition::Partition& partition = *hosted->partition;
    answer.high_watermark = partition.high_watermark().value;
    answer.last_stable_offset = partition.last_stable_offset().value;
    answer.log_start_offset = partition.log_start().value;
    error = check_position(partition, *item.asked, answer);
    if (!is_readable_in(broker, operation.request.version, hosted->topic)) {
      error = ErrorCode::kUnsupportedCompressionType;
    }
  }
  answer.error_code = error;
  if (error != ErrorCode::kNone || answer.diverging_epoch.epoch >= 0) {
    operation.failed = true;
    return;
  }
  const Offset from{item.asked->fetch_offset};
  if (from >= hosted->partition->high_watermark()) return;
  const auto limit =
      static_cast<uint64_t>(std::clamp(operation.body.max_bytes, 0, kAnswerBytesMax));
  const uint64_t taken = operation.gathered + operation.reserved;
  const uint64_t left = limit > taken ? limit - taken : 0;
  const auto wanted = static_cast<uint64_t>(std::max(item.asked->partition_max_bytes, 0));
  // KIP-74: the first batch found is returned whatever its size, so that a consumer always
  // advances.
  const bool at_least_one = taken == 0;
  item.takes_any_size = at_least_one;
  const uint64_t max_bytes = std::min(wanted, left);
  if (max_bytes == 0 && !at_least_one) return;
  const uint64_t ticket = Ticket{TicketKind::kFetch, id, index}.pack();
  auto read = broker.partitions.call(*hosted, broker.effects, [&](auto& partition, auto& out) {
    return partition.read(broker.now, ticket, from, max_bytes, at_least_one, out);
  });
  if (!read) {
    item.reading = true;
    ++operation.reads;
    operation.reserved += std::max<uint64_t>(max_bytes, 1);
    return;
  }
  operation.gathered += size_of(*read);
  answer.records = std::move(*read);
}

void FetchRequests::read_done(Broker& broker, const Ticket& ticket, partition::ReadDone& done) {
  const auto found = operations_.find(ticket.operation);
  if (found == operations_.end()) return;
  Operation& operation = found->second;
  Item& item = operation.items.at(ticket.item);
  if (!item.reading) return;
  item.reading = false;
  --operation.reads;
  if (done.status) {
    operation.gathered += size_of(done.batches);
    item.answer->records = std::move(done.batches);
  } else {
    item.answer->error_code = read_error(done.status.error());
    operation.failed = true;
  }
  settle(broker, found);
}

// Answers, parks or goes on waiting for disk reads.
void FetchRequests::settle(Broker& broker, Operations::iterator place) {
  Operation& operation = place->second;
  if (operation.reads > 0) return;
  if (operation.abandoned) {
    operations_.erase(place);
    return;
  }
  const bool enough = operation.gathered >= wanted_bytes(operation) || operation.failed ||
                      operation.items.empty() || is_cut_short(operation);
  if (enough || operation.deadline <= broker.now.instant) return finish(broker, place);
  park(broker, place->first, operation);
}

void FetchRequests::park(Broker& broker, uint64_t id, Operation& operation) {
  operation.parked = true;
  operation.size_at_park = size_of_partitions(broker, operation);
  deadlines_.emplace(operation.deadline, id);
  for (const Item& item : operation.items) {
    HostedPartition* hosted = broker.partitions.find(item.route);
    CHECK(hosted != nullptr);
    hosted->waiting_fetches.push_back(id);
  }
}

void FetchRequests::unpark(Broker& broker, uint64_t id, Operation& operation) {
  CHECK(operation.parked);
  operation.parked = false;
  deadlines_.erase({operation.deadline, id});
  woken_.erase(id);
  for (const Item& item : operation.items) {
    if (HostedPartition* hosted = broker.partitions.find(item.route)) {
      std::erase(hosted->waiting_fetches, id);
    }
  }
}

void FetchRequests::finish(Broker& broker, Operations::iterator place) {
  Operation& operation = place->second;
  broker.statistics.fetched_bytes += operation.gathered;
  reply(broker, operation.request, operation.response);
  operations_.erase(place);
}

void FetchRequests::wake(HostedPartition& hosted) {
  woken_.insert(hosted.waiting_fetches.begin(), hosted.waiting_fetches.end());
}

void FetchRequests::partition_lost(Broker& broker, HostedPartition& hosted) {
  for (const uint64_t id : hosted.waiting_fetches) operations_.at(id).lost = true;
  wake(hosted);
  for (auto place = operations_.begin(); place != operations_.end();) {
    const auto current = place++;
    Operation& operation = current->second;
    for (Item& item : operation.items) {
      if (item.route != hosted.route || !item.reading) continue;
      item.reading = false;
      --operation.reads;
      operation.failed = true;
      item.answer->error_code = ErrorCode::kNotLeaderOrFollower;
      if (operation.reads == 0) {
        settle(broker, current);
        break;
      }
    }
  }
}

void FetchRequests::connection_closed(Broker& broker, port::ConnectionId connection) {
  for (auto place = operations_.begin(); place != operations_.end();) {
    Operation& operation = place->second;
    if (operation.request.id.connection != connection) {
      ++place;
      continue;
    }
    if (operation.parked) unpark(broker, place->first, operation);
    operation.abandoned = true;
    place = operation.reads == 0 ? operations_.erase(place) : std::next(place);
  }
}

void FetchRequests::answer_parked(Broker& broker) {
  for (auto place = operations_.begin(); place != operations_.end();) {
    const auto current = place++;
    if (!current->second.parked) continue;
    unpark(broker, current->first, current->second);
    finish(broker, current);
  }
}

void FetchRequests::tick(Broker& broker) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= broker.now.instant) {
    woken_.insert(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
  }
  const std::set<uint64_t> woken = std::exchange(woken_, {});
  for (const uint64_t id : woken) {
    const auto place = operations_.find(id);
    if (place == operations_.end() || !place->second.parked) continue;
    Operation& operation = place->second;
    // Not worth reading again until enough was appended; the sizes are an upper bound.
    const uint64_t grown = size_of_partitions(broker, operation) - operation.size_at_park;
    const bool due = operation.deadline <= broker.now.instant;
    const bool shrunk = grown > (uint64_t{1} << 62);  // by retention
    if (!due && !operation.lost && !shrunk &&
        operation.gathered + grown < wanted_bytes(operation)) {
      continue;
    }
    unpark(broker, id, operation);
    gather(broker, id, operation);
    settle(broker, place);
  }
}

Instant FetchRequests::next_deadline() const {
  if (!woken_.empty()) return Instant{};
  return deadlines_.empty() ? Instant::never() : deadlines_.begin()->first;
}

// Nobody can be given more than max_bytes, whatever the minimum.
uint64_t FetchRequests::wanted_bytes(const Operation& operation) {
  return static_cast<uint64_t>(
      std::max(std::min(operation.body.min_bytes, operation.body.max_bytes), 0));
}

// Waiting would bring nothing for such a partition: only whole batches are handed out, so what is
// taken can stay below a minimum that equals the limit. An empty answer where any size would have
// done is a gap that compaction left, and no reason to answer at once.
bool FetchRequests::is_cut_short(const Operation& operation) {
  return std::any_of(operation.items.begin(), operation.items.end(), [](const Item& item) {
    const PartitionAnswer& answer = *item.answer;
    if (answer.error_code != ErrorCode::kNone || answer.diverging_epoch.epoch >= 0) return false;
    const std::optional<Offset> end = answer.records ? end_of(*answer.records) : std::nullopt;
    if (!end && item.takes_any_size) return false;
    return end.value_or(Offset{item.asked->fetch_offset}).value < answer.high_watermark;
  });
}

uint64_t FetchRequests::size_of_partitions(Broker& broker, const Operation& operation) const {
  uint64_t total = 0;
  for (const Item& item : operation.items) {
    if (const HostedPartition* hosted = broker.partitions.find(item.route)) {
      total += hosted->partition->size_bytes();
    }
  }
  return total;
}

}  // namespace magpie::kafka
