// One process per data directory.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace magpie::os {

// Held as long as it exists; the kernel drops it when the process ends, however it ends.
class DataLock {
 public:
  // Locks `directory`, which is created if it does not exist. Error: kUnavailable if another
  // process has it, naming that process; kIo if the directory cannot be used.
  static Result<std::unique_ptr<DataLock>> take(const std::string& directory);
  ~DataLock();
  DataLock(const DataLock&) = delete;
  DataLock& operator=(const DataLock&) = delete;

 private:
  explicit DataLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace magpie::os
