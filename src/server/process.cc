#include "server/process.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <fstream>

namespace magpie::server {
namespace {

// Descriptors beside connections and data files: standard streams, listeners, the loop's own, and
// files that workers have open for a moment.
constexpr uint64_t kOtherFiles = 128;

uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

void tune_memory() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
}

std::string fit_open_files(os::DriverConfig& config) {
  const uint64_t admin = config.admin.has_value() ? config.admin->connections : 0;
  const uint64_t needed = config.network.connections + config.disk.open_files + admin + kOtherFiles;
  const uint64_t allowed = raise_open_files();
  if (allowed >= needed) return "";
  const uint64_t usable = std::max<uint64_t>(allowed, 2 * kOtherFiles) - kOtherFiles;
  config.disk.open_files =
      std::min<uint64_t>(config.disk.open_files, std::max<uint64_t>(usable / 4, 16));
  config.network.connections =
      std::min<uint64_t>(config.network.connections, std::max<uint64_t>(usable / 2, 16));
  return fmt::format(
      "this process may open {} files, the configuration needs {}; going on with {} connections "
      "and {} data files. Raise the limit (LimitNOFILE= of the unit, ulimit -Hn) or lower "
      "limits.connections and limits.open_files",
      allowed, needed, config.network.connections, config.disk.open_files);
}

uint64_t random_seed() {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed)) return seed;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'007 + static_cast<uint64_t>(now.tv_nsec);
}

std::string machine_run() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace magpie::server
