#include "server/admin_options.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using nlohmann::json;

std::string text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "-" : value.dump();
}

void show_list(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& group : answer["groups"]) {
    rows.push_back({text(group["group"]), text(group["state"]), text(group["protocol_type"])});
  }
  fmt::print("{}", render_table({"GROUP", "STATE", "PROTOCOL"}, rows));
}

void show_group(const json& group) {
  fmt::print("group {}: {}, generation {}, {} members\n", text(group["group"]),
             text(group["state"]), text(group["generation"]), group["members"].size());
  std::vector<TableRow> members;
  for (const json& member : group["members"]) {
    members.push_back({text(member["member_id"]), text(member["client_id"]), text(member["host"])});
  }
  if (!members.empty()) fmt::print("\n{}", render_table({"MEMBER", "CLIENT", "HOST"}, members));
  std::vector<TableRow> positions;
  for (const json& at : group["positions"]) {
    positions.push_back(
        {text(at["topic"]), text(at["partition"]), text(at["committed"]), text(at["lag"])});
  }
  if (positions.empty()) return;
  fmt::print("\n{}", render_table({"TOPIC", "PARTITION", "COMMITTED", "LAG"}, positions));
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
