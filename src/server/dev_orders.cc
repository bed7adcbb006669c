// The lines that `magpie dev tell` sends.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "server/dev_cluster.h"

namespace magpie::server {
namespace {

constexpr const char* kOrders =
    "status; kill, stop, pause, resume, start, erase NAME [NAME]; silence, cut, heal SITE [SITE]; "
    "silence SITE to SITE; wan [SITE [SITE]] rtt=80ms rate=50MB loss=0.1%";

// Words of an order: the verb, names, and settings.
struct Order {
  std::string verb;
  std::vector<std::string> names;
  std::string settings;
};

Order parse_order(const std::string& line) {
  Order order;
  std::istringstream words(line);
  words >> order.verb;
  for (std::string word; words >> word;) {
    if (word.find('=') != std::string::npos) {
      order.settings += word + " ";
    } else {
      order.names.push_back(word);
    }
  }
  return order;
}

std::string text_of(const Status& status) {
  return status ? "ok" : "error: " + status.error().message;
}

// An order to the relays, or nothing if it is none.
std::string obey_wan(DevCluster& cluster, const Order& order) {
  DevWan* wan = cluster.wan();
  if (wan == nullptr) {
    return "error: there is no relay between the regions; start with --wan rtt=0ms to have one";
  }
  const auto& names = order.names;
  const bool one_way = names.size() == 3 && names[1] == "to";
  if (names.size() > 2 && !one_way) return "error: name a site, or two, or all";
  const std::string one = names.empty() ? "" : names.front();
  const std::string other = names.size() < 2 ? "" : names.back();
  if (order.verb == "wan") {
    return text_of(wan->change(one.empty() ? "all" : one, other, order.settings));
  }
  if (one.empty()) return fmt::format("error: {} what? Name a site, or two, or all", order.verb);
  if (order.verb == "silence") return text_of(wan->silence(one, other, one_way));
  if (one_way) return "error: only silence goes one way";
  return text_of(order.verb == "cut" ? wan->cut(one, other) : wan->heal(one, other));
}

}  // namespace

std::string obey(DevCluster& cluster, const std::string& line) {
  const Order order = parse_order(line);
  const std::string& verb = order.verb;
  if (verb == "status") return "ok " + cluster.describe().dump();
  if (verb == "silence" || verb == "cut" || verb == "heal" || verb == "wan") {
    return obey_wan(cluster, order);
  }
  Status (DevCluster::*method)(const std::string&) = nullptr;
  if (verb == "kill") method = &DevCluster::kill;
  if (verb == "stop") method = &DevCluster::end;
  if (verb == "pause") method = &DevCluster::pause;
  if (verb == "resume") method = &DevCluster::resume;
  if (verb == "start") method = &DevCluster::start_again;
  if (verb == "erase") method = &DevCluster::erase;
  if (method == nullptr) return fmt::format("error: the orders are: {}", kOrders);
  if (order.names.empty()) return fmt::format("error: {} what? Name a process", verb);
  for (const std::string& name : order.names) {
    if (const Status done = (cluster.*method)(name); !done) return text_of(done);
  }
  return "ok";
}

}  // namespace magpie::server
