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
constexpr std::chrono::seconds kStopPatience{10};

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
  Child(asio::io_context& context, const DevNode* which)
      : node(which), name(which != nullptr ? which->name : kStoreSite), timer(context) {}

  bool running() const { return pid > 0; }

  const DevNode* node;  // null: the store
  std::string name;
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
  Child& store = *children_.emplace_back(std::make_unique<Child>(context, nullptr));
  store.arguments = store_arguments(plan);
  store.health = plan.store;
  for (const DevNode& node : plan.nodes) {
    Child& child = *children_.emplace_back(std::make_unique<Child>(context, &node));
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
  return launch(*children_.front());
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
  Child& store = *children_.front();
  bool nodes_run = false;
  for (const auto& child : children_) {
    nodes_run = nodes_run || (child->node != nullptr && child->running());
  }
  if (nodes_run) return;
  if (store.running() && !std::exchange(store_told_, true)) {
    ::kill(store.pid, SIGTERM);
    ::kill(store.pid, SIGCONT);
  }
  if (store.running() || std::exchange(stopped_, true)) return;
  for (const auto& child : children_) child->timer.cancel();
  publish();
  on_stopped();
}

// --- orders ---

DevCluster::Child* DevCluster::find(const std::string& name) {
  for (const auto& child : children_) {
    if (child->name == name) return child.get();
  }
  return nullptr;
}

Result<DevCluster::Child*> DevCluster::find_running(const std::string& name) {
  Child* child = find(name);
  if (child == nullptr) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("there is no '{}' here", name));
  }
  if (!child->running()) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{} does not run", name));
  }
  return child;
}

Status DevCluster::kill(const std::string& name) {
  const auto child = find_running(name);
  if (!child) return fail(child.error());
  (*child)->ordered_to_end = true;
  ::kill((*child)->pid, SIGKILL);
  return {};
}

Status DevCluster::end(const std::string& name) {
  const auto child = find_running(name);
  if (!child) return fail(child.error());
  (*child)->ordered_to_end = true;
  ::kill((*child)->pid, SIGTERM);
  ::kill((*child)->pid, SIGCONT);
  return {};
}

Status DevCluster::pause(const std::string& name) {
  const auto child = find_running(name);
  if (!child) return fail(child.error());
  (*child)->state = State::kPaused;
  ::kill((*child)->pid, SIGSTOP);
  publish();
  return {};
}

Status DevCluster::resume(const std::string& name) {
  const auto child = find_running(name);
  if (!child) return fail(child.error());
  if ((*child)->state != State::kPaused) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{} is not paused", name));
  }
  ::kill((*child)->pid, SIGCONT);
  (*child)->state = State::kStarting;
  publish();
  watch_health(**child);
  return {};
}

Status DevCluster::start_again(const std::string& name) {
  Child* child = find(name);
  if (child == nullptr) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("there is no '{}' here", name));
  }
  reap();
  if (child->running()) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{} runs already", name));
  }
  return launch(*child);
}

Status DevCluster::erase(const std::string& name) {
  Child* child = find(name);
  if (child == nullptr || child->node == nullptr) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("'{}' is no region here", name));
  }
  reap();
  if (child->running()) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{} still runs; kill it first", name));
  }
  std::error_code error;
  std::filesystem::remove_all(child->node->folder + "/data", error);
  if (error) return fail(ErrorKind::kIo, error.message());
  return {};
}

// --- what programs see ---

json DevCluster::describe() const {
  json nodes = json::array();
  json store;
  std::string bootstrap;
  for (const auto& child : children_) {
    json about = {{"name", child->name},
                  {"state", name_of(child->state)},
                  {"pid", child->running() ? json(child->pid) : json()},
                  {"log", log_file(plan_, child->name)}};
    if (!child->ending.empty()) about["last_ending"] = child->ending;
    if (child->node == nullptr) {
      about["kind"] = plan_.etcd ? "etcd" : "magpie";
      about["endpoint"] = "http://" + host_port_text(plan_.store);
      store = std::move(about);
      continue;
    }
    const DevNode& node = *child->node;
    about["role"] = node.witness ? "witness" : "data";
    about["id"] = node.id;
    about["kafka"] = host_port_text(node.kafka);
    about["admin"] = host_port_text(node.admin);
    about["link"] = host_port_text(node.link);
    about["folder"] = node.folder;
    nodes.push_back(std::move(about));
    if (node.witness) continue;
    bootstrap += (bootstrap.empty() ? "" : ",") + host_port_text(node.kafka);
  }
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
