// Where log lines go.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "port/effect.h"

namespace magpie::os {

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const Now& now, const port::LogLine& line) = 0;
};

enum class LogFormat { kText, kJson };

// Lines of this severity and above are written.
struct LogConfig {
  port::Severity level = port::Severity::kInfo;
  LogFormat format = LogFormat::kText;
  // Lines with one code within one window; further ones are counted, and the count is written
  // before the first line of that code in a later window. Errors are limited too: a full disk must
  // not fill the log as well.
  uint32_t lines_per_window = 20;
  Duration window = Duration::seconds(10);
};

// "info", and back. Error: kInvalidArgument for any other word.
const char* to_string(port::Severity severity);
Result<port::Severity> parse_severity(std::string_view text);

// Decides which repetitions of a code are written.
class LogLimiter {
 public:
  LogLimiter(uint32_t lines_per_window, Duration window);

  // True if a line with this code may be written now. `*suppressed` receives how many lines of
  // this code were dropped in the window that has just ended; 0 most of the time.
  bool admit(Instant now, const std::string& code, uint64_t* suppressed);

 private:
  struct Window {
    Instant begin;
    uint64_t lines = 0;
  };

  uint32_t lines_per_window_;
  Duration window_;
  std::map<std::string, Window> windows_;  // codes are a fixed documented set, so this stays small
};

// Writes lines to standard error through spdlog.
std::unique_ptr<LogSink> make_stderr_log(const LogConfig& config);

// One line as JSON, without the end of line: {"time":…,"severity":…,"code":…,"text":…}. Bytes that
// are not UTF-8 are replaced.
std::string to_json(WallTime time, const port::LogLine& line);

// One line as text: "2026-11-22T10:05:11.123Z INFO  code text".
std::string to_text(WallTime time, const port::LogLine& line);

}  // namespace magpie::os
