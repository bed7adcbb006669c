#include "os/data_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

namespace magpie::os {
namespace {

// The process id that the holder wrote into the file; empty if it has not done so yet.
std::string read_holder(int descriptor) {
  char text[32];
  const ssize_t count = ::pread(descriptor, text, sizeof text, 0);
  if (count <= 0) return "";
  const std::string_view found(text, static_cast<size_t>(count));
  return std::string(found.substr(0, found.find('\n')));
}

}  // namespace

Result<std::unique_ptr<DataLock>> DataLock::take(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot create the data directory {}: {}; name a place where the user "
                            "that runs magpie may write, with --data or node.data",
                            directory, error.message()));
  }
  const std::string path = directory + "/lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (descriptor < 0) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot open {}: {}; the data directory must belong to the user that "
                            "runs magpie",
                            path, strerror(errno)));
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    const std::string holder = read_holder(descriptor);
    ::close(descriptor);
    if (reason != EWOULDBLOCK) {
      return fail(ErrorKind::kIo, fmt::format("cannot lock {}: {}", path, strerror(reason)));
    }
    return fail(ErrorKind::kUnavailable,
                fmt::format("the data directory {} is in use by process {}; stop that one first, "
                            "or give this one a directory of its own",
                            directory, holder.empty() ? "(unknown)" : holder));
  }
  // The number is for people only; the lock is what counts.
  const std::string text = fmt::format("{}\n", ::getpid());
  (void)!::ftruncate(descriptor, 0);
  (void)!::pwrite(descriptor, text.data(), text.size(), 0);
  return std::unique_ptr<DataLock>(new DataLock(descriptor));
}

DataLock::~DataLock() {
  ::close(descriptor_);
}

}  // namespace magpie::os
