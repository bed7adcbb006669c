// Files below one folder: the plain, blocking operations that the disk (disk.h) hands to its
// workers.
//
// The problem: a write counts as durable only if the file's bytes, its name in its folder and the
// names of new folders above it all survive a power loss. The idea: the store remembers which
// folders have entries that were never synced, and every sync of a file also syncs those of them
// that lie on the way from the file to the data directory; so one fsync of a folder serves all the
// files created in it. The guarantee: after sync() of a file returned without an error, everything
// written to it before is found again under its name. Thread-safe; the caller keeps the order of
// operations on one file.
//
// What it does not do: it does not retry. After a failed sync the kernel may have dropped the bytes
// and report success the next time, so only the issuer can decide what is still true; the message
// says so. Names that end in ".replacing" belong to the store: they are what an interrupted
// replace() leaves behind, they are not listed, and the next replace() of the same file takes them
// over.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "os/file_calls.h"
#include "port/event.h"

namespace magpie::os {

// An open file, closed with its last reference. `in_file_system` tells whether it lies in the same
// file system as the data directory itself, so that sync_file_system() covers it.
class OpenFile {
 public:
  OpenFile(int descriptor, bool writable, bool in_file_system)
      : descriptor_(descriptor), writable_(writable), in_file_system_(in_file_system) {}
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  bool writable() const { return writable_; }
  bool in_file_system() const { return in_file_system_; }

 private:
  int descriptor_;
  bool writable_;
  bool in_file_system_;
};
using OpenFileRef = std::shared_ptr<const OpenFile>;

enum class Access { kRead, kWrite };  // kWrite creates the file and its folders

class FileStore {
 public:
  // `root` must exist. `calls` must live longer than the store.
  static Result<std::unique_ptr<FileStore>> open(const std::string& root, FileCalls& calls);
  ~FileStore();

  // Error: kNotFound if it does not exist and `access` is kRead.
  Result<OpenFileRef> open_file(const std::string& path, Access access);

  // Writes all pieces from `position` on. `*written` receives how many bytes reached the file, also
  // when the call fails in the middle.
  Status write(const OpenFile& file, const std::string& path, std::vector<iovec> pieces,
               uint64_t position, uint64_t* written);

  // Up to `length` bytes at `position`; fewer only at the end of the file.
  Result<Buffer> read(const OpenFile& file, const std::string& path, uint64_t position,
                      uint64_t length);

  // The same, but nothing if the bytes are not all in memory.
  std::optional<Buffer> read_cached(const OpenFile& file, uint64_t position, uint64_t length);

  // Makes what was written to the file durable, its name included.
  Status sync(const OpenFile& file, const std::string& path);

  // The same for everything in the data directory's file system, by one call. Error: some file
  // could not be written; ask each one with sync() to learn which.
  Status sync_file_system();
  bool can_sync_file_system() const { return can_sync_file_system_; }

  // The file effects of port/effect.h, carried out at once.
  Status truncate(const std::string& path, uint64_t size);
  Status replace(const std::string& path, const BufferChain& bytes);
  Status rename(const std::string& path, const std::string& to);  // files and folders
  Status remove(const std::string& path);
  Result<std::vector<port::FolderEntry>> list(const std::string& path);
  Status remove_folder(const std::string& path);

 private:
  FileStore(std::string root, int folder, uint64_t device, bool can_sync_file_system,
            FileCalls& calls);

  Result<int> open_or_create(const std::string& path);
  Status make_folders(const std::string& path);
  Status remove_tree(const std::string& path);
  // Syncs the folders above `path` that have new entries.
  Status sync_folders_above(const std::string& path);
  Status sync_folder(const std::string& folder);
  void note_new_entry(const std::string& path);
  // Forgets the folder `path` and those below it; returns what follows `path` in their names.
  std::vector<std::string> take_unsynced_folders(const std::string& path);

  std::string root_;
  int folder_;  // descriptor of root_
  uint64_t device_;
  bool can_sync_file_system_;
  FileCalls& calls_;

  std::mutex mutex_;
  uint64_t changes_ = 0;
  // Folders with entries that were created, renamed or removed since the last sync, each with the
  // number of its latest change.
  std::map<std::string, uint64_t> unsynced_folders_;
};

// Error unless `path` is relative and stays inside: no empty, "." or ".." part, no NUL. The empty
// path names the data directory itself and is allowed for folders only.
Status check_path(std::string_view path);

// "a/b" for "a/b/c", "" for "a".
std::string folder_of(const std::string& path);

// What errno means to the issuer of an effect.
ErrorKind error_kind(int error_number);

}  // namespace magpie::os
