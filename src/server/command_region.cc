#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "server/admin_options.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using nlohmann::json;

std::string list_text(const json& values) {
  std::string text;
  for (const json& value : values) text += (text.empty() ? "" : ", ") + cell_text(value);
  return text.empty() ? "-" : text;
}

std::string show_regions(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& region : answer.at("regions")) {
    rows.push_back({cell_text(region.at("name")), cell_text(region.at("role")),
                    list_text(region.at("nodes")), list_text(region.at("alive")),
                    list_text(region.at("leads"))});
  }
  const std::string table = render_table({"REGION", "ROLE", "NODES", "ALIVE", "LEADS"}, rows);
  if (!answer.at("single_node").get<bool>()) return table;
  return table + "this node is alone: it has no control store, and there is no other region\n";
}

}  // namespace

void add_region_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand("region", "Look at regions");
  command->require_subcommand(1);
  auto options = std::make_shared<AdminOptions>();
  CLI::App* list = command->add_subcommand("list", "List regions, their nodes, and what they lead");
  add_admin_options(*list, *options);
  list->callback([chosen, options] {
    *chosen = [options] { return ask_and_show(*options, "GET", "/v1/regions", "", show_regions); };
  });
}

}  // namespace magpie::server
