#include "record/reader.h"

#include "base/byte_reader.h"
#include "record/codec.h"

namespace magpie::record {
namespace {

tl::unexpected<Error> damaged(const char* what) {
  return fail(ErrorKind::kCorrupt, std::string("damaged record: ") + what);
}

// A length of -1 stands for null.
std::optional<std::string_view> read_nullable(ByteReader& reader) {
  const int32_t length = reader.read_varint();
  if (length == -1) return std::nullopt;
  if (length < 0) {
    reader.set_failed();
    return std::nullopt;
  }
  return reader.read_text(static_cast<size_t>(length));
}

// Steps over one encoded header.
void skip_header(ByteReader& reader) {
  const int32_t key_length = reader.read_varint();
  if (key_length < 0) return reader.set_failed();
  reader.skip(static_cast<size_t>(key_length));
  read_nullable(reader);
}

}  // namespace

RecordReader::RecordReader(BatchHeader header, Buffer records)
    : header_(header), records_(std::move(records)) {}

Result<RecordReader> RecordReader::open(const Buffer& batch, size_t unpacked_max) {
  if (batch.size() < kBatchHeaderBytes) return damaged("batch too short");
  const BatchHeader header = parse_header(batch.bytes());
  if (header.magic != kMagic) return fail(ErrorKind::kUnsupported, "not message format 2");
  if (!is_plausible(header) || header.size_bytes() != batch.size()) {
    return damaged("batch header contradicts itself");
  }
  const Buffer packed = batch.slice(kBatchHeaderBytes, batch.size() - kBatchHeaderBytes);
  // Compaction leaves empty batches; they hold no compressed data either.
  if (header.record_count == 0) return RecordReader(header, Buffer());
  Result<Buffer> records = decompress(header.codec(), packed, unpacked_max);
  if (!records) return fail(std::move(records.error()));
  return RecordReader(header, std::move(*records));
}

Result<std::optional<RecordView>> RecordReader::next() {
  if (taken_ == header_.record_count) {
    if (position_ != records_.size()) return damaged("bytes follow the last record");
    return std::nullopt;
  }
  ByteReader outer(records_.slice(position_, records_.size() - position_));
  const int32_t length = outer.read_varint();
  if (!outer.ok() || length < 0 || static_cast<size_t>(length) > outer.remaining()) {
    return damaged("length");
  }
  const Buffer bytes = outer.read_buffer(static_cast<size_t>(length));
  ByteReader reader(bytes);
  reader.read_int8();  // attributes, unused in format 2
  const int64_t timestamp_delta = reader.read_varlong();
  const int32_t offset_delta = reader.read_varint();
  const size_t body_at = reader.position();
  RecordView record;
  record.key = read_nullable(reader);
  record.value = read_nullable(reader);
  record.header_count = reader.read_varint();
  const size_t headers_at = reader.position();
  // Every header takes at least two bytes, so the count cannot keep this loop busy for long.
  for (int32_t i = 0; i < record.header_count && reader.ok(); ++i) skip_header(reader);
  if (!reader.ok() || record.header_count < 0 || reader.remaining() != 0) {
    return damaged("fields do not fill the record");
  }
  if (offset_delta < 0 || offset_delta > header_.last_offset_delta) return damaged("offset delta");
  record.offset = header_.base_offset + offset_delta;
  // Deltas may be negative; the sum wraps rather than overflows because nobody vouches for it.
  record.timestamp = header_.uses_log_append_time()
                         ? header_.max_timestamp
                         : static_cast<int64_t>(static_cast<uint64_t>(header_.first_timestamp) +
                                                static_cast<uint64_t>(timestamp_delta));
  record.body = bytes.text().substr(body_at);
  record.headers = bytes.text().substr(headers_at);
  position_ += outer.position();
  ++taken_;
  return record;
}

Result<std::vector<RecordHeader>> read_headers(const RecordView& record) {
  ByteReader reader(Buffer::copy_of(record.headers));
  std::vector<RecordHeader> headers;
  for (int32_t i = 0; i < record.header_count; ++i) {
    RecordHeader header;
    // Found by position in the record's own bytes: the copy goes away.
    const auto own = [&](std::string_view text) {
      return record.headers.substr(reader.position() - text.size(), text.size());
    };
    const int32_t key_length = reader.read_varint();
    if (key_length < 0) return damaged("header key");
    header.key = own(reader.read_text(static_cast<size_t>(key_length)));
    if (const auto value = read_nullable(reader)) header.value = own(*value);
    if (!reader.ok()) return damaged("headers");
    headers.push_back(header);
  }
  return headers;
}

}  // namespace magpie::record
