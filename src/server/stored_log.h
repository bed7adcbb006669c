// Reading the log of a partition from its files, without a node: for checks of what survived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "record/batch.h"

namespace magpie::server {

// A batch, whole and with the right checksum.
using OnBatch = std::function<void(const record::BatchHeader&, std::span<const std::byte>)>;

// All batches of a file, from `lowest` on; false if the file ends within one. kCorrupt, naming file
// and position, if a batch does not match its checksum or goes back.
Result<bool> read_batches(const std::string& file, int64_t lowest, const OnBatch& on_batch);

// All batches of the partition whose segments are in `folder`: those that its checkpoint names, and
// those begun since; without a checkpoint that can be read, all. kNotFound if there is no such
// folder; kCorrupt, too, if a segment that the checkpoint names is not there or too short. What is
// cut short at the very end is left out: it was being written.
Status read_log(const std::string& folder, const OnBatch& on_batch);

// Offsets that no batch has.
struct StoredGap {
  int64_t from = 0;
  int64_t to = 0;  // the next one that is there
  // A new epoch begins behind it, and the one before it reached up to it as far as is known: a
  // failover with loss leaves such a gap.
  bool opens_epoch = false;
};

// What such a folder holds.
struct StoredLog {
  bool has_checkpoint = false;
  bool may_have_gaps = false;  // the checkpoint says so: it was compacted
  int64_t start = 0;           // as the checkpoint says; otherwise of the first batch
  std::optional<int64_t> end;  // of the last whole batch; nothing if there is none
  int64_t records = 0;
  std::vector<StoredGap> gaps;  // from `start` on, rising
};
Result<StoredLog> survey_log(const std::string& folder);

}  // namespace magpie::server
