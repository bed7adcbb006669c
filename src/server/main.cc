#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "server/command.h"
#include "server/unknown_command.h"

int main(int argc, char** argv) {
  CLI::App app("Magpie: a message queue that outlives its data centre. Speaks the Kafka protocol.",
               "magpie");
  app.require_subcommand(1);
  magpie::server::Action chosen;
  magpie::server::add_serve_command(app, &chosen);
  magpie::server::add_dev_command(app, &chosen);
  magpie::server::add_config_command(app, &chosen);
  magpie::server::add_topic_command(app, &chosen);
  magpie::server::add_group_command(app, &chosen);
  magpie::server::add_failover_group_command(app, &chosen);
  magpie::server::add_region_command(app, &chosen);
  magpie::server::add_switchover_command(app, &chosen);
  magpie::server::add_failover_command(app, &chosen);
  magpie::server::add_operation_command(app, &chosen);
  magpie::server::add_certificate_commands(app, &chosen);
  magpie::server::add_salvage_command(app, &chosen);
  magpie::server::add_status_command(app, &chosen);
  magpie::server::add_store_command(app, &chosen);
  magpie::server::add_version_command(app, &chosen);
  // The library throws for wrong arguments and for --help; this is the boundary.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = magpie::server::unknown_command(app, {argv + 1, argv + argc});
    if (!unknown.empty()) {
      fmt::print(stderr, "{}\nRun with --help for more information.\n", unknown);
      return magpie::server::kExitUsage;
    }
    return app.exit(error) == 0 ? magpie::server::kExitOk : magpie::server::kExitUsage;
  }
  return chosen();
}
