#include "node/testing/recording.h"

#include <fmt/format.h>

#include <sstream>

#include "wire/hex.h"

namespace magpie::node::testing {

Result<std::vector<RecordedFrame>> parse_recording(const std::string& text) {
  std::vector<RecordedFrame> frames;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    RecordedFrame frame;
    frame.line = number;
    std::string direction;
    std::string content;
    fields >> frame.connection >> direction >> frame.api_key >> frame.version >> content;
    if (!fields || (direction != ">" && direction != "<")) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("line {} is no frame", number));
    }
    frame.is_request = direction == ">";
    if (!content.starts_with('-')) frame.bytes = wire::from_hex(content);
    if (frame.is_request && !frame.bytes) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("line {}: no request", number));
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace magpie::node::testing
