// Makes a real process lose what it did not sync, as a power cut would.
//
// The problem: `kill -9` proves little about durability, because the kernel still writes what the
// process had handed over. The idea: this library is preloaded into an unmodified program and notes
// every change below one folder before it is made, with what it takes to undo it, and every sync
// after it returned. After the kill, power_loss.py undoes what no later sync covered: the files
// then hold what a disk would hold that wrote nothing on its own.
//
// It is strict where file systems are lenient: a new name, a rename or a removal counts as durable
// only after an fsync of the folder it stands in (or syncfs).
//
//   LD_PRELOAD=…  MAGPIE_POWER_LOSS_DATA=<folder>  MAGPIE_POWER_LOSS_JOURNAL=<folder beside it>
//
// Journal entries are little-endian: u32 bytes of the rest, u8 kind, u64 sequence, u64 inode, u64
// position, u64 size, then texts and bytes, each with its u32 length. power_loss.py reads them.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string>

namespace {

enum Kind : uint8_t {
  kWrite = 1,     // position, size before, old bytes of the range
  kTruncate = 2,  // position = new size, size before, old bytes beyond it
  kSync = 3,      // position = first sequence it does not cover
  kSyncAll = 4,   // the same for everything
  kCreate = 5,    // inode of the folder, name
  kRename = 6,    // inode of the folder, from, to, copy of what stood at `to`
  kRemove = 7,    // inode of the folder, name, copy
  kMakeFolder = 8,
  kRemoveFolder = 9,
};

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

using OpenAt = int (*)(int, const char*, int, ...);
using WriteVector = ssize_t (*)(int, const iovec*, int, off_t);
using WriteAt = ssize_t (*)(int, const void*, size_t, off_t);
using OfFile = int (*)(int);
using Truncate = int (*)(int, off_t);
using RenameAt = int (*)(int, const char*, int, const char*);
using UnlinkAt = int (*)(int, const char*, int);
using MakeFolderAt = int (*)(int, const char*, mode_t);

class Journal {
 public:
  static Journal& get() {
    static Journal journal;
    return journal;
  }

  // Whether changes to this file or folder are noted.
  bool covers(const std::string& path) const {
    return file_ >= 0 && path.compare(0, data_.size(), data_) == 0;
  }
  uint64_t next_sequence() {
    const std::lock_guard lock(mutex_);
    return sequence_;
  }
  void note(Kind kind, uint64_t inode, uint64_t position, uint64_t size,
            std::initializer_list<std::string> texts) {
    const std::lock_guard lock(mutex_);
    std::string entry(1, static_cast<char>(kind));
    for (const uint64_t number : {sequence_++, inode, position, size}) put(entry, number, 8);
    for (const std::string& text : texts) {
      put(entry, text.size(), 4);
      entry += text;
    }
    std::string framed;
    put(framed, entry.size(), 4);
    framed += entry;
    if (::write(file_, framed.data(), framed.size()) != static_cast<ssize_t>(framed.size())) {
      ::abort();
    }
  }
  // A second name for the file, so that undoing can bring it back; empty if there is no file.
  std::string keep(int folder, const char* path) {
    const std::lock_guard lock(mutex_);
    const std::string copy =
        folder_ + "/kept-" + std::to_string(::getpid()) + "-" + std::to_string(kept_++);
    return ::linkat(folder, path, AT_FDCWD, copy.c_str(), 0) == 0 ? copy : "";
  }

 private:
  Journal() {
    const char* const data = ::getenv("MAGPIE_POWER_LOSS_DATA");
    const char* const folder = ::getenv("MAGPIE_POWER_LOSS_JOURNAL");
    if (data == nullptr || folder == nullptr) return;
    data_ = data;
    folder_ = folder;
    file_ = real<OpenAt>("openat")(AT_FDCWD, (folder_ + "/journal").c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  static void put(std::string& out, uint64_t number, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
  }

  std::mutex mutex_;
  std::string data_;
  std::string folder_;
  int file_ = -1;
  uint64_t sequence_ = 1;
  uint64_t kept_ = 0;
};

std::string path_of(int file) {
  char target[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length < 0 ? "" : std::string(target, static_cast<size_t>(length));
}

std::string path_of(int folder, const char* path) {
  if (path[0] == '/') return path;
  if (folder != AT_FDCWD) return path_of(folder) + "/" + path;
  char current[4096];
  return ::getcwd(current, sizeof current) == nullptr ? "" : std::string(current) + "/" + path;
}

uint64_t inode_of_folder(const std::string& path) {
  struct stat about {};
  return ::stat(path.substr(0, path.rfind('/')).c_str(), &about) == 0 ? about.st_ino : 0;
}

std::string read_range(int file, uint64_t from, uint64_t to) {
  // A descriptor opened for writing cannot be read from.
  const int readable = real<OpenAt>("openat")(
      AT_FDCWD, ("/proc/self/fd/" + std::to_string(file)).c_str(), O_RDONLY | O_CLOEXEC);
  if (readable < 0 || from >= to) {
    if (readable >= 0) ::close(readable);
    return "";
  }
  std::string bytes(to - from, '\0');
  const ssize_t got = ::pread(readable, bytes.data(), bytes.size(), static_cast<off_t>(from));
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  ::close(readable);
  return bytes;
}

void note_write(int file, uint64_t length, off_t position) {
  struct stat about {};
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) return;
  if (!Journal::get().covers(path_of(file))) return;
  const auto from = static_cast<uint64_t>(position);
  const auto size = static_cast<uint64_t>(about.st_size);
  const std::string old = from < size ? read_range(file, from, std::min(from + length, size)) : "";
  Journal::get().note(kWrite, about.st_ino, from, size, {old});
}

void note_sync(int file, Kind kind, uint64_t covered) {
  struct stat about {};
  if (::fstat(file, &about) != 0) return;
  Journal::get().note(kind, about.st_ino, covered, 0, {});
}

int sync_with(const char* name, int file, Kind kind) {
  const bool covered = Journal::get().covers(path_of(file));
  const uint64_t sequence = covered ? Journal::get().next_sequence() : 0;
  const int result = real<OfFile>(name)(file);
  if (result == 0 && covered) note_sync(file, kind, sequence);
  return result;
}

int open_at(int folder, const char* path, int flags, mode_t mode) {
  const std::string whole = path_of(folder, path);
  const bool creates = (flags & O_CREAT) != 0 && Journal::get().covers(whole) &&
                       ::faccessat(folder, path, F_OK, 0) != 0;
  const int file = real<OpenAt>("openat")(folder, path, flags, mode);
  if (file >= 0 && creates) {
    Journal::get().note(kCreate, inode_of_folder(whole), 0, 0, {whole});
  }
  return file;
}

}  // namespace

extern "C" {

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>((flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0);
  va_end(arguments);
  return open_at(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>((flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0);
  va_end(arguments);
  return open_at(folder, path, flags, mode);
}

ssize_t pwritev(int file, const iovec* pieces, int count, off_t position) {
  uint64_t length = 0;
  for (int i = 0; i < count; ++i) length += pieces[i].iov_len;
  note_write(file, length, position);
  return real<WriteVector>("pwritev")(file, pieces, count, position);
}

ssize_t pwritev64(int file, const iovec* pieces, int count, off_t position) {
  return pwritev(file, pieces, count, position);
}

ssize_t pwrite(int file, const void* bytes, size_t length, off_t position) {
  note_write(file, length, position);
  return real<WriteAt>("pwrite")(file, bytes, length, position);
}

ssize_t pwrite64(int file, const void* bytes, size_t length, off_t position) {
  return pwrite(file, bytes, length, position);
}

int fdatasync(int file) {
  return sync_with("fdatasync", file, kSync);
}

int fsync(int file) {
  return sync_with("fsync", file, kSync);
}

int syncfs(int file) {
  return sync_with("syncfs", file, kSyncAll);
}

int ftruncate(int file, off_t size) {
  struct stat about {};
  if (::fstat(file, &about) == 0 && Journal::get().covers(path_of(file))) {
    const auto before = static_cast<uint64_t>(about.st_size);
    Journal::get().note(kTruncate, about.st_ino, static_cast<uint64_t>(size), before,
                        {read_range(file, static_cast<uint64_t>(size), before)});
  }
  return real<Truncate>("ftruncate")(file, size);
}

int ftruncate64(int file, off_t size) {
  return ftruncate(file, size);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  const std::string source = path_of(from_folder, from);
  const std::string target = path_of(to_folder, to);
  const bool covered = Journal::get().covers(target);
  const std::string copy = covered ? Journal::get().keep(to_folder, to) : "";
  const int result = real<RenameAt>("renameat")(from_folder, from, to_folder, to);
  if (result == 0 && covered) {
    Journal::get().note(kRename, inode_of_folder(target), 0, 0, {source, target, copy});
  }
  return result;
}

int unlinkat(int folder, const char* path, int flags) {
  const std::string whole = path_of(folder, path);
  const bool covered = Journal::get().covers(whole);
  const bool is_folder = (flags & AT_REMOVEDIR) != 0;
  const std::string copy = covered && !is_folder ? Journal::get().keep(folder, path) : "";
  const int result = real<UnlinkAt>("unlinkat")(folder, path, flags);
  if (result == 0 && covered) {
    Journal::get().note(is_folder ? kRemoveFolder : kRemove, inode_of_folder(whole), 0, 0,
                        {whole, copy});
  }
  return result;
}

int mkdirat(int folder, const char* path, mode_t mode) {
  const std::string whole = path_of(folder, path);
  const int result = real<MakeFolderAt>("mkdirat")(folder, path, mode);
  if (result == 0 && Journal::get().covers(whole)) {
    Journal::get().note(kMakeFolder, inode_of_folder(whole), 0, 0, {whole});
  }
  return result;
}

}  // extern "C"
