#include "server/dev_plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "link/session.h"
#include "os/certificates.h"
#include "os/clock.h"
#include "os/signing.h"
#include "server/child_process.h"

namespace magpie::server {
namespace {

constexpr size_t kNodesMax = 16;
constexpr size_t kNameBytes = 32;
constexpr uint16_t kPortsPerNode = 10;
constexpr size_t kMembersMax = 5;
constexpr int kPortAttempts = 100;
constexpr int64_t kDayMillis = 24ll * 3'600'000;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

Status check_name(const std::string& name, std::set<std::string>& seen) {
  const bool good = !name.empty() && name.size() <= kNameBytes && name != kStoreSite &&
                    name != "certificates" && name != "all" &&
                    std::all_of(name.begin(), name.end(), [](unsigned char letter) {
                      return std::isalnum(letter) || letter == '-';
                    });
  if (!good) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' cannot name a region: 1 to {} of a-z, A-Z, 0-9 and '-', and not "
                            "store, certificates or all",
                            name, kNameBytes));
  }
  if (!seen.insert(name).second) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("the region '{}' is there twice", name));
  }
  return {};
}

// Hands out ports and holds them until it goes, so that none comes twice and none is in use.
class Ports {
 public:
  ~Ports() {
    for (const int socket : sockets_) ::close(socket);
  }

  // `wanted` 0: any. Error: names the port and what it was for.
  Result<HostPort> take(uint32_t wanted, const std::string& purpose) {
    if (wanted != 0) return bind(wanted, purpose, true);
    // Not those that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range): one
    // of them might be gone before the process that is to listen there has started.
    std::uniform_int_distribution<uint32_t> below_those(12'000, 32'000);
    for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
      if (auto taken = bind(below_those(source_), purpose, false)) return taken;
    }
    return bind(0, purpose, false);
  }

 private:
  // `reuse`: also a port on which connections have just ended. Two sockets that reuse could both
  // have one port while neither listens.
  Result<HostPort> bind(uint32_t wanted, const std::string& purpose, bool reuse) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_.push_back(socket);
    const int yes = reuse ? 1 : 0;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(wanted));
    socklen_t size = sizeof address;
    if (wanted > UINT16_MAX || ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      return fail(
          ErrorKind::kUnavailable,
          fmt::format("port {}, for {}, cannot be had: {}. Choose others with --base-port", wanted,
                      purpose, wanted > UINT16_MAX ? "no such port" : strerror(errno)));
    }
    return HostPort{"127.0.0.1", ntohs(address.sin_port)};
  }

  std::random_device source_;
  std::vector<int> sockets_;
};

Status assign_ports(DevPlan& plan, uint16_t base) {
  Ports ports;
  uint32_t next = base;
  const auto take = [&](uint32_t distance, HostPort& place, const std::string& purpose) -> Status {
    auto taken = ports.take(base == 0 ? 0 : next + distance, purpose);
    if (!taken) return fail(taken.error());
    place = *taken;
    return {};
  };
  for (DevNode& node : plan.nodes) {
    if (auto done = take(0, node.kafka, "Kafka clients of " + node.name); !done) return done;
    if (auto done = take(1, node.link, "links to " + node.name); !done) return done;
    if (auto done = take(2, node.admin, "the admin port of " + node.name); !done) return done;
    next += kPortsPerNode;
  }
  if (auto done = take(2, plan.control, "`magpie dev tell`"); !done) return done;
  for (DevStore& store : plan.stores) {
    if (auto done = take(0, store.clients, "the control store"); !done) return done;
    if (!plan.etcd) continue;
    if (auto done = take(1, store.peers, "the control store"); !done) return done;
    if (auto done = take(3, store.exit, "the control store"); !done) return done;
    next += kPortsPerNode;
  }
  return {};
}

// Members of an etcd stand in the first regions. Always an odd number: one more survives no more.
void place_stores(DevPlan& plan) {
  if (!plan.etcd) {
    DevStore& store = plan.stores.emplace_back();
    store.name = store.site = kStoreSite;
    store.folder = plan.folder + "/" + store.name;
    return;
  }
  const size_t sites = std::min(plan.nodes.size(), kMembersMax);
  for (size_t index = 0; index < sites - (sites % 2 == 0); ++index) {
    DevStore& store = plan.stores.emplace_back();
    store.site = plan.nodes[index].name;
    store.name = kMemberPrefix + store.site;
    store.folder = plan.folder + "/" + store.name;
    // Of the network that is kept for examples (RFC 5737), so that it is nobody's.
    store.address = fmt::format("192.0.2.{}:2380", index + 1);
  }
}

// "REGION:NAME=VALUE" to the node of that region.
Status give_environment(DevPlan& plan, const std::string& text) {
  const size_t colon = text.find(':');
  for (DevNode& node : plan.nodes) {
    if (colon == std::string::npos || node.name != text.substr(0, colon)) continue;
    const std::string setting = text.substr(colon + 1);
    if (setting.find('=') == 0 || setting.find('=') == std::string::npos) break;
    node.environment.push_back(setting);
    return {};
  }
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("--env: '{}' is not REGION:NAME=VALUE with a region that is here", text));
}

std::string certificate_file(const DevPlan& plan, const std::string& name) {
  return fmt::format("{}/certificates/{}", plan.folder, name);
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

os::CertificateRequest request_for(const std::string& name) {
  const WallTime now = os::read_clocks().wall;
  return {.name = name,
          .from = {now.millis - kDayMillis},
          .until = {now.millis + 10 * 365 * kDayMillis}};
}

// What certificates of failovers are signed with; an old key is kept.
Status write_signing_key(const DevPlan& plan) {
  const std::string path = certificate_file(plan, "signing.key");
  if (os::SigningKey::read(read_text(path))) return {};
  const auto keys = os::make_signing_keys();
  if (!keys) return fail(keys.error());
  return os::write_certificate({keys->public_key, keys->private_key}, path + ".pub", path);
}

Status write_node_certificates(const DevPlan& plan, const os::Certificate& authority) {
  for (const DevNode& node : plan.nodes) {
    const auto certificate = os::make_certificate(
        authority, request_for(link::certificate_name(plan.cluster, NodeId{node.id})));
    if (!certificate) return fail(certificate.error());
    if (auto written =
            os::write_certificate(*certificate, certificate_file(plan, node.name + ".pem"),
                                  certificate_file(plan, node.name + ".key"));
        !written) {
      return written;
    }
  }
  return {};
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

}  // namespace

Status change_wan(relay::Conditions& conditions, const std::string& text) {
  relay::Conditions wanted = conditions;
  std::string words = text;
  std::replace(words.begin(), words.end(), ',', ' ');
  std::istringstream stream(words);
  for (std::string word; stream >> word;) {
    const bool round_trip = word.starts_with("rtt=");
    if (!relay::change(wanted, round_trip ? "delay=" + word.substr(4) : word)) {
      return fail(
          ErrorKind::kInvalidArgument,
          fmt::format("'{}' is not understood; there are rtt=40ms, rate=50MB and loss=0.1%", word));
    }
    if (round_trip) wanted.delay.nanos /= 2;
  }
  conditions = wanted;
  return {};
}

Result<DevPlan> make_dev_plan(const DevOptions& options) {
  DevPlan plan;
  plan.folder = std::filesystem::absolute(options.data).lexically_normal().string();
  plan.cluster = options.cluster;
  plan.etcd = options.store == "etcd";
  plan.lease = options.lease;
  plan.restart = options.restart;
  if (!options.wan.empty()) {
    plan.wan.emplace();
    if (auto good = change_wan(*plan.wan, options.wan); !good) {
      return fail(ErrorKind::kInvalidArgument, "--wan: " + good.error().message);
    }
  }
  std::set<std::string> seen;
  std::vector<std::string> names = split(options.regions);
  const size_t data_regions = names.size();
  if (!options.witness.empty()) names.push_back(options.witness);
  if (data_regions == 0 || names.size() > kNodesMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("there can be 1 to {} regions, with the witness", kNodesMax));
  }
  for (const std::string& name : names) {
    if (auto good = check_name(name, seen); !good) return fail(good.error());
    DevNode& node = plan.nodes.emplace_back();
    node.name = name;
    node.witness = plan.nodes.size() > data_regions;
    node.id = static_cast<int32_t>(plan.nodes.size());
    node.folder = plan.folder + "/" + name;
  }
  for (const std::string& text : options.environment) {
    if (auto given = give_environment(plan, text); !given) return fail(given.error());
  }
  place_stores(plan);
  // The members of an etcd talk to each other through relays, so there are some.
  if (plan.etcd && !plan.wan) plan.wan.emplace();
  if (auto assigned = assign_ports(plan, options.base_port); !assigned) {
    return fail(assigned.error());
  }
  return plan;
}

Status write_whole(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path, error);
  if (!file || error) {
    return fail(ErrorKind::kIo, fmt::format("cannot write {}: {}", path,
                                            error ? error.message() : strerror(errno)));
  }
  return {};
}

Status keep_store(const DevPlan& plan) {
  std::string wanted = plan.etcd ? "etcd" : "magpie";
  for (const DevStore& store : plan.stores) {
    if (plan.etcd) wanted += fmt::format(" {}={}", store.site, store.address);
  }
  const std::string path = plan.folder + "/control-store";
  const std::string known = read_text(path);
  if (known.empty()) return write_whole(path, wanted);
  if (known == wanted) return {};
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("{} began with the control store '{}', and this would be '{}'. Name "
                          "another folder with --data, or start it with the same --store and "
                          "regions as before",
                          plan.folder, known, wanted));
}

Status write_dev_certificates(const DevPlan& plan) {
  std::error_code error;
  std::filesystem::create_directories(plan.folder + "/certificates", error);
  for (const DevStore& store : plan.stores) {
    std::filesystem::create_directories(store.folder, error);
  }
  for (const DevNode& node : plan.nodes) std::filesystem::create_directories(node.folder, error);
  if (auto written = write_signing_key(plan); !written) return written;
  const std::string certificate = certificate_file(plan, "authority.pem");
  const std::string key = certificate_file(plan, "authority.key");
  os::Certificate authority{read_text(certificate), read_text(key)};
  if (write_node_certificates(plan, authority)) return {};
  auto made = os::make_authority(request_for("magpie dev"));
  if (!made) return fail(made.error());
  if (auto written = os::write_certificate(*made, certificate, key); !written) return written;
  return write_node_certificates(plan, *made);
}

std::string node_config_text(const DevPlan& plan, const DevNode& node, const DevRoutes& routes) {
  std::string stores;
  for (const std::string& url : routes.store) stores += (stores.empty() ? "" : ", ") + quoted(url);
  std::string text = fmt::format(
      "# Written by `magpie dev` at every start; changes are lost.\n"
      "node:\n  id: {}\n  cluster: {}\n  region: {}\n  data: {}\n"
      "admin:\n  listen: {}\n"
      "listeners:\n  - name: kafka\n    listen: {}\n"
      "groups:\n  initial_rebalance_delay: 0s\n"
      "cluster:\n  role: {}\n  lease: {}\n  signing_key_file: {}\n  store:\n    endpoints: [{}]\n"
      "  link:\n    listen: {}\n    certificate_file: {}\n    key_file: {}\n    authority_file: "
      "{}\n",
      node.id, quoted(plan.cluster), quoted(node.name), quoted(node.folder + "/data"),
      host_port_text(node.admin), host_port_text(node.kafka), node.witness ? "witness" : "data",
      plan.lease, quoted(certificate_file(plan, "signing.key")), stores, host_port_text(node.link),
      quoted(certificate_file(plan, node.name + ".pem")),
      quoted(certificate_file(plan, node.name + ".key")),
      quoted(certificate_file(plan, "authority.pem")));
  if (routes.links.empty()) return text;
  text += "    routes:\n";
  for (const std::string& route : routes.links) text += fmt::format("      - {}\n", route);
  return text;
}

Status write_node_config(const DevPlan& plan, const DevNode& node, const DevRoutes& routes) {
  return write_whole(node.folder + "/magpie.yaml", node_config_text(plan, node, routes));
}

std::vector<std::string> node_arguments(const DevNode& node) {
  std::vector<std::string> line;
  if (!node.environment.empty()) line.push_back("env");
  line.insert(line.end(), node.environment.begin(), node.environment.end());
  for (const std::string& word : {own_program(), std::string("serve"), std::string("--config"),
                                  node.folder + "/magpie.yaml"}) {
    line.push_back(word);
  }
  return line;
}

std::vector<std::string> store_arguments(const DevPlan& plan, const DevStore& store) {
  const std::string data = store.folder + "/data";
  const std::string clients = host_port_text(store.clients);
  if (!plan.etcd) {
    return {own_program(), "store", "--data", data, "--listen", clients, "--cluster", plan.cluster};
  }
  std::string everyone;
  for (const DevStore& member : plan.stores) {
    everyone +=
        fmt::format("{}{}=https://{}", everyone.empty() ? "" : ",", member.name, member.address);
  }
  // Encrypted, because only then a proxy is asked for a connection to one member.
  return {"env",
          "--unset=NO_PROXY",
          "--unset=no_proxy",
          "HTTPS_PROXY=http://" + host_port_text(store.exit),
          "etcd",
          "--name=" + store.name,
          "--data-dir=" + data,
          "--listen-client-urls=http://" + clients,
          "--advertise-client-urls=http://" + clients,
          "--listen-peer-urls=https://" + host_port_text(store.peers),
          "--initial-advertise-peer-urls=https://" + store.address,
          "--peer-auto-tls",
          "--initial-cluster=" + everyone,
          "--initial-cluster-token=" + plan.cluster,
          "--auto-compaction-mode=periodic",
          "--auto-compaction-retention=1h",
          "--logger=zap",
          "--log-level=warn"};
}

bool is_store(const std::string& name) {
  return name == kStoreSite || name.starts_with(kMemberPrefix);
}

std::string site_of(const std::string& name) {
  return name.starts_with(kMemberPrefix) ? name.substr(strlen(kMemberPrefix)) : name;
}

std::string log_file(const DevPlan& plan, const std::string& name) {
  return fmt::format("{}/{}/log", plan.folder, name);
}

}  // namespace magpie::server
