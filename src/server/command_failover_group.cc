#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "server/admin_command.h"
#include "server/admin_options.h"
#include "server/exposure_text.h"
#include "server/group_options.h"
#include "server/table.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

constexpr const char* kAlone =
    "this node is alone: it has no control store, and there is no region to fail over to\n";

struct Options {
  AdminOptions admin;
  std::string group;
  std::string preset = "standard";
  std::string placed;
  GroupOptions policy;
  bool deleted = false;
};

std::string as_text(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string group_target(const Options& options) {
  return "/v1/failover-groups/" + percent_encode(options.group);
}

// "1 (bj)"; one that holds no lease is marked.
std::string member_text(const json& member) {
  if (member.is_null()) return "-";
  const std::string region = cell_text(member.at("region"));
  return fmt::format("{} ({}{})", cell_text(member.at("node")), region,
                     member.at("alive").get<bool>() ? "" : ", down");
}

std::string members_text(const json& members) {
  std::string text;
  for (const json& member : members) text += (text.empty() ? "" : ", ") + member_text(member);
  return text.empty() ? "-" : text;
}

std::string show_list(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& group : answer.at("failover_groups")) {
    const json& led = group.at("leadership");
    const json& policy = group.at("policy");
    TableRow row = {cell_text(group.at("name")), cell_text(policy.at("copies")),
                    cell_text(group.at("partitions"))};
    if (led.is_null()) {
      row.insert(row.end(), {"-", "-", "not led", "-"});
    } else {
      row.insert(row.end(), {member_text(led.at("leader")), cell_text(led.at("epoch")),
                             cell_text(led.at("state")), members_text(led.at("sync"))});
    }
    rows.push_back(std::move(row));
  }
  const std::string table =
      render_table({"GROUP", "COPIES", "PARTITIONS", "LEADER", "EPOCH", "STATE", "SYNC"}, rows);
  return table + (answer.at("single_node").get<bool>() ? kAlone : "");
}

std::vector<std::string> texts(const json& list) {
  std::vector<std::string> found;
  for (const json& element : list) found.push_back(cell_text(element));
  return found;
}

std::string show_deleted(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& group : answer.at("deleted_failover_groups")) {
    rows.push_back({cell_text(group.at("name")), cell_text(group.at("policy").at("copies")),
                    time_text(group.at("deleted_at_ms").get<int64_t>()),
                    time_text(group.at("kept_until_ms").get<int64_t>())});
  }
  if (rows.empty()) return "no deleted failover groups are kept\n";
  return render_table({"GROUP", "COPIES", "DELETED", "KEPT UNTIL"}, rows);
}

std::string show_policy(const json& policy) {
  std::string text;
  for (const auto& [key, value] : policy.items()) {
    if (value.is_null() || key == "regions") continue;
    if (value.is_array()) {
      if (!value.empty()) text += fmt::format("  {}={}\n", key, fmt::join(texts(value), ","));
      continue;
    }
    text += fmt::format("  {}={}\n", key, cell_text(value));
  }
  return text;
}

std::string since_text(const json& millis) {
  return millis.is_null() ? "-" : time_text(millis.get<int64_t>());
}

std::string show_leadership(const json& led) {
  if (led.is_null()) return "leader: none; the group was never led\n";
  std::string text = fmt::format(
      "leader: {}, epoch {}{}, opened {}\nin sync: {}\njoining: {}\npromotable without loss: {}\n"
      "state: {} since {}\n",
      member_text(led.at("leader")), cell_text(led.at("epoch")),
      led.at("open").get<bool>() ? "" : " (not open)", cell_text(led.at("opened_with")),
      members_text(led.at("sync")), member_text(led.at("joining")),
      members_text(led.at("promotable")), cell_text(led.at("state")),
      since_text(led.at("state_since_ms")));
  if (!led.at("exposed_since_ms").is_null()) {
    text +=
        fmt::format("fewer copies than wanted since {}\n", since_text(led.at("exposed_since_ms")));
  }
  if (const json& draining = led.at("draining"); !draining.is_null()) {
    text += fmt::format("operation {} moves it to node {}: {}\n",
                        cell_text(draining.at("operation")), cell_text(draining.at("target")),
                        draining.at("drained").get<bool>() ? "the target has everything"
                                                           : "waiting for the target");
  }
  if (!led.at("blocked").is_null()) {
    text += fmt::format("no writes: {}\n", cell_text(led.at("blocked")));
  }
  return text;
}

std::string show_group(const json& group) {
  std::string regions;
  for (const json& region : group.at("regions")) {
    regions += (regions.empty() ? "" : ", ") + cell_text(region);
  }
  return fmt::format("failover group {} with {} partition{}, regions: {}\n",
                     cell_text(group.at("name")), cell_text(group.at("partitions")),
                     group.at("partitions") == 1 ? "" : "s", regions.empty() ? "-" : regions) +
         show_policy(group.at("policy")) + show_leadership(group.at("leadership")) +
         (group.at("single_node").get<bool>() ? kAlone : "");
}

int create(const Options& options) {
  auto body = policy_of(options.policy);
  if (!body) return report(options.admin, body.error());
  (*body)["name"] = options.group;
  (*body)["preset"] = options.preset;
  return ask_and_show(options.admin, "POST", "/v1/failover-groups", as_text(*body),
                      [](const json& group) { return "created " + show_group(group); });
}

int alter(const Options& options) {
  const auto body = policy_of(options.policy);
  if (!body) return report(options.admin, body.error());
  if (body->empty()) {
    return report(options.admin,
                  {"wrong_argument", "no setting is named that is to be different",
                   "name one, such as --copies 1; magpie fg alter --help lists them", kExitUsage});
  }
  return ask_and_show(options.admin, "PATCH", group_target(options), as_text(*body),
                      [](const json& group) { return "altered " + show_group(group); });
}

int remove(const Options& options) {
  return ask_and_show(options.admin, "DELETE", group_target(options), "", [](const json& gone) {
    return fmt::format("deleted failover group {}\n", cell_text(gone.at("name")));
  });
}

std::string show_placed(const json& answer) {
  std::string text;
  for (const json& topic : answer.at("topics")) {
    text += fmt::format("topic {}: magpie.failover.group={}\n", cell_text(topic.at("topic")),
                        cell_text(topic.at("config")));
  }
  if (answer.at("topics").empty()) text = "every topic that matches is there already\n";
  if (const json& left = answer.at("left"); left != 0) {
    text += fmt::format("{} more match; run the command again\n", cell_text(left));
  }
  return text;
}

int restore(const Options& options) {
  const std::string target =
      "/v1/deleted-failover-groups/" + percent_encode(options.group) + "/restore";
  return ask_and_show(options.admin, "POST", target, "",
                      [](const json& group) { return "restored " + show_group(group); });
}

int list(const Options& options) {
  if (options.deleted) {
    return ask_and_show(options.admin, "GET", "/v1/deleted-failover-groups", "", show_deleted);
  }
  return ask_and_show(options.admin, "GET", "/v1/failover-groups", "", show_list);
}

int place(const Options& options) {
  const auto placed = parse_placed(options.placed);
  if (!placed) return report(options.admin, placed.error());
  json body = {{"topic", placed->topic}};
  if (!placed->partitions.empty()) body["partitions"] = placed->partitions;
  return ask_and_show(options.admin, "POST", group_target(options) + "/partitions", as_text(body),
                      show_placed);
}

}  // namespace

void add_failover_group_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand(
      "failover-group", "Create, show, alter and delete failover groups; place partitions");
  command->alias("fg");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add_admin_command(*command, "list", "List the failover groups", options, chosen, list)
      ->add_flag("--deleted", options->deleted, "Those that were deleted and can be restored");
  CLI::App* make =
      add_admin_command(*command, "create", "Create a failover group", options, chosen, create);
  make->add_option("--preset", options->preset, "critical, standard or bulk; what is changed from")
      ->capture_default_str();
  CLI::App* show = add_admin_command(
      *command, "describe", "Show policy, leader and copies of a failover group", options, chosen,
      [](const Options& asked) {
        return ask_and_show(asked.admin, "GET", group_target(asked), "", show_group);
      });
  CLI::App* history =
      add_admin_command(*command, "exposure",
                        "Show when, and for how many records, there were fewer copies than wanted",
                        options, chosen, [](const Options& asked) {
                          return ask_and_show(asked.admin, "GET", group_target(asked) + "/exposure",
                                              "", exposure_text);
                        });
  CLI::App* change =
      add_admin_command(*command, "alter", "Change the policy", options, chosen, alter);
  CLI::App* gone =
      add_admin_command(*command, "delete", "Delete a failover group that has no partitions",
                        options, chosen, remove);
  CLI::App* back =
      add_admin_command(*command, "restore", "Bring a deleted failover group's policy back",
                        options, chosen, restore);
  for (CLI::App* each : {make, show, history, change, gone, back}) {
    each->add_option("GROUP", options->group, "The failover group")->required();
  }
  for (CLI::App* each : {make, change}) add_group_options(*each, options->policy);
  CLI::App* move = add_admin_command(*command, "place", "Move partitions into a failover group",
                                     options, chosen, place);
  move->add_option("TOPIC[:PARTITIONS]", options->placed,
                   "orders, orders:0,2,5-7, or a pattern: 'ord*'")
      ->required();
  move->add_option("--group", options->group, "The failover group")->required();
}

}  // namespace magpie::server
