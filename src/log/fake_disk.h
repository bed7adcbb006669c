// A disk in memory that behaves as badly as a real one may, for tests.
//
// Effects are carried out one at a time, in any order that keeps those on one file in the order
// given, except that reads and writes without `sync` overtake a SyncFile, which then covers only
// what was written before it. A crash keeps what was synced and, of the rest, any selection of
// sectors:
//  - a written sector that was not synced keeps its old content (zeros beyond the old end), or not;
//  - a file that grew has any length between the synced one and the last one;
//  - a file that was never synced may be gone, a removed one may be back;
//  - replacing, renaming and truncating are atomic: done or not done;
//  - effects that were still waiting have happened or not, in the order of their file.
// Writes and syncs can be made to fail; after a failed sync the written sectors may be lost
// although a later sync succeeds (Rebello et al., ATC 2020). Bits can be flipped.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::log {

enum class Crash {
  kProcess,  // the process died; the operating system lives and has everything
  kLoseAll,  // power loss; nothing survives that was not synced
  kTear,     // power loss; anything in between
};

class FakeDisk {
 public:
  explicit FakeDisk(uint64_t seed) : random_(seed) {}

  // Takes the disk effects out of the list; log lines go to `lines`.
  void submit(port::Effects& effects);

  // Carries out one waiting effect; nothing if none waits.
  std::optional<port::DiskDone> carry_out_one();
  bool idle() const { return waiting_.empty(); }

  // Nothing waits afterwards.
  void crash(Crash mode);

  // --- faults ----------------------------------------------------------------------------------

  // While set, everything that writes fails with it; half of the failing writes leave a part.
  void set_write_error(std::optional<Error> error) { write_error_ = std::move(error); }
  // The next syncs fail with it, and what they would have synced is in doubt.
  void set_sync_error(std::optional<Error> error) { sync_error_ = std::move(error); }
  void flip_bit(const std::string& path, uint64_t bit);

  // --- looking -----------------------------------------------------------------------------------

  // Path to content, as a reader sees it now.
  std::map<std::string, std::string> contents() const;
  void put(const std::string& path, std::string content);
  void remove(const std::string& path) { files_.erase(path); }
  // How many of the first bytes of the file are synced.
  uint64_t synced_size(const std::string& path) const;
  const std::vector<port::LogLine>& lines() const { return lines_; }
  uint64_t reads() const { return reads_; }
  uint64_t effects_done() const { return effects_done_; }

 private:
  struct File {
    std::string content;
    std::string synced;           // what a power loss leaves at least
    std::set<uint64_t> dirty;     // sectors that differ from the synced content
    std::set<uint64_t> in_doubt;  // those a failed sync left: a later sync does not write them
    bool name_synced = false;
  };
  struct Waiting {
    port::Effect effect;
    std::vector<std::string> paths;  // whose order it keeps
    bool doomed = false;             // a write behind one that failed
    // Of a sync that a write has overtaken: the file as it was before.
    std::optional<File> covered;
  };

  bool is_ready(size_t index) const;
  port::DiskDone carry_out(const port::Effect& effect);
  void write(File& file, uint64_t position, const std::string& bytes);
  Status sync(File& file);
  port::DiskDone sync_covered(const port::SyncFile& effect, const File& covered);
  void begin_syncs_before(size_t index);
  void fail_waiting_writes(const std::string& path);
  void happen_unsynced(const port::Effect& effect);
  void tear(File& file);

  template <typename T>
  port::DiskDone done(const T& effect, Status status = {}) const {
    return {effect.then, std::move(status), {}, {}};
  }

  port::DiskDone apply(const port::WriteFile& effect);
  port::DiskDone apply(const port::SyncFile& effect);
  port::DiskDone apply(const port::ReadFile& effect);
  port::DiskDone apply(const port::TruncateFile& effect);
  port::DiskDone apply(const port::ReplaceFile& effect);
  port::DiskDone apply(const port::RenameFile& effect);
  port::DiskDone apply(const port::RemoveFile& effect);
  port::DiskDone apply(const port::ListFolder& effect);

  Random random_;
  std::map<std::string, File> files_;
  std::map<std::string, File> removed_;  // may come back in a power loss
  std::deque<Waiting> waiting_;
  std::optional<Error> write_error_;
  std::optional<Error> sync_error_;
  std::vector<port::LogLine> lines_;
  uint64_t reads_ = 0;
  uint64_t effects_done_ = 0;
};

}  // namespace magpie::log
