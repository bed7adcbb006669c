// A recorded session of a real client, as test/golden keeps it (its README tells the format).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"

namespace magpie::node::testing {

struct RecordedFrame {
  int line = 0;  // of the file
  std::string connection;
  bool is_request = false;
  int16_t api_key = 0;
  int version = 0;
  std::optional<Buffer> bytes;  // none: a long answer, of which only the length was noted
};

// Reads the text of a recording. Error: kInvalidArgument, naming the line.
Result<std::vector<RecordedFrame>> parse_recording(const std::string& text);

}  // namespace magpie::node::testing
