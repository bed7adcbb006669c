// Finds records by their timestamps.
//
// An administrator's or a restarting consumer's question, so it may read and unpack: segments that
// cannot hold the answer are ruled out by their largest timestamp, the time index says where in a
// segment to begin, and inside the batches found there the records are looked at one by one. The
// answer is exact.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "log/disk_calls.h"
#include "log/index_loader.h"
#include "log/log_state.h"
#include "log/segment_scan.h"

namespace magpie::log {

class TimestampSearch {
 public:
  TimestampSearch(LogState& state, IndexLoader& indexes) : state_(state), indexes_(indexes) {}

  // The first record at or after `timestamp`, below `limit`. TimestampFound follows, later.
  void find_first(Step& step, uint64_t ticket, int64_t timestamp, Offset limit);

  // The first of the records below `limit` with the largest timestamp. TimestampFound follows.
  void find_largest(Step& step, uint64_t ticket, Offset limit);

 private:
  struct Job {
    uint64_t ticket = 0;
    std::optional<int64_t> wanted;  // none: the largest
    Offset limit;
    std::optional<Offset> found;
    int64_t timestamp = -1;  // of the record found
    Status status;
    // For the largest: the segments that may hold it, the next one to read last.
    std::vector<Offset> candidates;
  };
  using JobRef = std::shared_ptr<Job>;

  void first_from(Step& step, const JobRef& job, Offset from);
  void largest_next(Step& step, const JobRef& job);
  void plan_largest(Job& job) const;
  // Where to begin in `segment`; nothing if its index must be loaded first.
  std::optional<uint64_t> position_in(const Segment& segment, const Job& job) const;
  void scan(Step& step, const JobRef& job, Offset base, std::function<void(Step&)> next);
  bool visit(const JobRef& job, const ScannedBatch& batch) const;
  void on_scanned(Step& step, const JobRef& job, Offset base, uint64_t layout, const ScanEnd& end,
                  const std::function<void(Step&)>& next);
  void answer(Step& step, const JobRef& job);

  LogState& state_;
  IndexLoader& indexes_;
};

}  // namespace magpie::log
