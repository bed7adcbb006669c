// Names of files and what comes back from the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/result.h"

namespace magpie::port {

using FileId = StrongId<struct FileIdTag, uint64_t>;

// One file of the data directory. The id is unique for the life of the process and is never given
// to another path, so a driver may keep a descriptor open under it.
struct FileName {
  FileId id;
  std::string path;  // relative to the data directory, '/' between folders
};
using FileRef = std::shared_ptr<const FileName>;

// Says to whom and to what a finished disk effect belongs. The issuer chooses the numbers; the
// driver hands them back unchanged. The effect carries its own continuation, so that nothing which
// waits for a write can be released except by that write's completion.
struct Completion {
  uint32_t owner = 0;   // which machine: the composer's routing number
  uint32_t kind = 0;    // meaning private to the owner
  uint64_t cookie = 0;  // meaning private to the owner
};

}  // namespace magpie::port
