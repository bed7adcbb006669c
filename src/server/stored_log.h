// Reading the log of a partition from its files, without a node: for checks of what survived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "record/batch.h"

namespace magpie::server {

// A batch, whole and with the right checksum.
using OnBatch = std::function<void(const record::BatchHeader&, std::span<const std::byte>)>;

// All batches of a file, from `lowest` on; false if the file ends within one. kCorrupt, naming file
// and position, if a batch does not match its checksum or goes back.
Result<bool> read_batches(const std::string& file, int64_t lowest, const OnBatch& on_batch);

// All batches of the partition whose segments are in `folder`. kNotFound if there is no such
// folder. What is cut short at the very end is left out: it was being written.
Status read_log(const std::string& folder, const OnBatch& on_batch);

// What such a folder holds.
struct LogExtent {
  int64_t start = 0;
  int64_t end = 0;
  int64_t records = 0;
};
Result<LogExtent> read_log_extent(const std::string& folder);

}  // namespace magpie::server
