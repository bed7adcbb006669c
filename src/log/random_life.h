// A random life of one log, with gaps between offsets or without: appends, reads, checkpoints,
// trims, cuts, failing disks, crashes and restarts in any order, compared step by step with a
// simple memory of what must be there.
//
// One seed is one life. The first broken rule ends it and is told in words, so that a test can also
// check that a planted bug is noticed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/log_harness.h"

namespace magpie::log {

class RandomLife {
 public:
  explicit RandomLife(uint64_t seed);

  // Lives through `actions` actions. Returns the first broken rule, or "".
  std::string live(int actions);

  int crashes() const { return crashes_; }
  uint64_t torn_bytes() const { return torn_bytes_; }
  int failures() const { return failures_; }

 private:
  struct Batch {
    record::BatchHeader header;
    std::string bytes;
  };
  // What there was before the log was begun anew; a crash may bring it back.
  struct Before {
    std::vector<Batch> batches;
    Offset end;
    Offset durable;
    Offset start;
    std::map<int64_t, std::string> saved;
  };
  struct PendingRead {
    engine::Read read;
    uint64_t generation;
  };

  void act();
  void append();
  void read();
  void search();
  void trim();
  void cut();
  void begin_anew();
  void save_checkpoint();
  void break_disk();
  void heal_disk();
  void crash();
  void close();
  void boot();
  void run(uint64_t steps);
  void drain_events();
  void expect(bool holds, const std::string& rule);
  void finish_reopening();

  void on(const engine::Durable& event);
  void on(const engine::Failed& event);
  void on(const engine::ReadDone& event);
  void on(const engine::TimestampFound& event);
  void on(const engine::Trimmed& event);
  void on(const engine::CutDone& event);
  void on(const engine::ReplayBegan& event);
  void on(const engine::Replayed& event);
  void on(const engine::Opened& event);
  void on(const engine::OpenFailed& event);
  void on(const engine::Compacted&) {}
  void on(const engine::Closed&) { closed_ = true; }

  void check_chain(const engine::Read& read, const BufferChain& chain);
  void check_all_readable();
  void forget_from(Offset end);
  void forget_all();
  const Batch* first_from(Offset offset) const;
  bool is_anew();

  Random random_;
  LogHarness harness_;
  std::string broken_;

  std::vector<Batch> batches_;  // all that were appended and not cut, trimmed ones included
  // Dropped by a failure; a crash may bring them back until a reopen has cut them off.
  std::vector<Batch> ghosts_;
  Offset end_;      // of all that was appended
  Offset durable_;  // reported durable
  Offset start_;    // confirmed by Trimmed or Opened
  Offset asked_start_;
  Offset cut_to_{INT64_MAX};  // the lowest end a cut under way may leave
  Offset anew_at_;
  std::optional<Before> before_;          // while it is not certain that the log was begun anew
  std::map<int64_t, std::string> saved_;  // states by offset, while they can come back
  std::map<uint64_t, PendingRead> reads_;
  std::map<uint64_t, std::pair<int64_t, Offset>> searches_;  // timestamp and limit
  std::set<uint64_t> given_up_;                              // tickets of either
  uint64_t generation_ = 0;                                  // rises when batches go away
  uint64_t next_ticket_ = 0;
  Offset replay_next_;
  bool open_ = false;  // appends are allowed
  bool failed_ = false;
  bool cutting_ = false;
  bool trimming_ = false;
  bool closed_ = false;
  bool disk_broken_ = false;
  bool power_lost_ = false;  // the last crash could lose what was not synced
  int crashes_ = 0;
  int failures_ = 0;
  uint64_t torn_bytes_ = 0;
};

}  // namespace magpie::log
