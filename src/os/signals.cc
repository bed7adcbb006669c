#include "os/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

#include "base/check.h"

namespace magpie::os {
namespace {

// A signal handler can reach nothing else.
std::atomic<int> stop_descriptor_of_process{-1};
std::atomic<int> signals_seen{0};

void on_stop_signal(int) {
  const int saved = errno;
  if (signals_seen.fetch_add(1) > 0) {
    constexpr char kText[] = "magpie: second signal, ending at once\n";
    (void)!::write(STDERR_FILENO, kText, sizeof kText - 1);
    ::_exit(kExitInterrupted);
  }
  (void)::eventfd_write(stop_descriptor_of_process.load(), 1);
  errno = saved;
}

void set_handler(int signal_number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  CHECK(::sigaction(signal_number, &action, nullptr) == 0);
}

}  // namespace

StopSignals::StopSignals(int stop_descriptor) {
  CHECK(stop_descriptor_of_process.exchange(stop_descriptor) == -1);
  signals_seen = 0;
  set_handler(SIGTERM, on_stop_signal);
  set_handler(SIGINT, on_stop_signal);
  set_handler(SIGHUP, SIG_IGN);
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGXFSZ, SIG_IGN);
}

StopSignals::~StopSignals() {
  for (int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ}) {
    set_handler(signal_number, SIG_DFL);
  }
  stop_descriptor_of_process = -1;
}

}  // namespace magpie::os
