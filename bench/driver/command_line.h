// From arguments to Settings.
#pragma once

#include "base/result.h"
#include "driver/settings.h"

namespace magpie::bench {

// kInvalidArgument with the sentence to show; for --help that sentence is the help text and
// `help` is set.
Result<Settings> parse_command_line(int argc, const char* const* argv, bool& help);

}  // namespace magpie::bench
