#include "log/batch_cleaner.h"

#include <algorithm>
#include <utility>

#include "base/planted_bug.h"
#include "record/reader.h"
#include "record/rebuild.h"

namespace magpie::log {
namespace {

// How long a producer's last header outlives its records; producer.id.expiration.ms.
constexpr int64_t kProducerMillis = 24 * 3'600 * 1'000;

}  // namespace

BatchCleaner::BatchCleaner(WallTime now, Duration tombstone_age, Offset clean_end,
                           const HashSeed& seed, size_t keys_max)
    : now_(now.millis),
      tombstones_stay_(tombstone_age == Duration::max()),
      horizon_(tombstone_age.to_milliseconds() > INT64_MAX - now.millis
                   ? INT64_MAX
                   : now.millis + tombstone_age.to_milliseconds()),
      seed_(seed),
      last_of_key_(keys_max),
      range_end_(clean_end) {}

Result<bool> BatchCleaner::learn(const record::BatchHeader& header, const Buffer& batch) {
  if (!header.is_control()) {
    Result<record::RecordReader> reader = record::RecordReader::open(batch);
    if (!reader) return fail(std::move(reader.error()));
    while (true) {
      const Result<std::optional<record::RecordView>> record = reader->next();
      if (!record) return fail(record.error());
      if (!*record) break;
      if (!(*record)->key) continue;
      const KeyHash hash = hash_key(*(*record)->key, seed_);
      if (planted(PlantedBug::kCompactionKeepsOldest) && last_of_key_.find(hash)) continue;
      if (!last_of_key_.put(hash, (*record)->offset)) return false;
    }
  }
  if (header.producer_id != kNoProducerId) {
    last_of_producer_[header.producer_id] = header.base_offset;
  }
  range_end_ = header.next_offset();
  return true;
}

// True if the producer's state is known from a later batch or of no interest any more.
bool BatchCleaner::outlived(const record::BatchHeader& header) const {
  if (header.producer_id == kNoProducerId) return true;
  const auto last = last_of_producer_.find(header.producer_id);
  if (last != last_of_producer_.end() && last->second > header.base_offset) return true;
  return now_ - header.max_timestamp > kProducerMillis;
}

Result<std::optional<Buffer>> BatchCleaner::clean(const record::BatchHeader& header,
                                                  const Buffer& batch, bool keep_empty) {
  if (header.is_control()) return batch;
  const std::optional<int64_t> horizon = record::delete_horizon_of(header);
  const bool drop_tombstones =
      (horizon && *horizon <= now_ && !tombstones_stay_) || planted(PlantedBug::kTombstoneKeptNot);
  bool has_tombstone = false;
  const auto keep = [&](const record::RecordView& record) {
    if (!record.key || record.offset >= range_end_) return true;
    const std::optional<Offset> last = last_of_key_.find(hash_key(*record.key, seed_));
    if (planted(PlantedBug::kCompactionKeepsOldest) && last && *last < record.offset) return false;
    if (last && *last > record.offset) return false;
    if (record.is_tombstone() && drop_tombstones) return false;
    has_tombstone |= record.is_tombstone();
    return true;
  };
  const bool in_range = header.next_offset() <= range_end_;
  const bool timed = in_range && !tombstones_stay_;
  Result<Buffer> rest =
      record::keep_records(batch, keep, timed ? std::optional(horizon_) : std::nullopt);
  if (!rest) return fail(std::move(rest.error()));
  if (has_tombstone && timed) {
    next_horizon_ = std::min(next_horizon_.value_or(INT64_MAX), horizon.value_or(horizon_));
  }
  const bool empty = record::parse_header(rest->bytes()).record_count == 0;
  if (empty && !keep_empty && outlived(header)) return std::nullopt;
  return std::move(*rest);
}

}  // namespace magpie::log
