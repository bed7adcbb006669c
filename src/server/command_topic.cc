#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/admin_options.h"
#include "server/deleted_topic_commands.h"
#include "server/table.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

struct Options {
  AdminOptions admin;
  std::string topic;
  std::optional<int> partitions;
  std::vector<std::string> configs;  // KEY=VALUE; KEY= sets back to the default
  bool deleted = false;
  bool purge = false;
};

// Arguments may hold bytes that are no text; the node then says what is wrong with the name.
std::string as_text(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string topic_target(const Options& options) {
  return "/v1/topics/" + percent_encode(options.topic);
}

std::string show_list(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& topic : answer.at("topics")) {
    rows.push_back({cell_text(topic.at("name")), cell_text(topic.at("partitions")),
                    cell_text(topic.at("id")), topic.at("internal").get<bool>() ? "internal" : ""});
  }
  return render_table({"TOPIC", "PARTITIONS", "ID", ""}, rows);
}

std::string show_topic(const json& topic) {
  std::string text =
      fmt::format("topic {} with id {}\n", cell_text(topic.at("name")), cell_text(topic.at("id")));
  for (const auto& [key, value] : topic.at("configs").items()) {
    text += fmt::format("  {}={}\n", key, cell_text(value));
  }
  std::vector<TableRow> rows;
  std::string failures;
  for (const json& one : topic.at("partitions")) {
    const auto field = [&](const char* name) { return cell_text(one.value(name, json())); };
    rows.push_back({field("partition"), field("state"), field("leader_epoch"), field("log_start"),
                    field("high_watermark"), field("size_bytes")});
    if (!one.contains("failure")) continue;
    failures += fmt::format("problem: partition {}: {}\n", field("partition"), field("failure"));
  }
  return text + "\n" +
         render_table({"PARTITION", "STATE", "EPOCH", "START", "END", "BYTES"}, rows) + failures;
}

// Those of the command line as the admin port takes them. The error names the argument that is not
// KEY=VALUE.
tl::expected<json, CommandError> read_configs(const Options& options, bool may_unset) {
  json configs = json::object();
  for (const std::string& config : options.configs) {
    const size_t equals = config.find('=');
    if (equals == std::string::npos || equals == 0) {
      return tl::unexpected<CommandError>(
          {"wrong_argument", fmt::format("--config: '{}' is not of the form KEY=VALUE", config),
           "write for instance --config retention.ms=60000", kExitUsage});
    }
    const std::string value = config.substr(equals + 1);
    const bool unset = may_unset && value.empty();
    configs[config.substr(0, equals)] = unset ? json(nullptr) : json(value);
  }
  return configs;
}

int create(const Options& options) {
  const auto configs = read_configs(options, false);
  if (!configs) return report(options.admin, configs.error());
  json body = {{"name", options.topic}, {"configs", *configs}};
  if (options.partitions) body["partitions"] = *options.partitions;
  return ask_and_show(options.admin, "POST", "/v1/topics", as_text(body), [](const json& created) {
    const std::string count = cell_text(created.at("partitions"));
    return fmt::format("created topic {} with {} partition{}\n", cell_text(created.at("name")),
                       count, count == "1" ? "" : "s");
  });
}

int alter(const Options& options) {
  const auto configs = read_configs(options, true);
  if (!configs) return report(options.admin, configs.error());
  json body = {{"configs", *configs}};
  if (options.partitions) body["partitions"] = *options.partitions;
  return ask_and_show(options.admin, "PATCH", topic_target(options), as_text(body),
                      [](const json& altered) {
                        return fmt::format("altered topic {}\n", cell_text(altered.at("name")));
                      });
}

int remove(const Options& options) {
  const std::string body = options.purge ? as_text({{"purge", true}}) : "";
  return ask_and_show(
      options.admin, "DELETE", topic_target(options), body, [](const json& removed) {
        const std::string name = cell_text(removed.at("name"));
        const json kept = removed.value("kept_until_ms", json());
        if (kept.is_null()) return fmt::format("deleted topic {}\n", name);
        return fmt::format(
            "deleted topic {}; until {} it can be restored with: magpie topic restore {}\n"
            "its records take room until then; to make room now: magpie topic purge {}\n",
            name, time_text(kept.get<int64_t>()), cell_text(removed.at("id")),
            cell_text(removed.at("id")));
      });
}

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
  list->add_flag("--deleted", options->deleted, "Those that were deleted and can be restored");
  list->callback([chosen, options] {
    *chosen = [options] {
      return options->deleted ? list_deleted_topics(options->admin)
                              : ask_and_show(options->admin, "GET", "/v1/topics", "", show_list);
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
  gone->add_flag("--purge", options->purge, "Remove its records at once; nothing can be restored");
  gone->callback([chosen, options] { *chosen = [options] { return remove(*options); }; });
  add_deleted_topic_commands(*command, chosen);
}

}  // namespace magpie::server
