// Signals of the process.
#pragma once

namespace magpie::os {

inline constexpr int kExitInterrupted = 130;

// While it exists: the first SIGTERM or SIGINT makes the eventfd `stop_descriptor` readable; the
// second ends the process at once with kExitInterrupted, even if the loop is stuck. SIGHUP is
// reserved and ignored; SIGPIPE and SIGXFSZ are ignored, because the calls that cause them report
// errors. At most one exists at a time.
class StopSignals {
 public:
  explicit StopSignals(int stop_descriptor);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
};

}  // namespace magpie::os
