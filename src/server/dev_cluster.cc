#include "server/dev_cluster.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/child_process.h"
#include "server/health_probe.h"

namespace magpie::server {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using ErrorCode = boost::system::error_code;

constexpr std::chrono::milliseconds kProbeInterval{50};
constexpr std::chrono::seconds kRestartPause{1};
// More than a node takes at most to finish what it leads.
constexpr std::chrono::seconds kStopPatience{13};

enum class State { kStarting, kReady, kPaused, kEnded };

const char* name_of(State state) {
  switch (state) {
    case State::kStarting:
      return "starting";
    case State::kReady:
      return "ready";
    case State::kPaused:
      return "paused";
    case State::kEnded:
      break;
  }
  return "ended";
}

}  // namespace

struct DevCluster::Child {
  Child(asio::io_context& context, std::string its_name)
      : name(std::move(its_name)), timer(context) {}

  bool running() const { return pid > 0; }

  std::string name;
  const DevNode* node = nullptr;  // null: of the control store
  std::vector<std::string> arguments;
  HostPort health;
  pid_t pid = 0;
  State state = State::kEnded;
  bool ordered_to_end = false;
  std::string ending;  // how it ended last
  asio::steady_timer timer;
};

DevCluster::DevCluster(asio::io_context& context, const DevPlan& plan, DevWan* wan)
    : context_(context), plan_(plan), wan_(wan) {
  for (const DevStore& store : plan.stores) {
    Child& child = *children_.emplace_back(std::make_unique<Child>(context, store.name));
    child.arguments = store_arguments(plan, store);
    child.health = store.clients;
  }
  for (const DevNode& node : plan.nodes) {
    Child& child = *children_.emplace_back(std::make_unique<Child>(context, node.name));
    child.node = &node;
    child.arguments = node_arguments(node);
    child.health = node.admin;
  }
}

DevCluster::~DevCluster() {
  for (const auto& child : children_) {
    if (!child->running()) continue;
    ::kill(child->pid, SIGKILL);
    ::waitpid(child->pid, nullptr, 0);
  }
}

Status DevCluster::start() {
  for (const auto& child : children_) {
    if (child->node != nullptr) continue;
    if (auto launched = launch(*child); !launched) return launched;
  }
  return {};
}

Status DevCluster::launch(Child& child) {
  const Result<pid_t> started = start_child(child.arguments, log_file(plan_, child.name));
  if (!started) return fail(started.error());
  child.pid = *started;
  child.state = State::kStarting;
  child.ordered_to_end = false;
  publish();
  watch_health(child);
  return {};
}

void DevCluster::watch_health(Child& child) {
  const pid_t pid = child.pid;
  const auto on_answer = [this, &child, pid](bool healthy) {
    if (child.pid != pid || child.state != State::kStarting) return;
    if (healthy) return became_ready(child);
    child.timer.expires_after(kProbeInterval);
    child.timer.async_wait([this, &child](const ErrorCode& error) {
      if (!error) watch_health(child);
    });
  };
  probe_health(context_, child.health, child.node == nullptr ? "/health" : "/readyz", on_answer);
}

void DevCluster::became_ready(Child& child) {
  child.state = State::kReady;
  publish();
  if (was_ready_) on_event(fmt::format("{} is ready", child.name));
  if (child.node == nullptr) return launch_nodes();
  for (const auto& other : children_) {
    if (other->state != State::kReady) return;
  }
  if (!was_ready_) {
    was_ready_ = true;
    publish();
    on_ready();
  }
}

void DevCluster::launch_nodes() {
  if (stopping_) return;
  for (const auto& child : children_) {
    if (child->node == nullptr && child->state != State::kReady) return;
    if (child->node == nullptr || child->running() || child->ordered_to_end) continue;
    if (!child->ending.empty()) continue;  // died; not this one's business
    if (const Status launched = launch(*child); !launched) on_event(launched.error().message);
  }
}

void DevCluster::reap() {
  for (const auto& child : children_) {
    int status = 0;
    if (child->running() && ::waitpid(child->pid, &status, WNOHANG) == child->pid) {
      on_end(*child, status);
    }
  }
  if (stopping_) proceed_with_stop();
}

void DevCluster::on_end(Child& child, int wait_status) {
  child.pid = 0;
  child.state = State::kEnded;
  child.ending = ending_text(wait_status);
  publish();
  if (stopping_) return;
  on_event(fmt::format("{} ended{}: {}; its log is {}", child.name,
                       child.ordered_to_end ? " as ordered" : "", child.ending,
                       log_file(plan_, child.name)));
  if (plan_.restart && !child.ordered_to_end) restart_later(child);
}

void DevCluster::restart_later(Child& child) {
  child.timer.expires_after(kRestartPause);
  child.timer.async_wait([this, &child](const ErrorCode& error) {
    if (error || stopping_ || child.running()) return;
    if (const Status launched = launch(child); !launched) on_event(launched.error().message);
  });
}

// --- the end ---

void DevCluster::stop() {
  if (stopping_) return signal_all(SIGKILL, false);
  stopping_ = true;
  publish();
  signal_all(SIGTERM, true);
  Child& store = *children_.front();
  store.timer.expires_after(kStopPatience);
  store.timer.async_wait([this](const ErrorCode& error) {
    if (!error) signal_all(SIGKILL, false);
  });
  proceed_with_stop();
}

void DevCluster::signal_all(int number, bool nodes) {
  for (const auto& child : children_) {
    if (!child->running() || (nodes && child->node == nullptr)) continue;
    ::kill(child->pid, number);
    ::kill(child->pid, SIGCONT);
  }
}

void DevCluster::proceed_with_stop() {
  bool nodes_run = false;
  bool stores_run = false;
  for (const auto& child : children_) {
    bool& run = child->node != nullptr ? nodes_run : stores_run;
    run = run || child->running();
  }
  if (nodes_run) return;
  if (stores_run && !std::exchange(store_told_, true)) signal_all(SIGTERM, false);
  if (stores_run || std::exchange(stopped_, true)) return;
  for (const auto& child : children_) child->timer.cancel();
  publish();
  on_stopped();
}

// --- orders ---

Result<std::vector<DevCluster::Child*>> DevCluster::find(const std::string& name, bool running) {
  std::vector<Child*> found;
  bool known = false;
  for (const auto& child : children_) {
    const bool meant = child->name == name || (name == kStoreSite && child->node == nullptr);
    known = known || meant;
    if (meant && child->running() == running) found.push_back(child.get());
  }
  if (!found.empty()) return found;
  return fail(ErrorKind::kInvalidArgument, !known    ? fmt::format("there is no '{}' here", name)
                                           : running ? fmt::format("{} does not run", name)
                                                     : fmt::format("{} runs already", name));
}

Status DevCluster::signal_by_order(const std::string& name, int number) {
  const auto found = find(name, true);
  if (!found) return fail(found.error());
  for (Child* child : *found) {
    child->ordered_to_end = true;
    ::kill(child->pid, number);
    if (number != SIGKILL) ::kill(child->pid, SIGCONT);
  }
  return {};
}

Status DevCluster::kill(const std::string& name) {
  return signal_by_order(name, SIGKILL);
}

Status DevCluster::end(const std::string& name) {
  return signal_by_order(name, SIGTERM);
}

Status DevCluster::pause(const std::string& name) {
  const auto found = find(name, true);
  if (!found) return fail(found.error());
  for (Child* child : *found) {
    child->state = State::kPaused;
    ::kill(child->pid, SIGSTOP);
  }
  publish();
  return {};
}

Status DevCluster::resume(const std::string& name) {
  const auto found = find(name, true);
  if (!found) return fail(found.error());
  bool any = false;
  for (Child* child : *found) {
    if (child->state != State::kPaused) continue;
    any = true;
    ::kill(child->pid, SIGCONT);
    child->state = State::kStarting;
    watch_health(*child);
  }
  publish();
  if (!any) return fail(ErrorKind::kInvalidArgument, fmt::format("{} is not paused", name));
  return {};
}

Status DevCluster::start_again(const std::string& name) {
  reap();
  const auto found = find(name, false);
  if (!found) return fail(found.error());
  for (Child* child : *found) {
    if (auto launched = launch(*child); !launched) return launched;
  }
  return {};
}

Status DevCluster::erase(const std::string& name) {
  reap();
  const auto found = find(name, false);
  if (!found && !find(name, true)) return fail(found.error());
  if (!found) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{} still runs; kill it first", name));
  }
  if (found->front()->node == nullptr) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("'{}' is no region here", name));
  }
  std::error_code error;
  std::filesystem::remove_all(found->front()->node->folder + "/data", error);
  if (error) return fail(ErrorKind::kIo, error.message());
  return {};
}

// --- what programs see ---

json DevCluster::describe(const Child& child) const {
  json about = {{"name", child.name},
                {"state", name_of(child.state)},
                {"pid", child.running() ? json(child.pid) : json()},
                {"log", log_file(plan_, child.name)}};
  if (!child.ending.empty()) about["last_ending"] = child.ending;
  if (child.node == nullptr) {
    about["site"] = site_of(child.name);
    about["endpoint"] = "http://" + host_port_text(child.health);
    return about;
  }
  const DevNode& node = *child.node;
  about["role"] = node.witness ? "witness" : "data";
  about["id"] = node.id;
  about["kafka"] = host_port_text(node.kafka);
  about["admin"] = host_port_text(node.admin);
  about["link"] = host_port_text(node.link);
  about["folder"] = node.folder;
  return about;
}

json DevCluster::describe() const {
  json nodes = json::array();
  json members = json::array();
  std::string bootstrap;
  for (const auto& child : children_) {
    (child->node == nullptr ? members : nodes).push_back(describe(*child));
    if (child->node == nullptr || child->node->witness) continue;
    bootstrap += (bootstrap.empty() ? "" : ",") + host_port_text(child->node->kafka);
  }
  const json store = {{"kind", plan_.etcd ? "etcd" : "magpie"}, {"members", members}};
  json lanes = json::array();
  for (const DevLane& lane : wan_ != nullptr ? wan_->lanes() : std::vector<DevLane>()) {
    lanes.push_back({{"from", lane.from},
                     {"to", lane.to},
                     {"listen", host_port_text(lane.listen)},
                     {"state", lane.state}});
  }
  const char* state = stopped_     ? "stopped"
                      : stopping_  ? "stopping"
                      : was_ready_ ? "ready"
                                   : "starting";
  return {{"pid", ::getpid()},        {"state", state},
          {"cluster", plan_.cluster}, {"bootstrap", bootstrap},
          {"store", store},           {"nodes", nodes},
          {"lanes", lanes},           {"control", host_port_text(plan_.control)}};
}

void DevCluster::publish() {
  const Status written = write_whole(plan_.folder + "/dev.json", describe().dump(2) + "\n");
  if (!written) on_event(written.error().message);
}

}  // namespace magpie::server
