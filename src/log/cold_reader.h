// Answers reads that memory cannot: finds the segment and the position, reads, and trims what came
// to whole batches.
//
// Several reads are under way at once; each is a small machine of its own, which starts over when
// files were cut, swapped or removed under it, so that every ticket is answered with what is there
// at the end. Every batch is checked before it goes out: a damaged one is an error that names file
// and position, never an empty answer (G12). Base offset and leader epoch lie outside the checksum;
// they are held against those of the batches around. What that cannot show: another offset or
// epoch where compaction has left room for it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "log/disk_calls.h"
#include "log/index_loader.h"
#include "log/log_state.h"

namespace magpie::log {

class ColdReader {
 public:
  ColdReader(LogState& state, IndexLoader& indexes) : state_(state), indexes_(indexes) {}

  // ReadDone follows, later.
  void read(Step& step, const engine::Read& read);

  // A file was swapped: reads that met damage meanwhile start over.
  void on_swapped(Step& step);

 private:
  struct Job {
    engine::Read read;
    Offset segment;          // base of the segment that is read
    uint64_t position = 0;   // where the bytes asked for begin
    uint64_t requested = 0;  // how many were asked for
    uint64_t layout = 0;     // when they were asked for
    // What is known of the batch at `position`: the least base offset it can have, its last offset,
    // and the epoch of the one before.
    Offset lowest;
    std::optional<Offset> last_offset;
    std::optional<LeaderEpoch> epoch;
  };
  using JobRef = std::shared_ptr<Job>;

  // Where a sequential reader will ask next.
  struct Hint {
    Offset next;
    Offset segment;
    uint64_t position = 0;
    uint64_t layout = 0;
  };

  // What a run of bytes holds of an answer.
  struct Gathered {
    BufferChain batches;
    uint64_t end = 0;     // bytes up to which everything was used or skipped
    uint64_t needed = 0;  // not 0: so many bytes from `end` on must be there to go on
    Offset next;          // one after the last batch taken or skipped
    // That of the last batch taken or skipped; none if there was none yet.
    std::optional<LeaderEpoch> epoch;
    bool full = false;  // the answer is complete as it is
    const char* damage = nullptr;
  };

  void locate(Step& step, const JobRef& job);
  void ask(Step& step, const JobRef& job, uint64_t length);
  void on_data(Step& step, const JobRef& job, const port::DiskDone& done);
  Gathered gather(const Job& job, const Buffer& data) const;
  enum class Fit { kYes, kNo, kUnknown };
  Fit fit(const Job& job, const Buffer& data, const Gathered& gathered,
          const record::BatchHeader& header) const;
  void on_damage(Step& step, const JobRef& job, const Gathered& gathered);
  void answer(Step& step, const JobRef& job, Result<BufferChain> batches);
  const Hint* find_hint(Offset from) const;
  void remember(const Job& job, const Gathered& gathered);

  LogState& state_;
  IndexLoader& indexes_;
  std::array<Hint, 4> hints_{};
  size_t next_hint_ = 0;
  std::vector<JobRef> parked_;  // until a swap is over
};

}  // namespace magpie::log
