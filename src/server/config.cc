#include "server/config.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "control/decide_configs.h"
#include "server/config_cluster.h"
#include "server/config_fields.h"
#include "server/config_yaml.h"

namespace magpie::server {
namespace {

// Instead of the line of a setting that a flag made.
constexpr int kByFlag = 0;

// Checks the configuration as a whole and fills in what follows from it.
class Finisher {
 public:
  Finisher(ConfigReading& reading, const std::string& file, const std::map<std::string, int>& lines)
      : reading_(reading), config_(reading.config), file_(file), lines_(lines) {}

  void finish() {
    check_listeners();
    check_admin();
    check_topic_defaults();
    check_ranges();
    fill_in();
    finish_cluster(config_,
                   {[this](const std::string& field, std::string text) { problem(field, text); },
                    [this](std::string text) { reading_.warnings.push_back(std::move(text)); },
                    [this](const std::string& field) { return lines_.contains(field); }});
    std::stable_sort(reading_.problems.begin(), reading_.problems.end(),
                     [](const auto& a, const auto& b) { return a.line < b.line; });
  }

 private:
  void check_listeners() {
    std::set<std::string> names;
    std::set<std::string> addresses = {host_port_text(config_.admin.listen)};
    for (size_t i = 0; i < config_.listeners.size(); ++i) {
      const ListenerSettings& listener = config_.listeners[i];
      const std::string path = fmt::format("listeners[{}]", i);
      const std::string address = host_port_text(listener.listen);
      if (!listener.name.empty() && !names.insert(listener.name).second) {
        problem(path + ".name", fmt::format("'{}' is the name of another listener", listener.name));
      }
      if (!addresses.insert(address).second) {
        problem(path + ".listen", fmt::format("{} is used twice", address));
      }
      check_exposure(path, "clients", listener.listen, listener.insecure);
      if (is_any_address(listener.listen.host) && !listener.advertised.has_value()) {
        problem(path + ".advertised",
                fmt::format("is missing: {} stands for every address of this machine, so clients "
                            "must be told which one to use",
                            listener.listen.host));
      }
      if (listener.advertised.has_value() && is_any_address(listener.advertised->host)) {
        problem(path + ".advertised",
                fmt::format("clients cannot connect to {}; name an address they can reach",
                            listener.advertised->host));
      }
    }
  }

  void check_admin() {
    check_exposure("admin", "whoever can reach it", config_.admin.listen, config_.admin.insecure);
  }

  void check_exposure(const std::string& path, const char* who, const HostPort& listen,
                      bool insecure) {
    if (is_loopback(listen.host)) return;
    const std::string address = host_port_text(listen);
    if (insecure) {
      reading_.warnings.push_back(fmt::format(
          "{} listens on {} without encryption and asks nobody who they are; keep it inside a "
          "network you trust",
          path, address));
      return;
    }
    problem(path + ".listen",
            fmt::format("{} can be reached from other machines, and there is no encryption and no "
                        "authentication yet: {} could do anything. Listen on 127.0.0.1, or write "
                        "'insecure: true' beside it (with flags: --insecure) if the network is "
                        "trusted",
                        address, who));
  }

  // Topic settings were checked one by one; here they are checked against each other.
  void check_topic_defaults() {
    const auto& values = config_.node.topic_defaults;
    const control::ConfigValues defaults(values.begin(), values.end());
    if (const auto wrong = control::topic_defaults_problem(defaults)) {
      problem("topics.defaults." + wrong->key, wrong->message);
    }
  }

  void check_ranges() {
    const node::NodeConfig& node = config_.node;
    if (node.group_session_timeout_min > node.group_session_timeout_max) {
      problem("groups.session_timeout_min", "must not be longer than groups.session_timeout_max");
    }
    if (node.limits.unanswered_bytes < node.limits.unanswered_bytes_per_connection) {
      problem("limits.unanswered", "must not be smaller than limits.unanswered_per_connection");
    }
    const os::NetworkLimits& network = config_.driver.network;
    if (network.send_queues_bytes < network.send_queue_bytes) {
      problem("limits.send_queues", "must not be smaller than limits.send_queue_per_connection");
    }
    if (network.request_bytes > node.limits.unanswered_bytes_per_connection) {
      problem("limits.request_size", "must not be larger than limits.unanswered_per_connection");
    }
  }

  void fill_in() {
    config_.node.connection_idle_max = config_.driver.network.idle_max;
    os::HttpConfig& admin = *config_.driver.admin;
    admin.host = config_.admin.listen.host;
    admin.port = config_.admin.listen.port;
    node::DriverSettings& shown = config_.node.driver;
    shown.data_directory = config_.driver.disk.directory;
    shown.request_bytes = config_.driver.network.request_bytes;
    shown.connections = config_.driver.network.connections;
    shown.free_bytes = [directory = shown.data_directory] {
      std::error_code error;
      const auto space = std::filesystem::space(directory, error);
      return error ? int64_t{-1} : static_cast<int64_t>(space.available);
    };
    for (const ListenerSettings& listener : config_.listeners) {
      if (!shown.listeners.empty()) shown.listeners += ',';
      shown.listeners +=
          fmt::format("{}://{}:{}", listener.name, listener.listen.host, listener.listen.port);
      config_.driver.listeners.push_back(
          {listener.name, listener.listen.host, listener.listen.port});
      const HostPort& advertised = listener.advertised.value_or(listener.listen);
      config_.node.listeners.push_back({listener.name, advertised.host, advertised.port});
    }
  }

  // A problem with a setting; it stands where the setting, or what encloses it, stands.
  void problem(const std::string& field, std::string text) {
    std::string path = field;
    while (!path.empty()) {
      const auto found = lines_.find(path);
      if (found != lines_.end()) {
        const int line = found->second;
        if (line == kByFlag) break;
        reading_.problems.push_back({fmt::format("{}:{}", file_, line), line, field, text});
        return;
      }
      const size_t dot = path.rfind('.');
      path = dot == std::string::npos ? "" : path.substr(0, dot);
    }
    reading_.problems.push_back({"", 0, field, std::move(text)});
  }

  ConfigReading& reading_;
  ServerConfig& config_;
  const std::string& file_;
  const std::map<std::string, int>& lines_;
};

void parse_flag(const std::optional<std::string>& flag, const char* name,
                std::vector<ConfigProblem>& problems,
                const std::function<void(const HostPort&)>& use) {
  if (!flag.has_value()) return;
  const Result<HostPort> parsed = parse_host_port(*flag);
  if (parsed) {
    use(*parsed);
  } else {
    problems.push_back({name, 0, "", fmt::format("{}, found '{}'", parsed.error().message, *flag)});
  }
}

// A flag that stands for a setting of the table.
void apply_setting(const std::optional<std::string>& flag, const char* name, const char* path,
                   ConfigReading& reading, std::map<std::string, int>& lines) {
  if (!flag.has_value()) return;
  for (const ConfigField& field : config_fields()) {
    if (field.path != path) continue;
    if (const Status parsed = field.parse(reading.config, *flag); !parsed) {
      reading.problems.push_back(
          {name, 0, "", fmt::format("{}, found '{}'", parsed.error().message, *flag)});
    }
    lines[path] = kByFlag;
  }
}

void apply_flags(const ConfigFlags& flags, ConfigReading& reading,
                 std::map<std::string, int>& lines) {
  ServerConfig& config = reading.config;
  if (flags.data.has_value()) config.driver.disk.directory = *flags.data;
  apply_setting(flags.node_id, "--node-id", "node.id", reading, lines);
  apply_setting(flags.cluster, "--cluster", "node.cluster", reading, lines);
  apply_setting(flags.region, "--region", "node.region", reading, lines);
  apply_setting(flags.store, "--store", "cluster.store.endpoints", reading, lines);
  apply_setting(flags.link, "--link", "cluster.link.listen", reading, lines);
  apply_setting(flags.link_advertised, "--link-advertised", "cluster.link.advertised", reading,
                lines);
  if (flags.witness) config.cluster.role = control::RegionRole::kWitness;
  parse_flag(flags.kafka, "--kafka", reading.problems, [&](const HostPort& address) {
    config.listeners = {ListenerSettings{.listen = address}};
    std::erase_if(lines, [](const auto& entry) { return entry.first.starts_with("listeners"); });
  });
  parse_flag(flags.advertised, "--advertised", reading.problems,
             [&](const HostPort& address) { config.listeners.front().advertised = address; });
  parse_flag(flags.admin, "--admin", reading.problems, [&](const HostPort& address) {
    config.admin.listen = address;
    lines.erase("admin");
    lines.erase("admin.listen");
  });
  if (!flags.insecure) return;
  config.admin.insecure = true;
  config.cluster.link.insecure = !config.cluster.store.endpoints.empty();
  for (ListenerSettings& listener : config.listeners) listener.insecure = true;
}

}  // namespace

ServerConfig::ServerConfig() {
  driver.disk.directory = "/var/lib/magpie";
  driver.admin = os::HttpConfig{};
  node.deleted_topics_kept = Duration::seconds(24 * 3'600);
}

std::string to_string(const ConfigProblem& problem) {
  std::string text;
  for (const std::string& part : {problem.where, problem.field}) {
    if (!part.empty()) text += part + ": ";
  }
  return text + problem.text;
}

ConfigReading read_config(std::string_view yaml, const std::string& name,
                          const ConfigFlags& flags) {
  ConfigReading reading;
  std::map<std::string, int> lines;
  apply_yaml(yaml, name, reading.config, reading.problems, lines);
  apply_flags(flags, reading, lines);
  Finisher(reading, name, lines).finish();
  return reading;
}

ConfigReading read_config_file(const std::string& path, const ConfigFlags& flags) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    ConfigReading reading;
    reading.problems.push_back(
        {path, 0, "", fmt::format("cannot be read: {}", errno == 0 ? "empty" : strerror(errno))});
    return reading;
  }
  return read_config(text.str(), path, flags);
}

ConfigReading read_config_flags(const ConfigFlags& flags) {
  return read_config("", "", flags);
}

std::vector<std::pair<std::string, std::string>> list_settings(const ServerConfig& config) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (const ConfigField& field : config_fields()) {
    settings.emplace_back(field.path, field.print(config));
  }
  return settings;
}

}  // namespace magpie::server
