// A Kafka record batch, format 2, looked at from outside.
//
// Batches are opaque: the broker reads the 61-byte header, checks the checksum once, writes base
// offset and leader epoch into the header (both lie outside the checksum) and never touches the
// records. The layout is in docs/formats/record-batch.md (source: Kafka documentation, "Record
// Batch").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"

namespace magpie::record {

inline constexpr size_t kBatchHeaderBytes = 61;
// Bytes before the part that the length field counts: base offset and the length field itself.
inline constexpr size_t kBatchLengthPrefixBytes = 12;
inline constexpr int8_t kMagic = 2;

enum class Codec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

// Name as used in Kafka's compression.type: "zstd".
const char* to_string(Codec codec);

// The header's fields. Plain data: producing it does not mean the batch is valid.
struct BatchHeader {
  Offset base_offset;
  int32_t length = 0;  // bytes after the length field
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  int8_t magic = kMagic;
  uint32_t crc = 0;
  uint16_t attributes = 0;
  int32_t last_offset_delta = 0;
  int64_t first_timestamp = 0;
  int64_t max_timestamp = 0;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch{-1};
  int32_t base_sequence = -1;
  int32_t record_count = 0;

  size_t size_bytes() const { return static_cast<size_t>(length) + kBatchLengthPrefixBytes; }
  Offset last_offset() const { return base_offset + last_offset_delta; }
  Offset next_offset() const { return last_offset() + 1; }
  Codec codec() const { return static_cast<Codec>(attributes & 0x07); }
  bool uses_log_append_time() const { return (attributes & 0x08) != 0; }
  bool is_transactional() const { return (attributes & 0x10) != 0; }
  bool is_control() const { return (attributes & 0x20) != 0; }

  bool operator==(const BatchHeader&) const = default;
};

// Reads the header fields. REQUIRES: bytes.size() >= kBatchHeaderBytes.
BatchHeader parse_header(std::span<const std::byte> bytes);

// Writes base offset and leader epoch into a stored batch; the checksum does not cover them.
void stamp(std::span<std::byte> batch, Offset base_offset, LeaderEpoch epoch);

// Sets timestamp type LogAppendTime and the maximum timestamp, and recomputes the checksum.
void stamp_append_time(std::span<std::byte> batch, int64_t now_millis);

// True if the stored checksum matches the bytes. REQUIRES: batch is exactly one whole batch.
bool checksum_matches(std::span<const std::byte> batch);

}  // namespace magpie::record
