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
#include "base/limits.h"
#include "base/result.h"

namespace magpie::record {

inline constexpr size_t kBatchHeaderBytes = 61;
// Bytes before the part that the length field counts: base offset and the length field itself.
inline constexpr size_t kBatchLengthPrefixBytes = 12;
inline constexpr int8_t kMagic = 2;

enum class Codec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

// Largest batch that can exist: one request. A stored length beyond it is damage.
inline constexpr size_t kBatchBytesMax = limits::kRequestBytes;

// Name as used in Kafka's compression.type: "zstd"; "unknown" for the numbers 5 to 7.
const char* to_string(Codec codec);

// Bits of the attributes field. The rest is reserved and zero.
inline constexpr uint16_t kCodecMask = 0x07;
inline constexpr uint16_t kLogAppendTimeBit = 0x08;
inline constexpr uint16_t kTransactionalBit = 0x10;
inline constexpr uint16_t kControlBit = 0x20;
// Set by compaction: the base timestamp field holds the time from which tombstones in this batch
// may go (KIP-534).
inline constexpr uint16_t kDeleteHorizonBit = 0x40;

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
  Codec codec() const { return static_cast<Codec>(attributes & kCodecMask); }
  bool uses_log_append_time() const { return (attributes & kLogAppendTimeBit) != 0; }
  bool is_transactional() const { return (attributes & kTransactionalBit) != 0; }
  bool is_control() const { return (attributes & kControlBit) != 0; }
  bool has_delete_horizon() const { return (attributes & kDeleteHorizonBit) != 0; }

  bool operator==(const BatchHeader&) const = default;
};

// Reads the header fields. REQUIRES: bytes.size() >= kBatchHeaderBytes.
BatchHeader parse_header(std::span<const std::byte> bytes);

// True if these fields can be those of a stored batch: magic 2, a length that can exist, offsets
// that do not run backwards. Says nothing about the checksum.
bool is_plausible(const BatchHeader& header);

// Writes all fields. REQUIRES: bytes.size() >= kBatchHeaderBytes.
void store_header(std::span<std::byte> bytes, const BatchHeader& header);

// What the checksum field of this batch must hold. REQUIRES: bytes.size() >= kBatchHeaderBytes.
uint32_t checksum_of(std::span<const std::byte> batch);

// Writes base offset and leader epoch into a stored batch; the checksum does not cover them.
void stamp(std::span<std::byte> batch, Offset base_offset, LeaderEpoch epoch);

// Sets timestamp type LogAppendTime and the maximum timestamp (milliseconds), and recomputes the
// checksum. Readers then take the maximum timestamp as the time of every record.
void stamp_append_time(std::span<std::byte> batch, int64_t now_millis);

// True if the stored checksum matches the bytes. REQUIRES: batch is exactly one whole batch.
bool checksum_matches(std::span<const std::byte> batch);

}  // namespace magpie::record
