#include "partition/admission.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "record/reader.h"
#include "record/validate.h"

namespace magpie::partition {
namespace {

Refusal refusal_of(record::Fault fault) {
  switch (fault) {
    case record::Fault::kOldFormat:
      return Refusal::kUnsupportedFormat;
    case record::Fault::kMalformed:
    case record::Fault::kChecksum:
      return Refusal::kCorrupt;
    case record::Fault::kUnknownCodec:
      return Refusal::kUnsupportedCodec;
    case record::Fault::kTimestamp:
      return Refusal::kInvalidTimestamp;
    case record::Fault::kNotOneBatch:
    case record::Fault::kRecordCount:
    case record::Fault::kProducer:
    case record::Fault::kControl:
      return Refusal::kInvalidRecord;
  }
  CHECK(false);
}

Settled refused(uint64_t ticket, Refusal refusal, std::string message) {
  Settled settled;
  settled.ticket = ticket;
  settled.refusal = refusal;
  settled.message = std::move(message);
  return settled;
}

// Kafka judges every record's timestamp; the header's extremes decide the same without reading the
// records, except that its first timestamp stands for the smallest.
bool timestamp_allowed(const PartitionConfig& config, WallTime now,
                       const record::BatchHeader& header) {
  if (config.log_append_time) return true;
  const int64_t future = config.timestamp_future_max.to_milliseconds();
  const int64_t past = config.timestamp_past_max.to_milliseconds();
  return header.max_timestamp - now.millis <= future && now.millis - header.first_timestamp <= past;
}

// In a compacted topic a record without a key could never be replaced; Kafka names each such
// record.
std::optional<Settled> check_keys(uint64_t ticket, const Buffer& batch) {
  auto reader = record::RecordReader::open(batch);
  if (!reader) return refused(ticket, Refusal::kCorrupt, reader.error().message);
  Settled keyless =
      refused(ticket, Refusal::kInvalidRecord, "a compacted topic takes only records with a key");
  for (int32_t index = 0;; ++index) {
    auto record = reader->next();
    if (!record) return refused(ticket, Refusal::kCorrupt, record.error().message);
    if (!*record) break;
    if (!(*record)->key) keyless.record_indexes.push_back(index);
  }
  if (keyless.record_indexes.empty()) return std::nullopt;
  return keyless;
}

}  // namespace

std::optional<Settled> check_admission(const PartitionConfig& config, WallTime now, uint64_t ticket,
                                       const Buffer& batch) {
  const auto header = record::validate_produced(batch);
  if (!header) return refused(ticket, refusal_of(header.error().fault), header.error().message);
  if (batch.size() > static_cast<size_t>(config.max_message_bytes)) {
    return refused(ticket, Refusal::kTooLarge,
                   fmt::format("batch of {} bytes is larger than max.message.bytes={}",
                               batch.size(), config.max_message_bytes));
  }
  if (header->is_transactional()) {
    return refused(ticket, Refusal::kTransactional, "transactions are not offered");
  }
  if (!timestamp_allowed(config, now, *header)) {
    return refused(ticket, Refusal::kInvalidTimestamp,
                   "a record's timestamp is outside message.timestamp.before.max.ms or "
                   "message.timestamp.after.max.ms");
  }
  if (config.compact) return check_keys(ticket, batch);
  return std::nullopt;
}

}  // namespace magpie::partition
