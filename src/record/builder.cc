#include "record/builder.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "record/codec.h"

namespace magpie::record {
namespace {

// Bytes of the zig-zag varint of `value`.
size_t varlong_bytes(int64_t value) {
  auto rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  size_t bytes = 1;
  for (; rest >= 0x80; rest >>= 7) ++bytes;
  return bytes;
}

void write_nullable(ByteWriter& out, std::optional<std::string_view> text) {
  if (!text) return out.write_varint(-1);
  out.write_varint(static_cast<int32_t>(text->size()));
  out.write_text(*text);
}

}  // namespace

void write_record(ByteWriter& out, int64_t timestamp_delta, int32_t offset_delta,
                  std::string_view body) {
  const size_t length =
      1 + varlong_bytes(timestamp_delta) + varlong_bytes(offset_delta) + body.size();
  out.write_varint(static_cast<int32_t>(length));
  out.write_int8(0);  // attributes, unused in format 2
  out.write_varlong(timestamp_delta);
  out.write_varint(offset_delta);
  out.write_text(body);
}

Buffer assemble(BatchHeader header, const Buffer& records) {
  const Buffer packed = compress(header.codec(), records);
  CHECK(packed.size() <= kBatchBytesMax - kBatchHeaderBytes);
  Buffer batch = Buffer::allocate(kBatchHeaderBytes + packed.size());
  const auto bytes = batch.mutable_bytes();
  header.magic = kMagic;
  header.length = static_cast<int32_t>(batch.size() - kBatchLengthPrefixBytes);
  if (!packed.empty()) {
    std::memcpy(bytes.data() + kBatchHeaderBytes, packed.data(), packed.size());
  }
  store_header(bytes, header);
  header.crc = checksum_of(bytes);
  store_header(bytes, header);
  return batch;
}

void BatchBuilder::set_producer(ProducerId id, ProducerEpoch epoch, int32_t base_sequence) {
  header_.producer_id = id;
  header_.producer_epoch = epoch;
  header_.base_sequence = base_sequence;
}

void BatchBuilder::add(const NewRecord& record) {
  if (header_.record_count == 0) {
    header_.first_timestamp = record.timestamp;
    header_.max_timestamp = record.timestamp;
  }
  header_.max_timestamp = std::max(header_.max_timestamp, record.timestamp);
  ByteWriter body;
  write_nullable(body, record.key);
  write_nullable(body, record.value);
  body.write_varint(static_cast<int32_t>(record.headers.size()));
  for (const RecordHeader& header : record.headers) {
    write_nullable(body, header.key);
    write_nullable(body, header.value);
  }
  write_record(records_, record.timestamp - header_.first_timestamp, header_.record_count,
               flatten(body.finish()).text());
  ++header_.record_count;
}

Buffer BatchBuilder::build() {
  CHECK(header_.record_count > 0);
  header_.attributes = static_cast<uint16_t>(codec_);
  header_.last_offset_delta = header_.record_count - 1;
  const Buffer batch = assemble(header_, flatten(records_.finish()));
  if (header_.producer_id != kNoProducerId) {
    // Sequence numbers wrap from INT32_MAX to 0.
    header_.base_sequence = static_cast<int32_t>(
        (static_cast<int64_t>(header_.base_sequence) + header_.record_count) % (int64_t{1} << 31));
  }
  header_.record_count = 0;
  return batch;
}

}  // namespace magpie::record
