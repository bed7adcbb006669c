// The waiting line of one file. Private to the disk.
#pragma once

#include <cstdint>
#include <limits>
#include <list>
#include <string>
#include <variant>
#include <vector>

#include "os/file_store.h"
#include "port/effect.h"
#include "port/file.h"

namespace magpie::os {

struct Lane;

// An effect on folders, or on two names: it concerns every lane whose path is one of `paths` or
// lies below it. It starts when each of those that were active has reached its barrier and all
// earlier wide operations on the same names are done, and it holds the lanes until it is done
// itself.
struct WideOperation {
  using Effect =
      std::variant<port::RenameFile, port::ListFolder, port::RemoveFolder, port::RenameFolder>;

  Effect effect;
  std::vector<std::string> paths;
  size_t waits_for = 0;
  bool started = false;
  std::vector<Lane*> lanes;
  std::vector<WideOperation*> followers;
};

// The place in a lane where a wide operation has its turn.
struct Barrier {
  WideOperation* operation = nullptr;
};

using FileOperation =
    std::variant<port::WriteFile, port::SyncFile, port::ReadFile, port::TruncateFile,
                 port::ReplaceFile, port::RemoveFile, Barrier>;

struct Lane {
  port::FileRef file;
  OpenFileRef open_file;                  // empty until first used and after it was closed
  std::vector<FileOperation> waiting;     // in the order given
  bool busy = false;                      // somebody carries out a group or an exclusive operation
  uint32_t reads = 0;                     // reads under way …
  uint64_t read_end = 0;                  // … and where the last of them ends
  std::vector<FileOperation> late_syncs;  // to be carried out beside later writes
  bool late_sync_under_way = false;
  uint32_t exclusive = 0;  // exclusive operations and barriers, waiting or under way
  uint32_t writes = 0;     // writes waiting or under way …
  uint64_t lowest_write = std::numeric_limits<uint64_t>::max();  // … and where the first one begins
  std::list<Lane*>::iterator recent;

  bool idle() const { return !busy && !has_late_sync() && reads == 0 && waiting.empty(); }
  bool has_late_sync() const { return late_sync_under_way || !late_syncs.empty(); }
  // A write must not change what an earlier read is still looking at. And there is one sync of a
  // file at a time: the kernel tells an error once, and it must be told to whom it concerns.
  bool must_wait(const port::WriteFile& write) const {
    return (reads > 0 && write.position < read_end) || (write.sync && has_late_sync());
  }
};

// Writes and syncs of one file that are carried out together.
struct Group {
  Lane* lane = nullptr;
  port::FileRef file;
  OpenFileRef open_file;
  std::vector<FileOperation> operations;
  std::vector<Status> results;  // one for each operation
  bool needs_sync = false;
  bool late = false;                      // only syncs, carried out beside later writes
  std::vector<FileOperation> late_syncs;  // found among the writes, which do not wait for them
};

}  // namespace magpie::os
