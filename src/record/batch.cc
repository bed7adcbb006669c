#include "record/batch.h"

#include "base/big_endian.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace magpie::record {
namespace {

// Byte positions of the fields; docs/formats/record-batch.md.
constexpr size_t kBaseOffsetAt = 0;
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kFirstTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kRecordCountAt = 57;
static_assert(kRecordCountAt + 4 == kBatchHeaderBytes);
static_assert(kLengthAt + 4 == kBatchLengthPrefixBytes);

}  // namespace

const char* to_string(Codec codec) {
  switch (codec) {
    case Codec::kNone:
      return "none";
    case Codec::kGzip:
      return "gzip";
    case Codec::kSnappy:
      return "snappy";
    case Codec::kLz4:
      return "lz4";
    case Codec::kZstd:
      return "zstd";
  }
  return "unknown";
}

BatchHeader parse_header(std::span<const std::byte> bytes) {
  CHECK(bytes.size() >= kBatchHeaderBytes);
  BatchHeader header;
  header.base_offset = {load_big_endian<int64_t>(bytes, kBaseOffsetAt)};
  header.length = load_big_endian<int32_t>(bytes, kLengthAt);
  header.leader_epoch = {load_big_endian<int32_t>(bytes, kLeaderEpochAt)};
  header.magic = load_big_endian<int8_t>(bytes, kMagicAt);
  header.crc = load_big_endian<uint32_t>(bytes, kCrcAt);
  header.attributes = load_big_endian<uint16_t>(bytes, kAttributesAt);
  header.last_offset_delta = load_big_endian<int32_t>(bytes, kLastOffsetDeltaAt);
  header.first_timestamp = load_big_endian<int64_t>(bytes, kFirstTimestampAt);
  header.max_timestamp = load_big_endian<int64_t>(bytes, kMaxTimestampAt);
  header.producer_id = {load_big_endian<int64_t>(bytes, kProducerIdAt)};
  header.producer_epoch = {load_big_endian<int16_t>(bytes, kProducerEpochAt)};
  header.base_sequence = load_big_endian<int32_t>(bytes, kBaseSequenceAt);
  header.record_count = load_big_endian<int32_t>(bytes, kRecordCountAt);
  return header;
}

bool is_plausible(const BatchHeader& header) {
  return header.magic == kMagic &&
         header.length >= static_cast<int32_t>(kBatchHeaderBytes - kBatchLengthPrefixBytes) &&
         header.size_bytes() <= kBatchBytesMax && header.base_offset.value >= 0 &&
         header.last_offset_delta >= 0 &&
         header.base_offset.value < INT64_MAX - header.last_offset_delta &&
         header.record_count >= 0 && header.record_count <= int64_t{header.last_offset_delta} + 1 &&
         (header.attributes & kCodecMask) <= static_cast<uint16_t>(Codec::kZstd);
}

void store_header(std::span<std::byte> bytes, const BatchHeader& header) {
  CHECK(bytes.size() >= kBatchHeaderBytes);
  store_big_endian(bytes, kBaseOffsetAt, header.base_offset.value);
  store_big_endian(bytes, kLengthAt, header.length);
  store_big_endian(bytes, kLeaderEpochAt, header.leader_epoch.value);
  store_big_endian(bytes, kMagicAt, header.magic);
  store_big_endian(bytes, kCrcAt, header.crc);
  store_big_endian(bytes, kAttributesAt, header.attributes);
  store_big_endian(bytes, kLastOffsetDeltaAt, header.last_offset_delta);
  store_big_endian(bytes, kFirstTimestampAt, header.first_timestamp);
  store_big_endian(bytes, kMaxTimestampAt, header.max_timestamp);
  store_big_endian(bytes, kProducerIdAt, header.producer_id.value);
  store_big_endian(bytes, kProducerEpochAt, header.producer_epoch.value);
  store_big_endian(bytes, kBaseSequenceAt, header.base_sequence);
  store_big_endian(bytes, kRecordCountAt, header.record_count);
}

uint32_t checksum_of(std::span<const std::byte> batch) {
  CHECK(batch.size() >= kBatchHeaderBytes);
  return crc32c(batch.subspan(kAttributesAt));
}

void stamp(std::span<std::byte> batch, Offset base_offset, LeaderEpoch epoch) {
  CHECK(batch.size() >= kBatchHeaderBytes);
  store_big_endian(batch, kBaseOffsetAt, base_offset.value);
  store_big_endian(batch, kLeaderEpochAt, epoch.value);
}

void stamp_append_time(std::span<std::byte> batch, int64_t now_millis) {
  CHECK(batch.size() >= kBatchHeaderBytes);
  const auto attributes = load_big_endian<uint16_t>(batch, kAttributesAt);
  store_big_endian(batch, kAttributesAt, static_cast<uint16_t>(attributes | kLogAppendTimeBit));
  store_big_endian(batch, kMaxTimestampAt, now_millis);
  store_big_endian(batch, kCrcAt, checksum_of(batch));
}

bool checksum_matches(std::span<const std::byte> batch) {
  return load_big_endian<uint32_t>(batch, kCrcAt) == checksum_of(batch);
}

}  // namespace magpie::record
