#include "kafka/fetch_requests.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "control/topic_settings.h"
#include "kafka/cluster_control.h"
#include "kafka/epoch_ends.h"
#include "kafka/errors.h"
#include "kafka/leader_hints.h"
#include "kafka/reply.h"
#include "kafka/serving.h"
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

// The point where the log that the client has read differs from the leader's (KIP-595, which
// clients from Fetch 12 on understand); nothing if it does not, as far as is known.
std::optional<partition::EpochCache::EpochEnd> divergence(
    const partition::Partition& leader, const wire::FetchRequest::Partition& asked) {
  if (asked.last_fetched_epoch < 0) return std::nullopt;
  const auto end = end_of_epoch(leader, LeaderEpoch{asked.last_fetched_epoch});
  if (end.epoch == kNoLeaderEpoch) return std::nullopt;
  const bool diverged =
      end.epoch.value < asked.last_fetched_epoch || end.end.value < asked.fetch_offset;
  return diverged ? std::optional(end) : std::nullopt;
}

// A follower does not know what is out of range: its log may end before the leader's, and begin
// after it. What lies beyond its end is waited for.
ErrorCode position_error(const partition::Partition& partition, Offset from) {
  const bool is_below = from < partition.log_start();
  if (partition.role() == partition::Role::kFollower) {
    return is_below ? ErrorCode::kNotLeaderOrFollower : ErrorCode::kNone;
  }
  const bool is_inside = !is_below && from <= partition.next_offset();
  return is_inside ? ErrorCode::kNone : ErrorCode::kOffsetOutOfRange;
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
  operation.urgent = false;
  operation.lost = false;
  operation.near = ReadReplicas::near(broker, operation.request, operation.body.rack_id);
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
      operation.items.push_back({.topic = &asked.topic,
                                 .asked = &asked.partitions[p],
                                 .answer = &answered.partitions[p],
                                 .route = hosted == nullptr ? 0 : hosted->route});
    }
  }
  for (uint32_t i = 0; i < operation.items.size(); ++i) gather_item(broker, id, operation, i);
}

// False if the answer says all there is to say about the partition: an error, where the client's
// log diverges, or another replica.
bool FetchRequests::may_read(Broker& broker, Operation& operation, Item& item,
                             HostedPartition* hosted) {
  PartitionAnswer& answer = *item.answer;
  const AskedPartition named{*item.topic, PartitionIndex{item.asked->partition},
                             item.asked->current_leader_epoch};
  answer.error_code = fetch_error(broker, operation.request, named, hosted);
  if (answer.error_code != ErrorCode::kNone) return false;
  const partition::Partition& partition = *hosted->partition;
  answer.high_watermark = partition.high_watermark().value;
  answer.last_stable_offset = partition.last_stable_offset().value;
  answer.log_start_offset = partition.log_start().value;
  const bool leads = partition.role() == partition::Role::kLeader;
  if (!is_readable_in(broker, operation.request.version, hosted->topic)) {
    answer.error_code = ErrorCode::kUnsupportedCompressionType;
    return false;
  }
  if (const auto parted = leads ? divergence(partition, *item.asked) : std::nullopt) {
    answer.diverging_epoch = {.epoch = parted->epoch.value, .end_offset = parted->end.value};
    return false;
  }
  const Offset from{item.asked->fetch_offset};
  answer.error_code = position_error(partition, from);
  if (answer.error_code != ErrorCode::kNone) return false;
  if (!leads) return true;
  const auto replica =
      read_replicas_.choose(broker, operation.request, operation.near, *hosted, from);
  if (!replica) return true;
  answer.preferred_read_replica = replica->value;
  ++broker.statistics.fetches_sent_to_followers;
  return false;
}

void FetchRequests::gather_item(Broker& broker, uint64_t id, Operation& operation, uint32_t index) {
  Item& item = operation.items[index];
  PartitionAnswer& answer = *item.answer;
  answer.partition_index = item.asked->partition;
  answer.high_watermark = -1;
  // Transactions are not offered, so there are no aborted ones (pitfall 20).
  if (operation.body.isolation_level == kReadCommitted) answer.aborted_transactions.emplace();
  HostedPartition* hosted = broker.partitions.find(item.route);
  if (!may_read(broker, operation, item, hosted)) {
    operation.urgent = true;
    return;
  }
  if (Offset{item.asked->fetch_offset} >= hosted->partition->high_watermark()) return;
  read_item(broker, id, operation, index, *hosted);
}

void FetchRequests::read_item(Broker& broker, uint64_t id, Operation& operation, uint32_t index,
                              HostedPartition& hosted) {
  Item& item = operation.items[index];
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
  const Offset from{item.asked->fetch_offset};
  auto read = broker.partitions.call(hosted, broker.effects, [&](auto& partition, auto& out) {
    return partition.read(broker.now, ticket, from, max_bytes, at_least_one, out);
  });
  if (!read) {
    item.reading = true;
    ++operation.reads;
    operation.reserved += std::max<uint64_t>(max_bytes, 1);
    return;
  }
  operation.gathered += size_of(*read);
  item.answer->records = std::move(*read);
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
    operation.urgent = true;
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
  const bool enough = operation.gathered >= wanted_bytes(operation) || operation.urgent ||
                      operation.items.empty() || is_cut_short(operation);
  if (enough || operation.deadline <= broker.now.instant) return finish(broker, place);
  park(broker, place->first, operation);
}

void FetchRequests::park(Broker& broker, uint64_t id, Operation& operation) {
  operation.parked = true;
  operation.size_at_park = size_of_partitions(broker, operation);
  operation.more_is_held = false;
  deadlines_.emplace(operation.deadline, id);
  for (const Item& item : operation.items) {
    HostedPartition* hosted = broker.partitions.find(item.route);
    CHECK(hosted != nullptr);
    hosted->waiting_fetches.push_back(id);
    const partition::Partition& partition = *hosted->partition;
    operation.more_is_held |= partition.high_watermark() < partition.log_end();
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
  for (const Item& item : operation.items) {
    hint_leader(broker, operation.request, *item.topic, item.asked->partition, operation.response,
                *item.answer);
  }
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
      operation.urgent = true;
      item.answer->error_code = ErrorCode::kNotLeaderOrFollower;
      if (operation.reads == 0) {
        settle(broker, current);
        break;
      }
    }
  }
}

void FetchRequests::connection_closed(Broker& broker, port::ConnectionId connection) {
  read_replicas_.connection_closed(connection);
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
    // Not worth reading again until enough was appended; the sizes are an upper bound, unless what
    // becomes readable now was there already (it had to reach other regions first).
    const uint64_t grown = size_of_partitions(broker, operation) - operation.size_at_park;
    const bool due = operation.deadline <= broker.now.instant;
    const bool shrunk = grown > (uint64_t{1} << 62);  // by retention
    if (!due && !operation.lost && !operation.more_is_held && !shrunk &&
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
