// Gives out file ids: one allocator for everything in a process that names files.
#pragma once

#include "port/file.h"

namespace magpie::log {

class FileIds {
 public:
  port::FileId next() { return {++last_}; }

 private:
  uint64_t last_ = 0;
};

}  // namespace magpie::log
