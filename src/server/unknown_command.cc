#include "server/unknown_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "server/config_text.h"

namespace magpie::server {

std::string unknown_command(CLI::App& app, const std::vector<std::string>& arguments) {
  CLI::App* at = &app;
  for (const std::string& word : arguments) {
    std::vector<std::string> names;
    CLI::App* next = nullptr;
    for (CLI::App* command : at->get_subcommands({})) {
      names.push_back(command->get_name());
      if (command->check_name(word)) next = command;
    }
    if (word.empty() || word[0] == '-' || names.empty()) return "";
    if (next == nullptr) {
      const std::string nearest = nearest_word(word, names);
      const std::string hint = nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest);
      return fmt::format("magpie: there is no command '{}'{}", word, hint);
    }
    at = next;
  }
  return "";
}

}  // namespace magpie::server
