#include "os/file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace magpie::os {
namespace {

constexpr std::string_view kReplacing = ".replacing";

tl::unexpected<Error> os_failure(int error_number, std::string what) {
  return fail(error_kind(error_number), fmt::format("{}: {}", what, strerror(error_number)));
}

// syncfs reports write errors since Linux 5.8, and only for file systems that write through the
// page cache of this machine.
bool reports_sync_errors(int folder) {
  struct statfs info;
  if (::fstatfs(folder, &info) != 0) return false;
  const auto type = static_cast<uint64_t>(info.f_type);
  return type == EXT4_SUPER_MAGIC || type == XFS_SUPER_MAGIC || type == BTRFS_SUPER_MAGIC;
}

// Drops the first `count` bytes of the pieces.
void consume(std::vector<iovec>& pieces, size_t& first, size_t count) {
  while (count > 0) {
    iovec& piece = pieces[first];
    const size_t step = std::min(count, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + step;
    piece.iov_len -= step;
    count -= step;
    if (piece.iov_len == 0) ++first;
  }
}

}  // namespace

ErrorKind error_kind(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::kNoSpace;
    case ENOENT:
      return ErrorKind::kNotFound;
    case EMFILE:
    case ENFILE:
      return ErrorKind::kLimit;
    default:
      return ErrorKind::kIo;
  }
}

Status check_path(std::string_view path) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("file name '{}' {}", path, why));
  };
  if (path.find('\0') != std::string_view::npos) return refuse("contains a zero byte");
  while (true) {
    const size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    if (part.empty()) return refuse("has an empty part or is not relative");
    if (part == "." || part == "..") return refuse("leaves the data directory");
    if (end == std::string_view::npos) return {};
    path.remove_prefix(end + 1);
  }
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

OpenFile::~OpenFile() {
  ::close(descriptor_);
}

Result<std::unique_ptr<FileStore>> FileStore::open(const std::string& root, FileCalls& calls) {
  const int folder = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return os_failure(errno, fmt::format("cannot open data directory {}", root));
  struct stat info;
  CHECK(::fstat(folder, &info) == 0);
  return std::unique_ptr<FileStore>(
      new FileStore(root, folder, info.st_dev, reports_sync_errors(folder), calls));
}

FileStore::FileStore(std::string root, int folder, uint64_t device, bool can_sync_file_system,
                     FileCalls& calls)
    : root_(std::move(root)),
      folder_(folder),
      device_(device),
      can_sync_file_system_(can_sync_file_system),
      calls_(calls) {}

FileStore::~FileStore() {
  ::close(folder_);
}

Result<OpenFileRef> FileStore::open_file(const std::string& path, Access access) {
  if (Status checked = check_path(path); !checked) return fail(checked.error());
  bool writable = true;
  int descriptor = -1;
  if (access == Access::kWrite) {
    Result<int> opened = open_or_create(path);
    if (!opened) return fail(opened.error());
    descriptor = *opened;
  } else {
    descriptor = calls_.open(folder_, path.c_str(), O_RDWR);
    // Reads go on where writing is forbidden, such as on a file system remounted read-only.
    if (descriptor < 0 && (errno == EROFS || errno == EACCES)) {
      writable = false;
      descriptor = calls_.open(folder_, path.c_str(), O_RDONLY);
    }
    if (descriptor < 0) return os_failure(errno, fmt::format("cannot open {}", path));
  }
  struct stat info;
  CHECK(::fstat(descriptor, &info) == 0);
  return std::make_shared<const OpenFile>(descriptor, writable, info.st_dev == device_);
}

Result<int> FileStore::open_or_create(const std::string& path) {
  int descriptor = calls_.open(folder_, path.c_str(), O_RDWR);
  if (descriptor >= 0) return descriptor;
  if (errno == ENOENT) {
    descriptor = calls_.open(folder_, path.c_str(), O_RDWR | O_CREAT);
    if (descriptor < 0 && errno == ENOENT) {
      if (Status made = make_folders(folder_of(path)); !made) return fail(made.error());
      descriptor = calls_.open(folder_, path.c_str(), O_RDWR | O_CREAT);
    }
    if (descriptor >= 0) {
      note_new_entry(path);
      return descriptor;
    }
  }
  return os_failure(errno, fmt::format("cannot create {}", path));
}

Status FileStore::make_folders(const std::string& path) {
  if (path.empty() || calls_.make_folder(folder_, path.c_str()) == 0) {
    if (!path.empty()) note_new_entry(path);
    return {};
  }
  if (errno == EEXIST) return {};
  if (errno == ENOENT) {
    if (Status made = make_folders(folder_of(path)); !made) return made;
    if (calls_.make_folder(folder_, path.c_str()) == 0) {
      note_new_entry(path);
      return {};
    }
    if (errno == EEXIST) return {};
  }
  return os_failure(errno, fmt::format("cannot create folder {}", path));
}

Status FileStore::write(const OpenFile& file, const std::string& path, std::vector<iovec> pieces,
                        uint64_t position, uint64_t* written) {
  *written = 0;
  size_t first = 0;
  while (first < pieces.size()) {
    if (pieces[first].iov_len == 0) {
      ++first;
      continue;
    }
    const int count = static_cast<int>(std::min<size_t>(pieces.size() - first, IOV_MAX));
    const ssize_t result =
        calls_.write_at(file.descriptor(), &pieces[first], count, position + *written);
    if (result < 0 && errno == EINTR) continue;
    if (result <= 0) {
      return os_failure(result < 0 ? errno : EIO,
                        fmt::format("cannot write at {} of {}", position + *written, path));
    }
    *written += static_cast<uint64_t>(result);
    consume(pieces, first, static_cast<size_t>(result));
  }
  return {};
}

Result<Buffer> FileStore::read(const OpenFile& file, const std::string& path, uint64_t position,
                               uint64_t length) {
  struct stat info;
  if (::fstat(file.descriptor(), &info) != 0) {
    return os_failure(errno, fmt::format("cannot read {}", path));
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (position >= size) return Buffer();
  Buffer data = Buffer::allocate(std::min(length, size - position));
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t result = calls_.read_at(file.descriptor(), data.mutable_bytes().data() + done,
                                          data.size() - done, position + done);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) {
      return os_failure(errno, fmt::format("cannot read at {} of {}", position + done, path));
    }
    if (result == 0) break;
    done += static_cast<size_t>(result);
  }
  return data.slice(0, done);
}

std::optional<Buffer> FileStore::read_cached(const OpenFile& file, uint64_t position,
                                             uint64_t length) {
  struct stat info;
  if (::fstat(file.descriptor(), &info) != 0) return std::nullopt;
  const auto size = static_cast<uint64_t>(info.st_size);
  if (position >= size) return Buffer();
  Buffer data = Buffer::allocate(std::min(length, size - position));
  const ssize_t result =
      calls_.read_cached_at(file.descriptor(), data.mutable_bytes().data(), data.size(), position);
  if (result != static_cast<ssize_t>(data.size())) return std::nullopt;
  return data;
}

Status FileStore::sync(const OpenFile& file, const std::string& path) {
  if (calls_.sync_data(file.descriptor()) != 0) {
    return os_failure(errno, fmt::format("cannot sync {}; bytes written to it since the last sync "
                                         "may be lost even if a later sync succeeds",
                                         path));
  }
  return sync_folders_above(path);
}

Status FileStore::sync_file_system() {
  std::map<std::string, uint64_t> before;
  {
    const std::lock_guard lock(mutex_);
    before = unsynced_folders_;
  }
  if (calls_.sync_file_system(folder_) != 0) {
    return os_failure(errno, fmt::format("cannot sync the file system of {}", root_));
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [folder, change] : before) {
    const auto found = unsynced_folders_.find(folder);
    if (found != unsynced_folders_.end() && found->second == change) unsynced_folders_.erase(found);
  }
  return {};
}

Status FileStore::truncate(const std::string& path, uint64_t size) {
  Result<OpenFileRef> file = open_file(path, Access::kRead);
  if (!file) return fail(file.error());
  if (calls_.truncate((*file)->descriptor(), size) != 0) {
    return os_failure(errno, fmt::format("cannot cut {} to {} bytes", path, size));
  }
  // fsync, because the size is what matters here.
  if (calls_.sync((*file)->descriptor()) != 0) {
    return os_failure(errno, fmt::format("cannot sync {} after cutting it", path));
  }
  return sync_folders_above(path);
}

Status FileStore::replace(const std::string& path, const BufferChain& bytes) {
  if (Status checked = check_path(path); !checked) return checked;
  const std::string beside = path + std::string(kReplacing);
  {
    Result<OpenFileRef> file = open_file(beside, Access::kWrite);
    if (!file) return fail(file.error());
    if (calls_.truncate((*file)->descriptor(), 0) != 0) {
      return os_failure(errno, fmt::format("cannot replace {}", path));
    }
    std::vector<iovec> pieces;
    for (const Buffer& piece : bytes) {
      pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
    }
    uint64_t written = 0;
    Status done = write(**file, beside, std::move(pieces), 0, &written);
    if (!done) return done;
    if (calls_.sync((*file)->descriptor()) != 0) {
      return os_failure(errno, fmt::format("cannot sync {}", beside));
    }
  }
  return rename(beside, path);
}

Status FileStore::rename(const std::string& path, const std::string& to) {
  for (const std::string& name : {path, to}) {
    if (Status checked = check_path(name); !checked) return checked;
  }
  if (Status made = make_folders(folder_of(to)); !made) return made;
  if (calls_.rename(folder_, path.c_str(), to.c_str()) != 0) {
    return os_failure(errno, fmt::format("cannot rename {} to {}", path, to));
  }
  note_new_entry(to);
  for (const std::string& below : take_unsynced_folders(path)) note_new_entry(to + below + "/x");
  if (folder_of(path) != folder_of(to)) {
    note_new_entry(path);
    if (Status synced = sync_folders_above(path); !synced) return synced;
  }
  return sync_folders_above(to);
}

Status FileStore::remove(const std::string& path) {
  if (Status checked = check_path(path); !checked) return checked;
  if (calls_.remove(folder_, path.c_str()) != 0 && errno != ENOENT) {
    return os_failure(errno, fmt::format("cannot remove {}", path));
  }
  return {};
}

Result<std::vector<port::FolderEntry>> FileStore::list(const std::string& path) {
  std::vector<port::FolderEntry> entries;
  if (!path.empty()) {
    if (Status checked = check_path(path); !checked) return fail(checked.error());
  }
  const char* name = path.empty() ? "." : path.c_str();
  const int descriptor = calls_.open(folder_, name, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0 && errno == ENOENT) return entries;
  DIR* folder = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
  if (folder == nullptr) return os_failure(errno, fmt::format("cannot list folder {}", name));
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view found = entry->d_name;
    if (found == "." || found == ".." || found.ends_with(kReplacing)) continue;
    struct stat info;
    if (::fstatat(descriptor, entry->d_name, &info, 0) != 0) continue;  // removed meanwhile
    entries.push_back({.name = std::string(found),
                       .is_folder = S_ISDIR(info.st_mode),
                       .size = S_ISDIR(info.st_mode) ? 0 : static_cast<uint64_t>(info.st_size)});
    errno = 0;
  }
  const int error_number = errno;
  ::closedir(folder);
  if (error_number != 0) {
    return os_failure(error_number, fmt::format("cannot list folder {}", name));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Status FileStore::remove_folder(const std::string& path) {
  if (Status checked = check_path(path); !checked) return checked;
  if (Status removed = remove_tree(path); !removed) return removed;
  (void)take_unsynced_folders(path);
  note_new_entry(path);
  return sync_folders_above(path);
}

// What an interrupted replace() left is removed here too, so this does not use list().
Status FileStore::remove_tree(const std::string& path) {
  const int descriptor = calls_.open(folder_, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0 && errno == ENOENT) return {};
  DIR* folder = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
  if (folder == nullptr) return os_failure(errno, fmt::format("cannot open folder {}", path));
  std::vector<std::pair<std::string, bool>> entries;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info;
    const bool is_folder = ::fstatat(descriptor, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                           S_ISDIR(info.st_mode);
    entries.emplace_back(path + "/" + std::string(name), is_folder);
  }
  ::closedir(folder);
  for (const auto& [name, is_folder] : entries) {
    Status removed = is_folder ? remove_tree(name) : remove(name);
    if (!removed) return removed;
  }
  if (calls_.remove_folder(folder_, path.c_str()) != 0 && errno != ENOENT) {
    return os_failure(errno, fmt::format("cannot remove folder {}", path));
  }
  return {};
}

std::vector<std::string> FileStore::take_unsynced_folders(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> taken;
  auto entry = unsynced_folders_.lower_bound(path);
  while (entry != unsynced_folders_.end() && entry->first.starts_with(path)) {
    const std::string below = entry->first.substr(path.size());
    const bool inside = below.empty() || below.front() == '/';
    if (inside) taken.push_back(below);
    entry = inside ? unsynced_folders_.erase(entry) : std::next(entry);
  }
  return taken;
}

void FileStore::note_new_entry(const std::string& path) {
  const std::lock_guard lock(mutex_);
  unsynced_folders_[folder_of(path)] = ++changes_;
}

Status FileStore::sync_folders_above(const std::string& path) {
  std::string folder = path;
  do {
    folder = folder_of(folder);
    if (Status synced = sync_folder(folder); !synced) return synced;
  } while (!folder.empty());
  return {};
}

Status FileStore::sync_folder(const std::string& folder) {
  uint64_t change = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = unsynced_folders_.find(folder);
    if (found == unsynced_folders_.end()) return {};
    change = found->second;
  }
  const char* name = folder.empty() ? "." : folder.c_str();
  const int descriptor = calls_.open(folder_, name, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) {
    // Removed meanwhile, and with it what was in it; the folder above has its own count.
    if (errno == ENOENT) return {};
    return os_failure(errno, fmt::format("cannot open folder {} to sync it", name));
  }
  const int result = calls_.sync(descriptor);
  const int error_number = errno;
  ::close(descriptor);
  if (result != 0) return os_failure(error_number, fmt::format("cannot sync folder {}", name));
  const std::lock_guard lock(mutex_);
  const auto found = unsynced_folders_.find(folder);
  if (found != unsynced_folders_.end() && found->second == change) unsynced_folders_.erase(found);
  return {};
}

}  // namespace magpie::os
