#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "server/command.h"
#include "server/config.h"

namespace magpie::server {
namespace {

int check(const std::string& path) {
  const ConfigReading reading = read_config_file(path);
  for (const ConfigProblem& problem : reading.problems) {
    fmt::print(stderr, "{}\n", to_string(problem));
  }
  for (const std::string& warning : reading.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (!reading.problems.empty()) {
    fmt::print(stderr, "{}: {} problem{}\n", path, reading.problems.size(),
               reading.problems.size() == 1 ? "" : "s");
    return kExitUsage;
  }
  fmt::print("{}: good\n", path);
  return kExitOk;
}

}  // namespace

void add_config_command(CLI::App& app, Action* chosen) {
  CLI::App* config =
      app.add_subcommand("config", "Check a configuration file, or show the defaults");
  config->require_subcommand(1);

  CLI::App* check_command =
      config->add_subcommand("check", "Name everything that is wrong in FILE");
  auto path = std::make_shared<std::string>();
  check_command->add_option("FILE", *path, "The configuration file")->required();
  check_command->callback([chosen, path] { *chosen = [path] { return check(*path); }; });

  CLI::App* print = config->add_subcommand("print-defaults", "Print a file with all defaults");
  print->callback([chosen] {
    *chosen = [] {
      fmt::print("{}", default_config_text());
      return kExitOk;
    };
  });
}

}  // namespace magpie::server
