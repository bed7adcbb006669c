#include "server/admin_options.h"

namespace magpie::server {
namespace {

using nlohmann::json;

void show(const json& status) {
  const json& partitions = status["partitions"];
  fmt::print("node {} of {} in {}: {}, epoch {}\n", status["node_id"].dump(),
             status["cluster_id"].get<std::string>(), status["region"].get<std::string>(),
             status["phase"].get<std::string>(), status["leader_epoch"].dump());
  fmt::print(
      "topics {}, partitions {} ({} online, {} read-only, {} offline), groups {}, "
      "connections {}\n",
      status["topics"].dump(), partitions["hosted"].dump(), partitions["online"].dump(),
      partitions["read_only"].dump(), partitions["offline"].dump(), status["groups"].dump(),
      status["connections"].dump());
  for (const json& problem : status["problems"]) {
    fmt::print("problem: {}\n", problem.get<std::string>());
  }
}

}  // namespace

void add_status_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand("status", "Show how a node is doing");
  auto options = std::make_shared<AdminOptions>();
  add_admin_options(*command, *options);
  command->callback([chosen, options] {
    *chosen = [options] { return ask_and_show(*options, "GET", "/v1/status", "", show); };
  });
}

}  // namespace magpie::server
