#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "server/admin_options.h"

namespace magpie::server {
namespace {

using nlohmann::json;

std::string show(const json& status) {
  const json& partitions = status.at("partitions");
  const auto field = [&](const char* name) { return cell_text(status.at(name)); };
  const auto count = [&](const char* name) { return cell_text(partitions.at(name)); };
  std::string text =
      fmt::format("node {} of {} in {}: {}, epoch {}\n", field("node_id"), field("cluster_id"),
                  field("region"), field("phase"), field("leader_epoch"));
  text += fmt::format(
      "topics {}, partitions {} ({} online, {} read-only, {} offline), groups {}, connections {}\n",
      field("topics"), count("hosted"), count("online"), count("read_only"), count("offline"),
      field("groups"), field("connections"));
  if (status.contains("store_trouble")) {
    text += fmt::format("control store: {}\n", cell_text(status.at("store_trouble")));
  }
  for (const json& stuck : status.value("stuck_folders", json::array())) {
    text += fmt::format("stuck folder: {}\n", cell_text(stuck));
  }
  for (const json& problem : status.at("problems")) {
    text += fmt::format("problem: {}\n", cell_text(problem));
  }
  return text;
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
