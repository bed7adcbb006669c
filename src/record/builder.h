// Making batches: for internal topics, for compaction and for tests. Client batches are never
// rebuilt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/byte_writer.h"
#include "base/ids.h"
#include "record/batch.h"
#include "record/reader.h"

namespace magpie::record {

// A record to be written; the views need to last only for the call.
struct NewRecord {
  int64_t timestamp = -1;                 // milliseconds
  std::optional<std::string_view> key;    // none: null
  std::optional<std::string_view> value;  // none: null, a tombstone in compacted topics
  std::span<const RecordHeader> headers = {};
};

// Collects records and forms one batch of them. Offset 0 and leader epoch -1 stand in the result
// until the partition stamps it.
class BatchBuilder {
 public:
  explicit BatchBuilder(Codec codec = Codec::kNone) : codec_(codec) {}

  // Marks the batches as those of an idempotent producer. `base_sequence` is that of the next
  // batch's first record.
  void set_producer(ProducerId id, ProducerEpoch epoch, int32_t base_sequence);

  void add(const NewRecord& record);

  int32_t record_count() const { return header_.record_count; }
  // Size of the batch so far, before compression.
  size_t size_bytes() const { return kBatchHeaderBytes + records_.size(); }

  // The batch, in a block of its own; the builder is then empty and keeps its settings.
  // REQUIRES: at least one record was added.
  Buffer build();

 private:
  Codec codec_;
  BatchHeader header_;
  ByteWriter records_;
};

// Appends one encoded record; `body` is everything from the key length on (RecordView::body).
void write_record(ByteWriter& out, int64_t timestamp_delta, int32_t offset_delta,
                  std::string_view body);

// Joins a header with its records: packs them as header.codec() says, sets length and checksum.
Buffer assemble(BatchHeader header, const Buffer& records);

}  // namespace magpie::record
