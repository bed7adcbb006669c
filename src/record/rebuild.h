// A batch with some of its records taken out, as compaction leaves it.
//
// Everything by which readers step through the log and producers are recognised stays: base
// offset, last offset delta, producer id, epoch and sequence, the offsets of the records that
// remain. So a consumer steps over the gap and the deduplication window can still be rebuilt.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/buffer.h"
#include "base/result.h"
#include "record/reader.h"

namespace magpie::record {

// Returns `batch` with only the records for which `keep` says so; the very same buffer if nothing
// changes. If none remains the result is a header without records. With `delete_horizon`
// (milliseconds) a batch that has tombstones left and no horizon yet is marked with it: KIP-534.
// Errors: those of RecordReader.
Result<Buffer> keep_records(const Buffer& batch, const std::function<bool(const RecordView&)>& keep,
                            std::optional<int64_t> delete_horizon);

// From when on tombstones of this batch may be dropped; none if it was never compacted.
std::optional<int64_t> delete_horizon_of(const BatchHeader& header);

}  // namespace magpie::record
