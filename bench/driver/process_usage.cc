#include "driver/process_usage.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace magpie::bench {
namespace {

std::string proc_path(int32_t pid, const char* file) {
  return pid == 0 ? fmt::format("/proc/self/{}", file) : fmt::format("/proc/{}/{}", pid, file);
}

// Sum of fields 14 to `last` of proc(5) stat, which are utime, stime, cutime, cstime in clock
// ticks. The command name before them is in brackets and may hold spaces and brackets itself.
double seconds_from_stat(const std::string& stat, int last) {
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double total = 0;
  for (int field = 14; field <= last; ++field) {
    double ticks = 0;
    fields >> ticks;
    total += ticks;
  }
  return total / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Result<ProcessUsage> process_usage(int32_t pid) {
  std::ifstream stat_file(proc_path(pid, "stat"));
  std::string stat;
  if (!std::getline(stat_file, stat)) {
    return fail(ErrorKind::kNotFound, fmt::format("no process {}", pid));
  }
  ProcessUsage usage;
  usage.cpu_seconds = seconds_from_stat(stat, 17);

  std::ifstream status_file(proc_path(pid, "status"));
  for (std::string line; std::getline(status_file, line);) {
    std::istringstream fields(line);
    std::string name;
    uint64_t kibibytes = 0;
    fields >> name >> kibibytes;
    if (name == "VmRSS:") usage.resident_bytes = kibibytes * 1024;
    if (name == "RssAnon:") usage.resident_anonymous_bytes = kibibytes * 1024;
  }
  return usage;
}

std::map<int32_t, double> thread_cpu_seconds(int32_t pid) {
  std::map<int32_t, double> threads;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(proc_path(pid, "task"), ignored)) {
    std::ifstream stat_file(entry.path() / "stat");
    std::string stat;
    if (!std::getline(stat_file, stat)) continue;  // ended meanwhile
    threads[std::atoi(entry.path().filename().c_str())] = seconds_from_stat(stat, 15);
  }
  return threads;
}

int64_t monotonic_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace magpie::bench
