// The calls to the operating system that the disk makes, in one table.
//
// Production uses the real ones; a test replaces single calls to count them, to hold them back or
// to let them fail. Return values and errno are those of the manual pages. All paths are relative
// to `folder`, a descriptor of the data directory.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace magpie::os {

class FileCalls {
 public:
  virtual ~FileCalls() = default;

  virtual int open(int folder, const char* path, int flags);
  virtual ssize_t write_at(int file, const iovec* pieces, int count, uint64_t position);
  virtual ssize_t read_at(int file, void* into, size_t length, uint64_t position);
  // As read_at, but fails with EAGAIN instead of waiting for the device (RWF_NOWAIT).
  virtual ssize_t read_cached_at(int file, void* into, size_t length, uint64_t position);
  virtual int sync_data(int file);         // fdatasync
  virtual int sync(int file);              // fsync, also of folders
  virtual int sync_file_system(int file);  // syncfs
  virtual int truncate(int file, uint64_t size);
  virtual int rename(int folder, const char* from, const char* to);
  virtual int remove(int folder, const char* path);         // a file
  virtual int remove_folder(int folder, const char* path);  // an empty folder
  virtual int make_folder(int folder, const char* path);
};

}  // namespace magpie::os
