#include <CLI/CLI.hpp>
#include <memory>

#include "server/move_options.h"

namespace magpie::server {

void add_failover_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand(
      "failover", "Give failover groups another leader, whatever the old one does");
  auto options = std::make_shared<MoveOptions>();
  add_move_options(*command, *options);
  command->add_option("GROUP", options->groups,
                      "The failover groups; all that --from leads if none");
  command->add_option("--from", options->from, "The region that is lost");
  command->add_flag("--allow-loss", options->allow_loss,
                    "Go on if nobody holds everything that was acknowledged");
  command->callback(
      [chosen, options] { *chosen = [options] { return run_move(*options, "failover"); }; });
}

}  // namespace magpie::server
