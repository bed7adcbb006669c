#include "os/log_sink.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace magpie::os {
namespace {

constexpr port::Severity kSeverities[] = {port::Severity::kDebug, port::Severity::kInfo,
                                          port::Severity::kWarning, port::Severity::kError};

spdlog::level::level_enum to_spdlog(port::Severity severity) {
  switch (severity) {
    case port::Severity::kDebug:
      return spdlog::level::debug;
    case port::Severity::kInfo:
      return spdlog::level::info;
    case port::Severity::kWarning:
      return spdlog::level::warn;
    case port::Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string timestamp(WallTime time) {
  const std::time_t seconds = static_cast<std::time_t>(time.millis / 1'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), time.millis % 1'000);
}

// Names that clients choose end up in log lines; they must not be able to forge another line.
std::string one_line(std::string text) {
  for (char& letter : text) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = ' ';
  }
  return text;
}

class StderrLog final : public LogSink {
 public:
  explicit StderrLog(const LogConfig& config)
      : format_(config.format),
        limiter_(config.lines_per_window, config.window),
        logger_("magpie", std::make_shared<spdlog::sinks::stderr_sink_st>()) {
    logger_.set_pattern("%v");
    logger_.set_level(to_spdlog(config.level));
    logger_.flush_on(spdlog::level::trace);
  }

  void write(const Now& now, const port::LogLine& line) override {
    if (!logger_.should_log(to_spdlog(line.severity))) return;
    uint64_t suppressed = 0;
    const bool admitted = limiter_.admit(now.instant, line.code, &suppressed);
    if (suppressed > 0) {
      put(now.wall, {line.severity, line.code,
                     fmt::format("{} more lines with this code were left out", suppressed)});
    }
    if (admitted) put(now.wall, line);
  }

 private:
  void put(WallTime time, const port::LogLine& line) {
    const std::string text =
        format_ == LogFormat::kJson ? to_json(time, line) : to_text(time, line);
    logger_.log(to_spdlog(line.severity), spdlog::string_view_t(text));
  }

  LogFormat format_;
  LogLimiter limiter_;
  spdlog::logger logger_;
};

}  // namespace

const char* to_string(port::Severity severity) {
  switch (severity) {
    case port::Severity::kDebug:
      return "debug";
    case port::Severity::kInfo:
      return "info";
    case port::Severity::kWarning:
      return "warning";
    case port::Severity::kError:
      return "error";
  }
  return "info";
}

Result<port::Severity> parse_severity(std::string_view text) {
  for (port::Severity severity : kSeverities) {
    if (text == to_string(severity)) return severity;
  }
  return fail(ErrorKind::kInvalidArgument, "expected debug, info, warning or error");
}

LogLimiter::LogLimiter(uint32_t lines_per_window, Duration window)
    : lines_per_window_(lines_per_window), window_(window) {}

bool LogLimiter::admit(Instant now, const std::string& code, uint64_t* suppressed) {
  Window& window = windows_[code];
  *suppressed = 0;
  if (window.lines == 0 || now - window.begin >= window_) {
    if (window.lines > lines_per_window_) *suppressed = window.lines - lines_per_window_;
    window = {now, 0};
  }
  return ++window.lines <= lines_per_window_;
}

std::unique_ptr<LogSink> make_stderr_log(const LogConfig& config) {
  return std::make_unique<StderrLog>(config);
}

std::string to_json(WallTime time, const port::LogLine& line) {
  nlohmann::ordered_json object;
  object["time"] = timestamp(time);
  object["severity"] = to_string(line.severity);
  object["code"] = line.code;
  object["text"] = line.text;
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string to_text(WallTime time, const port::LogLine& line) {
  std::string severity = to_string(line.severity);
  for (char& letter : severity) letter = static_cast<char>(letter - 'a' + 'A');
  return fmt::format("{} {:<7} {} {}", timestamp(time), severity, line.code, one_line(line.text));
}

}  // namespace magpie::os
