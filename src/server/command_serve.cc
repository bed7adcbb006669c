#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "os/clock.h"
#include "os/signals.h"
#include "server/command.h"
#include "server/config.h"
#include "server/node_machine.h"
#include "server/process.h"

namespace magpie::server {
namespace {

struct Options {
  std::string file;
  ConfigFlags flags;
};

void report_problems(const std::vector<ConfigProblem>& problems) {
  for (const ConfigProblem& problem : problems)
    fmt::print(stderr, "magpie: {}\n", to_string(problem));
  fmt::print(stderr, "magpie: not started because of the configuration\n");
}

std::string addresses_text(const ServerConfig& config) {
  std::string text;
  for (const ListenerSettings& listener : config.listeners) {
    text += fmt::format("{} on {}, ", listener.name, host_port_text(listener.listen));
  }
  if (config.node.cluster.has_value()) {
    text += fmt::format("links on {}, ", host_port_text(config.cluster.link.listen));
  }
  return text + "admin on " + host_port_text(config.admin.listen);
}

int serve(const Options& options) {
  tune_memory();
  ConfigReading reading = options.file.empty() ? read_config_flags(options.flags)
                                               : read_config_file(options.file, options.flags);
  if (!reading.problems.empty()) {
    report_problems(reading.problems);
    return kExitUsage;
  }
  ServerConfig& config = reading.config;
  const std::string too_few_files = fit_open_files(config.driver);
  if (!too_few_files.empty()) reading.warnings.push_back(too_few_files);

  const std::unique_ptr<os::LogSink> log = os::make_stderr_log(config.log);
  const auto say = [&](port::Severity severity, const char* code, std::string text) {
    log->write(os::read_clocks(), {severity, code, std::move(text)});
  };
  for (const std::string& warning : reading.warnings) {
    say(port::Severity::kWarning, "config.warning", warning);
  }
  if (config.node.cluster.has_value()) config.node.cluster->machine_run = machine_run();
  NodeMachine machine(config.node, random_seed());
  os::FileCalls calls;
  const auto driver = os::Driver::open(config.driver, machine, *log, calls);
  if (!driver) {
    say(port::Severity::kError, "start.refused", driver.error().message);
    return kExitNotStarted;
  }
  const os::StopSignals signals((*driver)->stop_descriptor());
  say(port::Severity::kInfo, "start.listening",
      fmt::format("magpie {}: node {} of {} in {}, {}, data in {}", MAGPIE_VERSION,
                  config.node.node_id.value, config.node.cluster_id, config.node.region,
                  addresses_text(config), config.driver.disk.directory));
  const int exit_code = (*driver)->run();
  if (exit_code != os::kExitStopped) return exit_code;
  say(port::Severity::kInfo, "stop.done", "stopped cleanly");
  const size_t damaged = machine.damaged_partitions();
  if (damaged == 0) return kExitOk;
  say(port::Severity::kError, "stop.damaged",
      fmt::format("{} partition{} could not be served whole; the lines partition_offline and "
                  "partition_damaged name them, and docs/operations/recovery.md says what to do",
                  damaged, damaged == 1 ? "" : "s"));
  return kExitDamaged;
}

}  // namespace

void add_serve_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand("serve", "Run one node");
  auto options = std::make_shared<Options>();
  ConfigFlags& flags = options->flags;
  command->add_option("--config", options->file, "YAML file; the flags below override it");
  command->add_option("--node-id", flags.node_id, "Number of the node; unique in its cluster");
  command->add_option("--cluster", flags.cluster, "Name of the cluster (default magpie)");
  command->add_option("--region", flags.region, "The data centre the node stands in");
  command->add_option("--data", flags.data, "Data directory (default /var/lib/magpie)");
  command->add_option("--kafka", flags.kafka,
                      "HOST:PORT for Kafka clients (default 127.0.0.1:9092)");
  command->add_option("--advertised", flags.advertised,
                      "HOST:PORT that clients are told, if it differs");
  command->add_option("--admin", flags.admin,
                      "HOST:PORT of the admin port (default 127.0.0.1:9094)");
  command->add_option("--store", flags.store,
                      "URLs of the control store, with commas between them; makes the node one of "
                      "several");
  command->add_option("--link", flags.link,
                      "HOST:PORT for the other nodes (default 127.0.0.1:9096)");
  command->add_option("--link-advertised", flags.link_advertised,
                      "HOST:PORT that the other nodes are told, if it differs");
  command->add_flag("--witness", flags.witness,
                    "The region holds no records; it observes and votes");
  command->add_flag("--insecure", flags.insecure,
                    "Allow listening beyond loopback without encryption and authentication");
  command->callback([chosen, options] { *chosen = [options] { return serve(*options); }; });
}

}  // namespace magpie::server
