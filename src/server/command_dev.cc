#include <fmt/format.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "os/data_lock.h"
#include "server/command.h"
#include "server/dev_cluster.h"
#include "server/line_server.h"

namespace magpie::server {
namespace {

namespace asio = boost::asio;

struct Options {
  DevOptions dev;
  std::vector<std::string> order;  // of `tell`
};

int refuse(const std::string& reason, int exit_code) {
  fmt::print(stderr, "magpie: {}\n", reason);
  return exit_code;
}

void say(const std::string& text) {
  fmt::print("{}\n", text);
  fflush(stdout);
}

void introduce(const DevPlan& plan) {
  say(fmt::format("{} region{} on this machine{}, everything in {}", plan.nodes.size(),
                  plan.nodes.size() == 1 ? "" : "s",
                  plan.wan && plan.wan->delay.nanos > 0
                      ? fmt::format(", {} apart", duration_text({2 * plan.wan->delay.nanos}))
                      : "",
                  plan.folder));
  for (const DevNode& node : plan.nodes) {
    say(fmt::format("  {:<12} {}clients {:<21} admin {}", node.name,
                    node.witness ? "witness, " : "", host_port_text(node.kafka),
                    host_port_text(node.admin)));
  }
  for (const DevStore& store : plan.stores) {
    say(fmt::format("  {:<12} http://{}, {}", store.name, host_port_text(store.clients),
                    plan.etcd ? "etcd" : "magpie store"));
  }
  if (plan.etcd && plan.stores.size() == 1) {
    say(fmt::format("  with fewer than three sites etcd has one member: without {} no failovers",
                    plan.stores[0].site));
  }
}

void announce_ready(const DevPlan& plan, std::chrono::milliseconds took) {
  std::string bootstrap;
  for (const DevNode& node : plan.nodes) {
    if (!node.witness) bootstrap += (bootstrap.empty() ? "" : ",") + host_port_text(node.kafka);
  }
  say(fmt::format("ready after {} ms; bootstrap servers: {}", took.count(), bootstrap));
  say(
      fmt::format("Try: magpie status --admin {}; magpie dev tell --data {} kill {}. Ctrl-C ends "
                  "everything.",
                  host_port_text(plan.nodes[0].admin), plan.folder, plan.nodes[0].name));
}

// From the first process to the end of the last one.
int supervise(const DevPlan& plan) {
  asio::io_context context;
  std::unique_ptr<DevWan> wan;
  if (plan.wan.has_value()) {
    auto opened = DevWan::open(context, plan);
    if (!opened) return refuse(opened.error().message, kExitNotStarted);
    wan = std::move(*opened);
  }
  for (const DevNode& node : plan.nodes) {
    const DevRoutes direct{{"http://" + host_port_text(plan.stores[0].clients)}, {}};
    const auto written = write_node_config(plan, node, wan ? wan->routes_of(plan, node) : direct);
    if (!written) return refuse(written.error().message, kExitNotStarted);
  }
  DevCluster cluster(context, plan, wan.get());
  const auto begin = std::chrono::steady_clock::now();
  cluster.on_event = say;
  cluster.on_ready = [&] {
    announce_ready(plan, std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::steady_clock::now() - begin));
  };
  cluster.on_stopped = [&context] { context.stop(); };

  asio::signal_set signals(context, SIGINT, SIGTERM, SIGCHLD);
  std::function<void()> await_signal = [&] {
    signals.async_wait([&](const boost::system::error_code& error, int number) {
      if (error) return;
      number == SIGCHLD ? cluster.reap() : cluster.stop();
      await_signal();
    });
  };
  await_signal();
  LineServer control(context, [&cluster](const std::string& line) { return obey(cluster, line); });
  if (const auto listening = control.listen(plan.control); !listening) {
    return refuse(listening.error().message, kExitNotStarted);
  }
  if (const auto started = cluster.start(); !started) {
    return refuse(started.error().message, kExitNotStarted);
  }
  context.run();
  say("everything has ended");
  return kExitOk;
}

bool is_installed(const std::string& program) {
  const char* path = ::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

int run(const DevOptions& options) {
  const auto plan = make_dev_plan(options);
  if (!plan) {
    return refuse(plan.error().message,
                  plan.error().kind == ErrorKind::kUnavailable ? kExitNotStarted : kExitUsage);
  }
  if (plan->etcd && !is_installed("etcd")) {
    return refuse(
        "--store etcd needs the program etcd, which is nowhere on the PATH. Install it (Debian: "
        "apt-get install etcd-server), or leave --store out to use `magpie store`",
        kExitNotStarted);
  }
  const auto lock = os::DataLock::take(plan->folder);
  if (!lock) return refuse(lock.error().message, kExitNotStarted);
  if (const auto kept = keep_store(*plan); !kept) {
    return refuse(kept.error().message, kExitUsage);
  }
  if (const auto written = write_dev_certificates(*plan); !written) {
    return refuse(written.error().message, kExitNotStarted);
  }
  ::signal(SIGPIPE, SIG_IGN);
  introduce(*plan);
  return supervise(*plan);
}

int tell(const Options& options) {
  const std::string path = options.dev.data + "/dev.json";
  std::ifstream file(path);
  const auto about = nlohmann::json::parse(file, nullptr, false);
  const auto control = about.is_object() ? about.find("control") : about.end();
  if (!about.is_object() || control == about.end() || !control->is_string()) {
    return refuse(fmt::format("{} is not there: name the folder of a running `magpie dev` with "
                              "--data",
                              path),
                  kExitNotStarted);
  }
  std::string line;
  for (const std::string& word : options.order) line += (line.empty() ? "" : " ") + word;
  const auto address = parse_host_port(control->get<std::string>());
  const auto answer = address ? ask_line(*address, line) : fail(address.error());
  if (!answer) {
    return refuse(answer.error().message + "; is `magpie dev` still running?", kExitNotStarted);
  }
  if (answer->starts_with("error: ")) return refuse(answer->substr(7), kExitUsage);
  if (answer->size() > 3) say(answer->substr(3));
  return kExitOk;
}

}  // namespace

void add_dev_command(CLI::App& app, Action* chosen) {
  CLI::App* command =
      app.add_subcommand("dev", "Run a whole cluster of several regions on this machine");
  auto options = std::make_shared<Options>();
  DevOptions& dev = options->dev;
  command->add_option("--regions", dev.regions, "Data regions, with commas")->capture_default_str();
  command->add_option("--witness", dev.witness, "One more region, which holds no records");
  command->add_option("--data", dev.data, "Folder of everything")->capture_default_str();
  command->add_option("--cluster", dev.cluster, "Name of the cluster")->capture_default_str();
  command
      ->add_option("--store", dev.store,
                   "Control store: magpie, or an installed etcd with members in three regions")
      ->check(CLI::IsMember({"magpie", "etcd"}))
      ->capture_default_str();
  command->add_option("--wan", dev.wan,
                      "What lies between regions, and between them and the store: rtt=40ms, "
                      "rate=50MB, loss=0.1%; without it nothing does");
  command->add_option("--lease", dev.lease, "How long a silent node is waited for")
      ->capture_default_str();
  command->add_option("--base-port", dev.base_port, "First port; 0: any that are free")
      ->capture_default_str();
  command->add_option("--env", dev.environment,
                      "Environment of a node, REGION:NAME=VALUE; may be repeated");
  command->add_flag("--restart", dev.restart, "Start again what ends by itself");
  command->callback([chosen, options] {
    if (!*chosen) *chosen = [options] { return run(options->dev); };
  });

  CLI::App* order = command->add_subcommand("tell", "Give an order to a running `magpie dev`");
  order->add_option("--data", dev.data, "Its folder")->capture_default_str();
  order
      ->add_option("ORDER", options->order,
                   "For example: kill bj, start bj, silence bj sh, heal all")
      ->required();
  order->callback([chosen, options] { *chosen = [options] { return tell(*options); }; });
}

}  // namespace magpie::server
