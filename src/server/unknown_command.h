// A command that does not exist, said as such.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace magpie::server {

// If the leading words of `arguments` name a command that `app` does not have: a sentence that
// names the word and the nearest command. Empty otherwise; CLI11 itself only says that one is
// required.
std::string unknown_command(CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace magpie::server
