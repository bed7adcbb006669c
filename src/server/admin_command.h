// A command that asks a running node, with its options and what it does.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <type_traits>

#include "server/admin_options.h"
#include "server/command.h"

namespace magpie::server {

// Adds the subcommand with --admin, --timeout and -o to `command`. If it is the one that is called,
// `*chosen` runs it with what was given. REQUIRES: `Options` has AdminOptions `admin`.
template <typename Options>
CLI::App* add_admin_command(CLI::App& command, const char* name, const char* help,
                            const std::shared_ptr<Options>& options, Action* chosen,
                            std::type_identity_t<int (*)(const Options&)> run) {
  CLI::App* subcommand = command.add_subcommand(name, help);
  add_admin_options(*subcommand, options->admin);
  subcommand->callback(
      [chosen, options, run] { *chosen = [options, run] { return run(*options); }; });
  return subcommand;
}

}  // namespace magpie::server
