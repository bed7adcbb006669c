#include <CLI/CLI.hpp>

#include "server/command.h"

int main(int argc, char** argv) {
  CLI::App app("Magpie: a message queue that outlives its data centre. Speaks the Kafka protocol.",
               "magpie");
  app.require_subcommand(1);
  magpie::server::Action chosen;
  magpie::server::add_serve_command(app, &chosen);
  magpie::server::add_config_command(app, &chosen);
  magpie::server::add_topic_command(app, &chosen);
  magpie::server::add_group_command(app, &chosen);
  magpie::server::add_status_command(app, &chosen);
  magpie::server::add_store_command(app, &chosen);
  magpie::server::add_version_command(app, &chosen);
  // The library throws for wrong arguments and for --help; this is the boundary.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? magpie::server::kExitOk : magpie::server::kExitUsage;
  }
  return chosen();
}
