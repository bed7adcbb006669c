#include "record/validate.h"

#include <fmt/format.h>

#include "base/big_endian.h"

namespace magpie::record {
namespace {

// Formats 0 and 1 have their magic byte at the same place, behind offset, size and a 4-byte CRC.
constexpr size_t kMagicAt = 16;
// A record takes at least this many bytes: length, attributes, two deltas, key length, value
// length, number of headers.
constexpr int64_t kRecordBytesMin = 7;

tl::unexpected<Refusal> refuse(Fault fault, std::string message) {
  return tl::unexpected<Refusal>(Refusal{fault, std::move(message)});
}

tl::expected<void, Refusal> check_size(const Buffer& records, const BatchHeader& header) {
  const auto total = static_cast<int64_t>(records.size());
  const int64_t claimed = int64_t{header.length} + int64_t{kBatchLengthPrefixBytes};
  if (claimed < static_cast<int64_t>(kBatchHeaderBytes) || claimed > total) {
    return refuse(Fault::kMalformed,
                  fmt::format("batch says it has {} bytes, but {} were sent", claimed, total));
  }
  if (claimed < total) {
    return refuse(Fault::kNotOneBatch,
                  fmt::format("{} bytes follow the batch; send one batch for each partition",
                              total - claimed));
  }
  return {};
}

tl::expected<void, Refusal> check_records(const BatchHeader& header) {
  if (header.record_count < 1) {
    return refuse(Fault::kRecordCount, "batch has no records");
  }
  if (header.last_offset_delta != header.record_count - 1) {
    return refuse(Fault::kRecordCount,
                  fmt::format("batch has {} records but its last offset delta is {}",
                              header.record_count, header.last_offset_delta));
  }
  const int64_t payload = static_cast<int64_t>(header.size_bytes() - kBatchHeaderBytes);
  if (header.codec() == Codec::kNone && header.record_count > payload / kRecordBytesMin) {
    return refuse(Fault::kRecordCount,
                  fmt::format("{} records cannot fit in {} bytes", header.record_count, payload));
  }
  return {};
}

tl::expected<void, Refusal> check_timestamps(const BatchHeader& header) {
  if (header.uses_log_append_time()) {
    return refuse(Fault::kTimestamp, "producers must not send timestamp type LogAppendTime");
  }
  // -1 means "no timestamp"; some clients leave it at that.
  if (header.first_timestamp < -1 || header.max_timestamp < header.first_timestamp) {
    return refuse(Fault::kTimestamp, fmt::format("timestamps from {} to {} are impossible",
                                                 header.first_timestamp, header.max_timestamp));
  }
  return {};
}

tl::expected<void, Refusal> check_producer(const BatchHeader& header) {
  if (header.is_control()) {
    return refuse(Fault::kControl, "producers must not send control batches");
  }
  // Without a producer id the other two fields mean nothing; kafkajs sends zeros there.
  const ProducerId id = header.producer_id;
  if (id == kNoProducerId) return {};
  if (id.value < 0 || header.producer_epoch.value < 0 || header.base_sequence < 0) {
    return refuse(Fault::kProducer,
                  fmt::format("producer id {} with epoch {} and sequence {} is not valid", id.value,
                              header.producer_epoch.value, header.base_sequence));
  }
  return {};
}

}  // namespace

tl::expected<BatchHeader, Refusal> validate_produced(const Buffer& records) {
  if (records.empty()) return refuse(Fault::kNotOneBatch, "no batch was sent");
  if (records.size() > kMagicAt) {
    const auto magic = load_big_endian<int8_t>(records.bytes(), kMagicAt);
    if (magic == 0 || magic == 1) {
      return refuse(Fault::kOldFormat,
                    fmt::format("message format {} is not supported; use a client newer than 0.11 "
                                "and message format 2",
                                magic));
    }
    if (magic != kMagic) {
      return refuse(Fault::kMalformed, fmt::format("unknown message format {}", magic));
    }
  }
  if (records.size() < kBatchHeaderBytes) {
    return refuse(Fault::kMalformed,
                  fmt::format("{} bytes are too few for a batch header", records.size()));
  }
  const BatchHeader header = parse_header(records.bytes());
  if (const auto size = check_size(records, header); !size) {
    return tl::unexpected<Refusal>(size.error());
  }
  if (!checksum_matches(records.bytes())) {
    return refuse(Fault::kChecksum, "the batch does not match its checksum");
  }
  const uint16_t codec = header.attributes & kCodecMask;
  if (codec > static_cast<uint16_t>(Codec::kZstd)) {
    return refuse(Fault::kUnknownCodec, fmt::format("unknown compression codec {}", codec));
  }
  constexpr auto kKnownBits =
      static_cast<uint16_t>(kCodecMask | kLogAppendTimeBit | kTransactionalBit | kControlBit);
  if ((header.attributes & ~kKnownBits) != 0) {
    return refuse(Fault::kMalformed,
                  fmt::format("attributes {:#06x} have bits that producers must leave at zero",
                              header.attributes));
  }
  for (const auto check : {check_producer, check_records, check_timestamps}) {
    if (const auto passed = check(header); !passed) {
      return tl::unexpected<Refusal>(passed.error());
    }
  }
  return header;
}

Result<std::vector<Buffer>> split_batches(const Buffer& records) {
  std::vector<Buffer> batches;
  size_t at = 0;
  while (at < records.size()) {
    const size_t left = records.size() - at;
    if (left < kBatchHeaderBytes) {
      return fail(ErrorKind::kCorrupt,
                  fmt::format("{} bytes at {} are too few for a batch header", left, at));
    }
    const BatchHeader header = parse_header(records.bytes().subspan(at));
    if (header.magic == 0 || header.magic == 1) {
      return fail(ErrorKind::kUnsupported,
                  fmt::format("message format {} at {}", header.magic, at));
    }
    if (!is_plausible(header) || header.size_bytes() > left) {
      return fail(ErrorKind::kCorrupt, fmt::format("no whole batch at {}", at));
    }
    batches.push_back(records.slice(at, header.size_bytes()));
    at += header.size_bytes();
  }
  return batches;
}

}  // namespace magpie::record
