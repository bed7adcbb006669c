#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "server/admin_options.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using nlohmann::json;

std::string show_list(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& group : answer.at("groups")) {
    rows.push_back({cell_text(group.at("group")), cell_text(group.at("state")),
                    cell_text(group.at("protocol_type"))});
  }
  return render_table({"GROUP", "STATE", "PROTOCOL"}, rows);
}

std::string show_group(const json& group) {
  std::vector<TableRow> members;
  for (const json& member : group.at("members")) {
    members.push_back({cell_text(member.at("member_id")), cell_text(member.at("client_id")),
                       cell_text(member.at("host"))});
  }
  std::vector<TableRow> positions;
  for (const json& at : group.at("positions")) {
    positions.push_back({cell_text(at.at("topic")), cell_text(at.at("partition")),
                         cell_text(at.at("committed")), cell_text(at.at("lag"))});
  }
  std::string text =
      fmt::format("group {}: {}, generation {}, {} member{}\n", cell_text(group.at("group")),
                  cell_text(group.at("state")), cell_text(group.at("generation")), members.size(),
                  members.size() == 1 ? "" : "s");
  if (!members.empty()) text += "\n" + render_table({"MEMBER", "CLIENT", "HOST"}, members);
  if (positions.empty()) return text;
  return text + "\n" + render_table({"TOPIC", "PARTITION", "COMMITTED", "LAG"}, positions);
}

struct Options {
  AdminOptions admin;
  std::string group;
};

}  // namespace

void add_group_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand("group", "Look at consumer groups");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();

  CLI::App* list = command->add_subcommand("list", "List the groups");
  add_admin_options(*list, options->admin);
  list->callback([chosen, options] {
    *chosen = [options] {
      return ask_and_show(options->admin, "GET", "/v1/groups", "", show_list);
    };
  });

  CLI::App* describe = command->add_subcommand("describe", "Show members, positions and lag");
  add_admin_options(*describe, options->admin);
  describe->add_option("GROUP", options->group, "The group")->required();
  describe->callback([chosen, options] {
    *chosen = [options] {
      return ask_and_show(options->admin, "GET", "/v1/groups/" + percent_encode(options->group), "",
                          show_group);
    };
  });
}

}  // namespace magpie::server
