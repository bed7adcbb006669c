#include "server/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace magpie::server {
namespace {

// Where the child reports that it could not start; closed by a start that worked.
constexpr int kReportDescriptor = 3;

// After fork(): only calls that are safe there. Never returns.
[[noreturn]] void become(char* const* arguments, int log, int report, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  if (report != kReportDescriptor) ::dup2(report, kReportDescriptor);
  ::fcntl(kReportDescriptor, F_SETFD, FD_CLOEXEC);
  ::close_range(kReportDescriptor + 1, ~0u, 0);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD, SIGTTIN, SIGXFSZ}) {
    ::signal(number, SIG_DFL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(arguments[0], arguments);
  const int error = errno;
  (void)!::write(kReportDescriptor, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

Result<pid_t> start_child(const std::vector<std::string>& arguments, const std::string& log_file) {
  const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) {
    return fail(ErrorKind::kIo, fmt::format("cannot write {}: {}", log_file, strerror(errno)));
  }
  std::array<int, 2> report = {-1, -1};
  if (::pipe2(report.data(), O_CLOEXEC) != 0) {
    ::close(log);
    return fail(ErrorKind::kIo, fmt::format("no pipe for {}: {}", arguments[0], strerror(errno)));
  }
  std::vector<char*> pointers;
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(pointers.data(), log, report[1], parent);
  int error = child < 0 ? errno : 0;
  ::close(log);
  ::close(report[1]);
  if (child > 0 && ::read(report[0], &error, sizeof error) > 0) ::waitpid(child, nullptr, 0);
  ::close(report[0]);
  if (error == 0) return child;
  return fail(ErrorKind::kIo, fmt::format("cannot start {}: {}", arguments[0], strerror(error)));
}

std::string ending_text(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exit code {}", WEXITSTATUS(wait_status));
  const int number = WTERMSIG(wait_status);
  return fmt::format("killed by signal {} ({})", number, strsignal(number));
}

std::string own_program() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "/proc/self/exe" : path.string();
}

}  // namespace magpie::server
