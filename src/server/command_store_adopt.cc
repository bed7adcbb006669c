#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "server/admin_options.h"
#include "server/command_store.h"
#include "server/config.h"
#include "server/config_cluster.h"
#include "server/config_text.h"
#include "server/store_adoption.h"

namespace magpie::server {
namespace {

using nlohmann::json;

struct Options {
  AdminOptions show;  // only its format and timeout
  std::vector<std::string> store;
  std::string config;
  std::vector<std::string> nodes;
  std::vector<int32_t> without;
  bool dry_run = false;
  bool yes = false;
};

CommandError wrong(std::string message, std::string next) {
  return {"wrong_argument", std::move(message), std::move(next), kExitUsage};
}

// Which store, and how it is reached: from a node's configuration, or from URLs alone.
tl::expected<void, CommandError> find_store(const Options& options, AdoptionOrder& order) {
  if (!options.config.empty()) {
    const ConfigReading reading = read_config_file(options.config);
    if (!reading.problems.empty()) {
      return tl::unexpected(
          wrong(to_string(reading.problems.front()), "check the file with: magpie config check"));
    }
    if (!reading.config.node.cluster) {
      return tl::unexpected(wrong(options.config + " names no control store",
                                  "name the configuration of a node of the cluster"));
    }
    order.store = reading.config.node.cluster->store;
    order.http = reading.config.driver.http_client;
  }
  if (!options.store.empty()) order.store.endpoints = options.store;
  if (order.store.endpoints.empty()) {
    return tl::unexpected(wrong("neither --store nor --config is given",
                                "name the restored store with --store URL, or with the --config of "
                                "a node, which also has its user and certificates"));
  }
  for (const std::string& url : order.store.endpoints) {
    const Status good = check_endpoint(url);
    if (good) continue;
    return tl::unexpected(wrong(fmt::format("--store {}: {}", url, good.error().message),
                                "name the store as http://HOST:PORT or https://HOST:PORT"));
  }
  return {};
}

int print_failure(const Options& options, const AdoptionFailure& failure) {
  const bool planned = failure.plan.is_object() && failure.plan.contains("groups");
  if (planned && !options.show.wants_json()) fmt::print("{}", adoption_text(failure.plan));
  return report(options.show, failure.error);
}

int adopt(const Options& options) {
  const Result<Duration> timeout = parse_duration(options.show.timeout);
  if (!timeout) {
    return report(options.show, wrong("--timeout: " + timeout.error().message,
                                      "write a duration such as 30s or 500ms"));
  }
  AdoptionOrder order;
  order.nodes = options.nodes;
  order.without = options.without;
  order.dry_run = options.dry_run;
  order.confirmed = options.yes;
  order.timeout = *timeout;
  if (const auto found = find_store(options, order); !found) {
    return report(options.show, found.error());
  }
  const auto done = adopt_store(order);
  if (!done) return print_failure(options, done.error());
  if (options.show.wants_json()) {
    fmt::print("{}\n", done->dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    fmt::print("{}", adoption_text(*done));
  }
  return kExitOk;
}

std::string status_text(const json& status) {
  std::string text =
      fmt::format("node {} in {}: store {}, revision {}: {}\n", cell_text(status.at("node")),
                  cell_text(status.at("region")), cell_text(status.at("store")),
                  cell_text(status.at("revision")), cell_text(status.at("state")));
  if (!status.at("found").is_null()) {
    text += fmt::format("found instead: store {}\n", cell_text(status.at("found")));
  }
  if (!status.at("trouble").is_null()) text += cell_text(status.at("trouble")) + "\n";
  return text;
}

}  // namespace

void add_store_adopt_command(CLI::App& store, Action* chosen) {
  CLI::App* command = store.add_subcommand(
      "adopt", "Write what the nodes know into a restored store, so that they use it");
  auto options = std::make_shared<Options>();
  command->add_option("--store", options->store, "URLs of the restored store, with commas between")
      ->delimiter(',');
  command->add_option("--config", options->config,
                      "Configuration of a node, for the store's URLs, user and certificates");
  command->add_option("--node", options->nodes, "Admin ports of all nodes, with commas between")
      ->delimiter(',')
      ->required();
  command->add_option("--without", options->without, "Ids of nodes that cannot be asked")
      ->delimiter(',');
  command->add_flag("--dry-run", options->dry_run, "Only say what would be written");
  command->add_flag("--yes", options->yes, "Write it");
  command->add_option("--timeout", options->show.timeout, "How long a node or the store may take")
      ->capture_default_str();
  command->add_option("-o,--output", options->show.format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->callback([chosen, options] { *chosen = [options] { return adopt(*options); }; });
}

void add_store_status_command(CLI::App& store, Action* chosen) {
  CLI::App* command =
      store.add_subcommand("status", "Which control store a node knows, and whether it uses it");
  auto options = std::make_shared<AdminOptions>();
  add_admin_options(*command, *options);
  command->callback([chosen, options] {
    *chosen = [options] { return ask_and_show(*options, "GET", "/v1/store", "", status_text); };
  });
}

}  // namespace magpie::server
