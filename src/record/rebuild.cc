#include "record/rebuild.h"

#include <algorithm>
#include <vector>

#include "base/byte_writer.h"
#include "record/builder.h"

namespace magpie::record {
namespace {

// The header of a batch whose records are all gone. It is not packed, because there is nothing.
Buffer emptied(BatchHeader header) {
  header.attributes &= static_cast<uint16_t>(~(kCodecMask | kDeleteHorizonBit));
  header.first_timestamp = -1;
  header.record_count = 0;
  return assemble(header, Buffer());
}

int64_t largest_timestamp(const std::vector<RecordView>& records) {
  int64_t largest = -1;
  for (const RecordView& record : records) largest = std::max(largest, record.timestamp);
  return largest;
}

Buffer written(BatchHeader header, const std::vector<RecordView>& records) {
  ByteWriter out;
  for (const RecordView& record : records) {
    // Wraps like the reader's sum does.
    const auto delta = static_cast<int64_t>(static_cast<uint64_t>(record.timestamp) -
                                            static_cast<uint64_t>(header.first_timestamp));
    write_record(out, delta, static_cast<int32_t>(record.offset - header.base_offset), record.body);
  }
  header.record_count = static_cast<int32_t>(records.size());
  if (!header.uses_log_append_time()) header.max_timestamp = largest_timestamp(records);
  return assemble(header, flatten(out.finish()));
}

}  // namespace

std::optional<int64_t> delete_horizon_of(const BatchHeader& header) {
  if (!header.has_delete_horizon()) return std::nullopt;
  return header.first_timestamp;
}

Result<Buffer> keep_records(const Buffer& batch, const std::function<bool(const RecordView&)>& keep,
                            std::optional<int64_t> delete_horizon) {
  Result<RecordReader> reader = RecordReader::open(batch);
  if (!reader) return fail(std::move(reader.error()));
  BatchHeader header = reader->header();
  std::vector<RecordView> kept;
  bool has_tombstone = false;
  while (true) {
    Result<std::optional<RecordView>> record = reader->next();
    if (!record) return fail(std::move(record.error()));
    if (!*record) break;
    if (!keep(**record)) continue;
    has_tombstone |= (*record)->is_tombstone();
    kept.push_back(**record);
  }
  const bool mark = delete_horizon && has_tombstone && !header.has_delete_horizon();
  if (kept.size() == static_cast<size_t>(header.record_count) && !mark) return batch;
  if (kept.empty()) return emptied(header);
  if (mark) {
    header.attributes |= kDeleteHorizonBit;
    header.first_timestamp = *delete_horizon;
  }
  return written(header, kept);
}

}  // namespace magpie::record
