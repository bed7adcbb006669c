// Bytes written out in tests: "0012 0003 | 04 'kcat'" with spaces and bars for the reader.
#pragma once

#include <string>
#include <string_view>

#include "base/buffer.h"

namespace magpie::wire {

// Two hexadecimal digits per byte; text in single quotes stands for itself; spaces, line ends and
// bars are skipped.
Buffer from_hex(std::string_view text);

// Lower-case digits without spaces.
std::string to_hex(const Buffer& bytes);

}  // namespace magpie::wire
