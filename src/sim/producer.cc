#include "sim/producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "record/batch.h"
#include "record/builder.h"
#include "wire/init_producer_id.h"
#include "wire/list_offsets.h"

namespace magpie::sim {
namespace {

using wire::ErrorCode;

constexpr size_t kInFlightMax = 5;
constexpr Duration kRetryPause = Duration::milliseconds(50);
constexpr Duration kHastyRetryPause = Duration::milliseconds(1);
constexpr Duration kPatience = Duration::milliseconds(60);

bool is_temporary(ErrorCode error, bool alone) {
  // What only several nodes say.
  if (!alone && (error == ErrorCode::kNotEnoughReplicas || error == ErrorCode::kFencedLeaderEpoch ||
                 error == ErrorCode::kUnknownLeaderEpoch ||
                 error == ErrorCode::kNotEnoughReplicasAfterAppend)) {
    return true;
  }
  return error == ErrorCode::kKafkaStorageError || error == ErrorCode::kNotLeaderOrFollower ||
         error == ErrorCode::kUnknownTopicOrPartition || error == ErrorCode::kUnknownTopicId ||
         error == ErrorCode::kLeaderNotAvailable || error == ErrorCode::kRequestTimedOut;
}

}  // namespace

bool says_stored_long_ago(ErrorCode error, bool alone) {
  return error == ErrorCode::kDuplicateSequenceNumber && !alone;
}

Producer::Producer(Surroundings around, Settings settings)
    : around_(around),
      settings_(std::move(settings)),
      random_(around.scene.random.fork()),
      brokers_(around.brokers(fmt::format("producer-{}", settings_.number))),
      left_(settings_.records) {
  for (const auto& [topic, partition] : settings_.partitions) {
    lanes_.push_back({topic, partition, &around_.topics.ledger(topic, partition), {}, 0, 0, false});
  }
}

bool Producer::is_done() const {
  return left_ == 0 && std::all_of(lanes_.begin(), lanes_.end(),
                                   [](const Lane& lane) { return lane.batches.empty(); });
}

std::string Producer::describe() const {
  size_t waiting = 0;
  for (const Lane& lane : lanes_) waiting += lane.batches.size();
  return fmt::format("producer {}: {} records to send, {} batches not acknowledged",
                     settings_.number, left_, waiting);
}

void Producer::send_more(int records) {
  left_ += records;
  plan_pump(kRetryPause);
}

void Producer::plan_pump(Duration delay) {
  if (pump_planned_) return;
  pump_planned_ = true;
  around_.scene.queue.after(delay, [this] {
    pump_planned_ = false;
    pump();
  });
}

void Producer::pump() {
  if (is_done()) return;
  // Nothing new may overtake what has to be sent again.
  if (brokers_.is_losing()) return plan_pump(kHastyRetryPause);
  if (settings_.idempotent && producer_id_ < 0) return get_producer_id();
  bool retries = false;
  for (Lane& lane : lanes_) {
    const bool busy = std::any_of(lane.batches.begin(), lane.batches.end(),
                                  [](const Batch& batch) { return batch.in_flight; });
    if (lane.sends_again && !busy) lane.sends_again = false;
    retries |= lane.sends_again;
    if (!lane.sends_again) send_unsent(lane);
  }
  if (!retries && left_ > 0 && brokers_.waiting() < kInFlightMax) {
    Lane& lane = lanes_[random_.below(lanes_.size())];
    if (lane.batches.size() < kInFlightMax) make_batch(lane);
    send_unsent(lane);
  }
  plan_pump(draw_pause(random_, around_.think_max()));
}

// --- identity ------------------------------------------------------------------------------------

void Producer::get_producer_id() {
  if (asking_for_id_) return;
  asking_for_id_ = true;
  wire::InitProducerIdRequest request;
  request.transaction_timeout_ms = 60'000;
  const int version = draw_version(random_, wire::ApiKey::kInitProducerId, 0, 4);
  brokers_.any().call<wire::InitProducerIdResponse>(request, version, [this](const auto& response) {
    asking_for_id_ = false;
    if (response && response->error_code == ErrorCode::kNone) {
      producer_id_ = response->producer_id;
      producer_epoch_ = response->producer_epoch;
    }
    plan_pump(kRetryPause);
  });
}

// After a power loss with weak fsync the node may have forgotten this producer; a client then
// starts again with a new id and gives up what was under way.
void Producer::begin_anew() {
  around_.scene.probe("producer_began_anew");
  ++lives_;
  producer_id_ = -1;
  for (Lane& lane : lanes_) {
    lane.batches.clear();
    lane.next_number = 0;
    lane.next_sequence = 0;
    lane.sends_again = false;
  }
  brokers_.disconnect();
  plan_pump(kRetryPause);
}

// --- sending -------------------------------------------------------------------------------------

void Producer::make_batch(Lane& lane) {
  const bool compresses = random_.chance(1, 8);
  record::BatchBuilder builder(compresses ? record::Codec::kLz4 : record::Codec::kNone);
  if (settings_.idempotent) {
    builder.set_producer(ProducerId{producer_id_}, ProducerEpoch{producer_epoch_},
                         lane.next_sequence);
  }
  Batch batch;
  batch.serial = next_serial_++;
  batch.first_number = lane.next_number;
  batch.base_sequence = lane.next_sequence;
  batch.count = static_cast<int32_t>(std::min<int64_t>(random_.between(1, 5), left_));
  for (int32_t i = 0; i < batch.count; ++i) {
    const Origin origin{identity(), lane.next_number + i};
    lane.ledger->sent(origin);
    const std::string key = key_of(origin, settings_.idempotent);
    const std::string value = mark_of(origin, settings_.idempotent);
    const auto stored = is_tombstone(origin) ? std::nullopt : std::optional(value);
    builder.add({around_.wall().millis, key, stored});
  }
  batch.bytes = builder.build();
  left_ -= batch.count;
  lane.next_number += batch.count;
  lane.next_sequence += batch.count;
  lane.batches.push_back(std::move(batch));
}

void Producer::send_unsent(Lane& lane) {
  for (size_t i = 0; i < lane.batches.size();) {
    if (brokers_.waiting() >= kInFlightMax) return;
    if (!lane.batches[i].in_flight) send(lane, lane.batches[i]);
    if (settings_.acks == 0) {
      lane.batches.pop_front();
    } else {
      ++i;
    }
  }
}

void Producer::send(Lane& lane, Batch& batch) {
  const int version = draw_version(random_, wire::ApiKey::kProduce, 3, 13);
  wire::ProduceRequest request;
  request.acks = settings_.acks;
  request.timeout_ms = 10'000;
  wire::ProduceRequestTopic topic;
  if (version >= 13) {
    topic.topic_id = around_.topics.find(lane.topic).id;
  } else {
    topic.name = lane.topic;
  }
  topic.partition_data.push_back({lane.partition, batch.bytes});
  request.topic_data.push_back(std::move(topic));
  Session& session = brokers_.leader(lane.topic, lane.partition);
  if (settings_.acks == 0) return session.tell(request, version);
  batch.in_flight = true;
  const auto index = static_cast<size_t>(&lane - lanes_.data());
  session.call<wire::ProduceResponse>(request, version,
                                      [this, index, serial = batch.serial](const auto& response) {
                                        answered(index, serial, response);
                                      });
  if (!around_.knobs.impatient_producers || around_.scene.healed || !random_.chance(1, 4)) return;
  around_.scene.queue.after(draw_pause(random_, kPatience),
                            [this, index, serial = batch.serial] { lose_patience(index, serial); });
}

// The answer takes too long: all again, over a new connection, while the node still works on it.
void Producer::lose_patience(size_t index, uint64_t serial) {
  const auto& batches = lanes_[index].batches;
  const bool waits = std::any_of(batches.begin(), batches.end(), [&](const Batch& batch) {
    return batch.serial == serial && batch.in_flight;
  });
  if (!waits) return;
  around_.scene.probe("producer_lost_patience");
  brokers_.disconnect();
}

// --- answers -------------------------------------------------------------------------------------

void Producer::answered(size_t index, uint64_t serial,
                        const std::optional<wire::ProduceResponse>& response) {
  Lane& lane = lanes_[index];
  const auto found = std::find_if(lane.batches.begin(), lane.batches.end(),
                                  [&](const Batch& batch) { return batch.serial == serial; });
  if (found == lane.batches.end()) return;  // given up meanwhile
  found->in_flight = false;
  ErrorCode error = ErrorCode::kRequestTimedOut;
  int64_t base_offset = -1;
  int64_t log_start = -1;
  if (response) {
    if (response->responses.size() != 1 || response->responses[0].partition_responses.size() != 1) {
      return around_.scene.violate("protocol",
                                   "a produce answer names other partitions than asked");
    }
    const auto& partition = response->responses[0].partition_responses[0];
    error = partition.error_code;
    base_offset = partition.base_offset;
    log_start = partition.log_start_offset;
  }
  if (error == ErrorCode::kNone) {
    stored(lane, *found, base_offset);
    lane.batches.erase(found);
  } else if (settings_.idempotent && says_stored_long_ago(error, around_.bootstrap.alone)) {
    stored_long_ago(lane, *found);
    lane.batches.erase(found);
  } else if (settings_.idempotent) {
    refused(lane, *found, error, log_start);
  } else {
    // It may be stored or not; sending it again could store it twice.
    brokers_.look_again();
    lane.batches.erase(found);
  }
  const Duration retry_pause = around_.knobs.impatient_producers ? kHastyRetryPause : kRetryPause;
  plan_pump(lane.sends_again ? retry_pause : draw_pause(random_, around_.think_max()));
}

void Producer::stored(Lane& lane, const Batch& batch, int64_t base_offset) {
  const uint32_t crc = record::parse_header(batch.bytes.bytes()).crc;
  for (int32_t i = 0; i < batch.count; ++i) {
    const Origin origin{identity(), batch.first_number + i};
    lane.ledger->acknowledged(base_offset + i, origin, settings_.idempotent, crc);
  }
  lane.last_offset = std::max(lane.last_offset, base_offset + batch.count - 1);
  if (around_.knobs.impatient_producers || random_.chance(1, 4)) check_readable(lane);
}

// The producer went on with another leader, which had this one, before its answer was lost. Kafka's
// clients take it for success.
void Producer::stored_long_ago(Lane& lane, const Batch& batch) {
  around_.scene.probe("stored_long_ago");
  for (int32_t i = 0; i < batch.count; ++i) {
    lane.ledger->acknowledged_somewhere({identity(), batch.first_number + i});
  }
}

// What was acknowledged is below the high watermark, whoever asks.
void Producer::check_readable(Lane& lane) {
  wire::ListOffsetsRequest request;
  request.replica_id = -1;
  wire::ListOffsetsRequestTopic topic;
  topic.name = lane.topic;
  const int32_t epoch = brokers_.epoch(lane.topic, lane.partition);
  topic.partitions.push_back(
      {.partition_index = lane.partition, .current_leader_epoch = epoch, .timestamp = -1});
  request.topics.push_back(std::move(topic));
  const int version = draw_version(random_, wire::ApiKey::kListOffsets, epoch < 0 ? 1 : 4, 9);
  Ledger* ledger = lane.ledger;
  brokers_.leader(lane.topic, lane.partition, Brokers::kSide)
      .call<wire::ListOffsetsResponse>(
          request, version,
          [ledger, epoch, known = ledger->high_watermark_in(epoch)](const auto& response) {
            if (!response) return;
            const auto& partition = response->topics.at(0).partitions.at(0);
            if (partition.error_code != ErrorCode::kNone) return;
            ledger->saw_high_watermark(partition.offset, known, epoch);
          });
}

void Producer::refused(Lane& lane, const Batch& batch, ErrorCode error, int64_t log_start) {
  around_.scene.note("refused", static_cast<int>(error), batch.serial);
  lane.sends_again = true;
  brokers_.look_again();
  if (is_temporary(error, around_.bootstrap.alone)) {
    around_.scene.probe(error == ErrorCode::kRequestTimedOut ? "produce_sent_again"
                                                             : "produce_refused");
    return;
  }
  const bool sequence_lost =
      error == ErrorCode::kOutOfOrderSequenceNumber || error == ErrorCode::kUnknownProducerId;
  // Behind a batch that failed, all others are out of order.
  const bool first = &batch == &lane.batches.front();
  if (sequence_lost && !first) return around_.scene.probe("out_of_order_behind_a_failure");
  // None of its records is left, and a copy that was begun since never knew it. Java's client looks
  // at the same, and begins anew; in old versions the answer does not say where the log begins.
  const bool trims = lane.ledger->may_trim();
  const bool gone = log_start < 0 ? trims : log_start > lane.last_offset;
  if (error == ErrorCode::kUnknownProducerId && gone) {
    around_.scene.probe("producer_forgotten");
    return begin_anew();
  }
  if (sequence_lost && lane.ledger->lost_power()) return begin_anew();
  if (sequence_lost && lane.ledger->failed_over_with_loss()) return begin_anew();
  around_.scene.violate("G8", fmt::format("{}: producer {} sends sequence {}, all before it is "
                                          "acknowledged, and gets error {}",
                                          lane.ledger->settings().name, settings_.number,
                                          batch.base_sequence, static_cast<int>(error)));
}

}  // namespace magpie::sim
