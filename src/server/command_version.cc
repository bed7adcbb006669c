#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "server/command.h"

namespace magpie::server {

void add_version_command(CLI::App& app, Action* chosen) {
  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->callback([chosen] {
    *chosen = [] {
      fmt::print("magpie {}\n", MAGPIE_VERSION);
      return kExitOk;
    };
  });
}

}  // namespace magpie::server
