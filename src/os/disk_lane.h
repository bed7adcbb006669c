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
  OpenFileRef open_file;               // empty until first used and after it was closed
  std::vector<FileOperation> waiting;  // in the order given
  bool busy = false;                   // somebody carries out a group or an exclusive operation
  uint32_t reads = 0;                  // reads under way …
  uint64_t read_end = 0;               // … and where the last of them ends
  uint32_t exclusive = 0;              // exclusive operations and barriers, waiting or under way
  uint32_t writes = 0;                 // writes waiting or under way …
  uint64_t lowest_write = std::numeric_limits<uint64_t>::max();  // … and where the first one begins
  std::list<Lane*>::iterator recent;

  bool idle() const { return !busy && reads == 0 && waiting.empty(); }
  // A write must not change what an earlier read is still looking at.
  bool read_under_way_at(const port::WriteFile& write) const {
    return reads > 0 && write.position < read_end;
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
};

}  // namespace magpie::os
