// What compaction keeps of a batch.
//
// First every batch of the range is shown to `learn`, which notes the last offset of each key; then
// `clean` gives back what is left of a batch. Batches are judged one by one and keep their offsets,
// so readers and producers' sequences are not disturbed (record/rebuild.h).
//
// Kept besides the last record of each key: records without a key (they should not be there, and
// are not ours to drop); records at and beyond the end of the range; control batches; a tombstone
// until its horizon has passed, so that a reader who saw the value can see it go (KIP-534); and the
// header of a producer's last known batch for a day, because its sequence numbers are in it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "log/key_hash.h"
#include "log/key_map.h"
#include "record/batch.h"

namespace magpie::log {

class BatchCleaner {
 public:
  // Below `clean_end` no key occurs twice; what is learnt begins there.
  BatchCleaner(WallTime now, Duration tombstone_age, Offset clean_end, const HashSeed& seed,
               size_t keys_max = kCompactionKeysMax);

  // Notes the keys of a batch. False if there was no room for them: the range ends before this
  // batch, and nothing more may be learnt. Errors: those of RecordReader.
  Result<bool> learn(const record::BatchHeader& header, const Buffer& batch);

  // What is left of a batch; `keep_empty`: at least its header. Nothing if it goes as a whole.
  // Errors: those of RecordReader.
  Result<std::optional<Buffer>> clean(const record::BatchHeader& header, const Buffer& batch,
                                      bool keep_empty);

  // One after the last offset that was learnt; records from there on are kept.
  Offset range_end() const { return range_end_; }
  // The earliest time, in milliseconds, at which a tombstone that was kept may go.
  std::optional<int64_t> next_horizon() const { return next_horizon_; }

 private:
  bool outlived(const record::BatchHeader& header) const;

  int64_t now_;
  bool tombstones_stay_;
  int64_t horizon_;
  HashSeed seed_;
  KeyMap last_of_key_;
  std::map<ProducerId, Offset> last_of_producer_;
  Offset range_end_;
  std::optional<int64_t> next_horizon_;
};

}  // namespace magpie::log
