// Brings a segment's stored index into memory, or makes it anew.
//
// Indexes are loaded when a reader needs one and few are kept, the least recently used go. An index
// whose files do not hold what the checkpoint says is not an error of the log: the segment itself
// is read and the index rebuilt, which costs time once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/result.h"
#include "log/disk_calls.h"
#include "log/log_state.h"

namespace magpie::log {

class IndexLoader {
 public:
  explicit IndexLoader(LogState& state) : state_(state) {}

  // Makes the index of the segment with this base answer; then runs `then`. The segment may be gone
  // by then. Errors: reading failed, or the segment itself is damaged.
  void load(Step& step, Offset base, std::function<void(Step&, const Status&)> then);

  // Remembers that the index was asked.
  void touch(Segment& segment) { segment.index_used = ++uses_; }

 private:
  struct Files;
  void read_files(Step& step, Segment& segment);
  void on_files(Step& step, Offset base, const Files& files);
  void rebuild(Step& step, Offset base);
  void empty_files(Step& step, Offset base);
  void unload_least_used();

  using Then = std::function<void(Step&, const Status&)>;

  void finish(Step& step, Offset base, const Status& status);

  LogState& state_;
  uint64_t uses_ = 0;
  std::map<Offset, std::vector<Then>> under_way_;  // who waits for which segment
};

}  // namespace magpie::log
