#include <CLI/CLI.hpp>
#include <memory>

#include "server/move_options.h"

namespace magpie::server {

void add_switchover_command(CLI::App& app, Action* chosen) {
  CLI::App* command =
      app.add_subcommand("switchover", "Move failover groups to another region, without loss");
  auto options = std::make_shared<MoveOptions>();
  add_move_options(*command, *options);
  auto* groups = command->add_option("GROUP", options->groups, "The failover groups");
  command->add_option("--all-from", options->from, "All groups that this region leads")
      ->excludes(groups);
  command->callback([chosen, options] {
    if (options->to.empty() && !options->dry_run) throw CLI::RequiredError("--to");
    *chosen = [options] { return run_move(*options, "switchover"); };
  });
}

}  // namespace magpie::server
