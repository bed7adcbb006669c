#include "server/admin_options.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using nlohmann::json;

struct Options {
  AdminOptions admin;
  std::string topic;
  int partitions = 0;
  std::vector<std::string> configs;  // KEY=VALUE; KEY= sets back to the default
};

std::string text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string topic_target(const Options& options) {
  return "/v1/topics/" + percent_encode(options.topic);
}

void show_list(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& topic : answer["topics"]) {
    rows.push_back({text(topic["name"]), text(topic["partitions"]), text(topic["id"]),
                    topic["internal"].get<bool>() ? "internal" : ""});
  }
  fmt::print("{}", render_table({"TOPIC", "PARTITIONS", "ID", ""}, rows));
}

void show_topic(const json& topic) {
  fmt::print("topic {} with id {}\n", text(topic["name"]), text(topic["id"]));
  for (const auto& [key, value] : topic["configs"].items()) {
    fmt::print("  {}={}\n", key, text(value));
  }
  std::vector<TableRow> rows;
  for (const json& one : topic["partitions"]) {
    const auto field = [&](const char* name) {
      return one.contains(name) ? text(one[name]) : std::string("-");
    };
    rows.push_back({field("partition"), field("state"), field("leader_epoch"), field("log_start"),
                    field("high_watermark"), field("size_bytes")});
  }
  fmt::print("\n{}", render_table({"PARTITION", "STATE", "EPOCH", "START", "END", "BYTES"}, rows));
}

// False, with a message, if an argument is not KEY=VALUE.
bool read_configs(const Options& options, bool may_unset, json& configs) {
  for (const std::string& config : options.configs) {
    const size_t equals = config.find('=');
    if (equals == std::string::npos || equals == 0) {
      fmt::print(stderr, "error wrong_argument: '{}' is not of the form KEY=VALUE\n", config);
      return false;
    }
    const std::string value = config.substr(equals + 1);
    const bool unset = may_unset && value.empty();
    configs[config.substr(0, equals)] = unset ? json(nullptr) : json(value);
  }
  return true;
}

int create(const Options& options) {
  json body = {{"name", options.topic}};
  if (options.partitions != 0) body["partitions"] = options.partitions;
  json configs = json::object();
  if (!read_configs(options, false, configs)) return kExitUsage;
  body["configs"] = configs;
  return ask_and_show(options.admin, "POST", "/v1/topics", body.dump(), [](const json& created) {
    fmt::print("created topic {} with {} partitions\n", text(created["name"]),
               text(created["partitions"]));
  });
}

int alter(const Options& options) {
  json body = json::object();
  if (options.partitions != 0) body["partitions"] = options.partitions;
  json configs = json::object();
  if (!read_configs(options, true, configs)) return kExitUsage;
  body["configs"] = configs;
  return ask_and_show(
      options.admin, "PATCH", topic_target(options), body.dump(),
      [](const json& altered) { fmt::print("altered topic {}\n", text(altered["name"])); });
}

int remove(const Options& options) {
  return ask_and_show(options.admin, "DELETE", topic_target(options), "", [](const json& removed) {
    fmt::print("deleted topic {}\n", text(removed["name"]));
  });
}

// A subcommand about one topic.
CLI::App* add_topic_subcommand(CLI::App& command, const char* name, const char* help,
                               const std::shared_ptr<Options>& options) {
  CLI::App* subcommand = command.add_subcommand(name, help);
  add_admin_options(*subcommand, options->admin);
  subcommand->add_option("TOPIC", options->topic, "The topic")->required();
  return subcommand;
}

}  // namespace

void add_topic_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand("topic", "Create, show, alter and delete topics");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();

  CLI::App* list = command->add_subcommand("list", "List the topics");
  add_admin_options(*list, options->admin);
  list->callback([chosen, options] {
    *chosen = [options] {
      return ask_and_show(options->admin, "GET", "/v1/topics", "", show_list);
    };
  });

  CLI::App* make = add_topic_subcommand(*command, "create", "Create a topic", options);
  make->add_option("--partitions", options->partitions, "Number of partitions");
  make->add_option("--config", options->configs, "KEY=VALUE; may be repeated");
  make->callback([chosen, options] { *chosen = [options] { return create(*options); }; });

  CLI::App* show = add_topic_subcommand(*command, "describe", "Show a topic", options);
  show->callback([chosen, options] {
    *chosen = [options] {
      return ask_and_show(options->admin, "GET", topic_target(*options), "", show_topic);
    };
  });

  CLI::App* change =
      add_topic_subcommand(*command, "alter", "Change configs or add partitions", options);
  change->add_option("--partitions", options->partitions, "New number of partitions");
  change->add_option("--config", options->configs, "KEY=VALUE, or KEY= for the default");
  change->callback([chosen, options] { *chosen = [options] { return alter(*options); }; });

  CLI::App* gone =
      add_topic_subcommand(*command, "delete", "Delete a topic and its records", options);
  gone->callback([chosen, options] { *chosen = [options] { return remove(*options); }; });
}

}  // namespace magpie::server
