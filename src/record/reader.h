// Looking at the records inside a batch.
//
// For compaction, key checks, searches by time and tests; never on the path from a producer to a
// consumer. Layout of a record: docs/formats/record-batch.md. Bytes are not trusted: whatever is
// wrong ends the iteration with kCorrupt, and nothing is allocated beyond the stated limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "record/batch.h"

namespace magpie::record {

// Most a batch may unpack to. Producers limit a request to far less; compression can shrink a
// thousandfold, and a batch beyond this is treated as an attack.
inline constexpr size_t kUnpackedBytesMax = 256 * 1024 * 1024;

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;
};

// One record. The views point into the reader's memory and are valid as long as the reader is.
struct RecordView {
  Offset offset;
  int64_t timestamp = 0;                  // milliseconds, as consumers see it
  std::optional<std::string_view> key;    // none: null
  std::optional<std::string_view> value;  // none: null, a tombstone in compacted topics
  int32_t header_count = 0;
  std::string_view body;     // the record from its key length on, headers included
  std::string_view headers;  // the encoded headers, behind their count

  bool is_tombstone() const { return !value.has_value(); }
};

class RecordReader {
 public:
  // Prepares to read `batch`, one whole batch; unpacks it if it is compressed. The checksum is not
  // checked again. Errors: kCorrupt, kLimit, kUnsupported (unknown codec or format).
  static Result<RecordReader> open(const Buffer& batch, size_t unpacked_max = kUnpackedBytesMax);

  const BatchHeader& header() const { return header_; }

  // The next record; nothing after the last one. Error: kCorrupt; do not go on then.
  Result<std::optional<RecordView>> next();

 private:
  RecordReader(BatchHeader header, Buffer records);

  BatchHeader header_;
  Buffer records_;
  size_t position_ = 0;
  int32_t taken_ = 0;
};

// The headers of a record. Error: kCorrupt.
Result<std::vector<RecordHeader>> read_headers(const RecordView& record);

}  // namespace magpie::record
