#include "os/file_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace magpie::os {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kFolderMode = 0750;

}  // namespace

int FileCalls::open(int folder, const char* path, int flags) {
  return ::openat(folder, path, flags | O_CLOEXEC, kFileMode);
}

ssize_t FileCalls::write_at(int file, const iovec* pieces, int count, uint64_t position) {
  return ::pwritev(file, pieces, count, static_cast<off_t>(position));
}

ssize_t FileCalls::read_at(int file, void* into, size_t length, uint64_t position) {
  return ::pread(file, into, length, static_cast<off_t>(position));
}

ssize_t FileCalls::read_cached_at(int file, void* into, size_t length, uint64_t position) {
  const iovec piece{into, length};
  return ::preadv2(file, &piece, 1, static_cast<off_t>(position), RWF_NOWAIT);
}

int FileCalls::sync_data(int file) {
  return ::fdatasync(file);
}

int FileCalls::sync(int file) {
  return ::fsync(file);
}

int FileCalls::sync_file_system(int file) {
  return ::syncfs(file);
}

int FileCalls::truncate(int file, uint64_t size) {
  return ::ftruncate(file, static_cast<off_t>(size));
}

int FileCalls::rename(int folder, const char* from, const char* to) {
  return ::renameat(folder, from, folder, to);
}

int FileCalls::remove(int folder, const char* path) {
  return ::unlinkat(folder, path, 0);
}

int FileCalls::remove_folder(int folder, const char* path) {
  return ::unlinkat(folder, path, AT_REMOVEDIR);
}

int FileCalls::make_folder(int folder, const char* path) {
  return ::mkdirat(folder, path, kFolderMode);
}

}  // namespace magpie::os
