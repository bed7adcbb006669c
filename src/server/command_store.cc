#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "os/clock.h"
#include "os/driver.h"
#include "os/signals.h"
#include "server/command.h"
#include "server/command_store.h"
#include "server/config_text.h"
#include "server/process.h"
#include "server/store_machine.h"

namespace magpie::server {
namespace {

struct Options {
  std::string data = "/var/lib/magpie-store";
  std::string listen = "127.0.0.1:2379";
  std::string cluster = "magpie";
  bool insecure = false;
};

int refuse(const std::string& reason) {
  fmt::print(stderr, "magpie: {}\n", reason);
  return kExitUsage;
}

os::DriverConfig driver_config(const Options& options, const HostPort& listen) {
  os::DriverConfig config;
  config.disk.directory = options.data;
  config.admin.emplace();
  config.admin->host = listen.host;
  config.admin->port = listen.port;
  config.admin->connections = 1024;
  config.admin->body_bytes = 4 * 1024 * 1024;
  return config;
}

int serve(const Options& options) {
  const auto listen = parse_host_port(options.listen);
  if (!listen) return refuse("--listen: " + listen.error().message);
  if (!is_loopback(listen->host) && !options.insecure) {
    return refuse(
        fmt::format("--listen {} can be reached from other machines, and this store knows "
                    "neither encryption nor users. Add --insecure if the network is "
                    "trusted, or use etcd",
                    options.listen));
  }
  tune_memory();
  const std::unique_ptr<os::LogSink> log = os::make_stderr_log({});
  const auto say = [&](port::Severity severity, const char* code, std::string text) {
    log->write(os::read_clocks(), {severity, code, std::move(text)});
  };
  os::DriverConfig config = driver_config(options, *listen);
  const std::string too_few_files = fit_open_files(config);
  if (!too_few_files.empty()) say(port::Severity::kWarning, "config.warning", too_few_files);
  StoreMachine machine({options.data, options.cluster, MAGPIE_VERSION}, random_seed());
  os::FileCalls calls;
  const auto driver = os::Driver::open(config, machine, *log, calls);
  if (!driver) {
    say(port::Severity::kError, "start.refused", driver.error().message);
    return kExitNotStarted;
  }
  const os::StopSignals signals((*driver)->stop_descriptor());
  say(port::Severity::kInfo, "start.listening",
      fmt::format("magpie {}: control store on {}, data in {}", MAGPIE_VERSION,
                  host_port_text({listen->host, (*driver)->admin_port()}), options.data));
  const int exit_code = (*driver)->run();
  if (exit_code != os::kExitStopped) return exit_code;
  say(port::Severity::kInfo, "stop.done", "stopped cleanly");
  return kExitOk;
}

}  // namespace

void add_store_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand(
      "store", "Run a control store for a first look: one process, etcd's API, no redundancy");
  auto options = std::make_shared<Options>();
  command->add_option("--data", options->data, "Data directory")->capture_default_str();
  command->add_option("--listen", options->listen, "HOST:PORT for the nodes")
      ->capture_default_str();
  command->add_option("--cluster", options->cluster, "Whose store this is; kept with the data")
      ->capture_default_str();
  command->add_flag("--insecure", options->insecure,
                    "Allow listening beyond loopback without encryption and authentication");
  add_store_adopt_command(*command, chosen);
  add_store_restore_command(*command, chosen);
  add_store_status_command(*command, chosen);
  // Called after that of a subcommand.
  command->callback([command, chosen, options] {
    if (!command->get_subcommands().empty()) return;
    *chosen = [options] { return serve(*options); };
  });
}

}  // namespace magpie::server
