#include "server/config_cluster.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "control/failover_group.h"
#include "os/signing.h"
#include "server/config_fields.h"

namespace magpie::server {
namespace {

constexpr uintmax_t kPasswordBytes = 4096;
// Below it the largest batch takes minutes, and a member that waits for one falls out of its set.
constexpr uint64_t kSlowestLink = 64 * 1024;

// Where a group of settings that name TLS files stands in the file.
struct TlsFiles {
  std::string path;
  const os::TlsConfig& tls;

  bool any() const {
    return !tls.certificate_file.empty() || !tls.key_file.empty() || !tls.authority_file.empty();
  }
  std::vector<std::pair<std::string, std::string>> list() const {
    return {{path + ".certificate_file", tls.certificate_file},
            {path + ".key_file", tls.key_file},
            {path + ".authority_file", tls.authority_file}};
  }
};

// Empty if the file can be read.
std::string unreadable(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return "is a directory";
  if (std::ifstream(path).good()) return "";
  return fmt::format("cannot be read: {}", strerror(errno));
}

class ClusterFinisher {
 public:
  ClusterFinisher(ServerConfig& config, const ConfigReporter& reporter)
      : config_(config), cluster_(config.cluster), reporter_(reporter) {}

  void finish() {
    if (cluster_.store.endpoints.empty()) {
      complain_of_unused();
      return;
    }
    check_names();
    check_store();
    check_link();
    read_signing_key();
    fill_in();
  }

 private:
  // Whoever sets these expects a cluster.
  void complain_of_unused() {
    const ServerConfig defaults;
    for (const ConfigField& field : config_fields()) {
      if (!field.path.starts_with("cluster.") || field.print(config_) == field.print(defaults)) {
        continue;
      }
      reporter_.problem(field.path,
                        "has no effect, because cluster.store.endpoints (with flags: --store) "
                        "names no control store");
      return;
    }
  }

  void check_names() {
    if (!reporter_.was_given("node.id")) {
      reporter_.problem("node.id",
                        "is missing (with flags: --node-id): every node of a cluster has a number "
                        "of its own");
    }
    if (!reporter_.was_given("node.region")) {
      reporter_.problem("node.region",
                        "is missing (with flags: --region): the nodes of a cluster say where they "
                        "stand");
    }
    if (cluster_.lease.nanos % Duration::seconds(1).nanos != 0) {
      reporter_.problem("cluster.lease", "must be whole seconds");
    }
  }

  void check_store() {
    const StoreSettings& store = cluster_.store;
    const TlsFiles files{"cluster.store.tls", store.tls};
    const auto secure = [](const std::string& url) { return url.starts_with("https://"); };
    const bool any_secure = std::any_of(store.endpoints.begin(), store.endpoints.end(), secure);
    check_files(files);
    if (files.any() && !any_secure) {
      reporter_.problem(files.path, "is only used with endpoints that begin with https://");
    }
    if (store.tls.certificate_file.empty() != store.tls.key_file.empty()) {
      reporter_.problem(files.path, "needs certificate_file and key_file together, or neither");
    }
    for (const std::string& url : store.endpoints) {
      if (secure(url) || is_loopback(parse_host_port(url.substr(7))->host)) continue;
      reporter_.warning(fmt::format(
          "the control store {} is asked without encryption; keep it inside a network you trust",
          url));
    }
    read_password();
  }

  void read_password() {
    const StoreSettings& store = cluster_.store;
    if (store.user.empty() != store.password_file.empty()) {
      reporter_.problem("cluster.store",
                        "needs user and password_file together, or neither of them");
      return;
    }
    if (store.user.empty()) return;
    const std::string field = "cluster.store.password_file";
    std::error_code error;
    if (!std::filesystem::is_regular_file(store.password_file, error)) {
      reporter_.problem(
          field, fmt::format("cannot be read: {} is not there, or no file", store.password_file));
      return;
    }
    std::ifstream file(store.password_file);
    if (!file || std::filesystem::file_size(store.password_file, error) > kPasswordBytes ||
        !std::getline(file, password_) || password_.empty()) {
      reporter_.problem(field, fmt::format("cannot be read: {} must be readable and begin with a "
                                           "line that is the password",
                                           store.password_file));
    }
  }

  void read_signing_key() {
    const std::string& path = cluster_.signing_key_file;
    if (path.empty()) return;
    const std::string field = "cluster.signing_key_file";
    const std::string why = unreadable(path);
    if (!why.empty()) return reporter_.problem(field, fmt::format("{} {}", path, why));
    std::ifstream file(path);
    const std::string pem((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    auto key = os::SigningKey::read(pem);
    if (!key) {
      return reporter_.problem(
          field, fmt::format("{} holds no private Ed25519 key in PEM form; make one with: magpie "
                             "certificate-key FILE",
                             path));
    }
    sign_ = [key = std::move(*key)](std::string_view text) { return key.sign(text); };
  }

  void check_link() {
    const LinkSettings& link = cluster_.link;
    const std::string address = host_port_text(link.listen);
    const TlsFiles files{"cluster.link", link.tls};
    check_files(files);
    for (const auto& [field, file] : files.list()) {
      if (files.any() && file.empty()) {
        reporter_.problem(field,
                          "is missing: an encrypted link needs certificate_file, key_file and "
                          "authority_file, because both sides show who they are");
      }
    }
    if (!files.any() && !is_loopback(link.listen.host)) check_exposure(address);
    if (is_any_address(link.listen.host) && !link.advertised.has_value()) {
      reporter_.problem("cluster.link.advertised",
                        fmt::format("is missing: {} stands for every address of this machine, so "
                                    "other nodes must be told which one to use",
                                    link.listen.host));
    }
    if (link.advertised.has_value() && is_any_address(link.advertised->host)) {
      reporter_.problem("cluster.link.advertised",
                        fmt::format("other nodes cannot connect to {}; name an address they can "
                                    "reach",
                                    link.advertised->host));
    }
    check_not_used(address);
  }

  void check_exposure(const std::string& address) {
    if (cluster_.link.insecure) {
      reporter_.warning(fmt::format(
          "cluster.link listens on {} without encryption, and whoever can reach it can pose as a "
          "node; keep it inside a network you trust",
          address));
      return;
    }
    reporter_.problem("cluster.link.listen",
                      fmt::format("{} can be reached from other machines, and whoever reaches it "
                                  "could pose as a node. Name certificate_file, key_file and "
                                  "authority_file, or write 'insecure: true' beside it (with "
                                  "flags: --insecure) if the network is trusted",
                                  address));
  }

  void check_not_used(const std::string& address) {
    bool used = address == host_port_text(config_.admin.listen);
    for (const ListenerSettings& other : config_.listeners) {
      used = used || address == host_port_text(other.listen);
    }
    if (used) reporter_.problem("cluster.link.listen", fmt::format("{} is used twice", address));
  }

  void check_files(const TlsFiles& files) {
    for (const auto& [field, file] : files.list()) {
      if (file.empty()) continue;
      const std::string why = unreadable(file);
      if (!why.empty()) reporter_.problem(field, fmt::format("{} {}", file, why));
    }
  }

  void fill_in() {
    const LinkSettings& link = cluster_.link;
    const HostPort& advertised = link.advertised.value_or(link.listen);
    node::ClusterConfig& node = config_.node.cluster.emplace();
    node.store.endpoints = cluster_.store.endpoints;
    node.store.user = cluster_.store.user;
    node.store.password = password_;
    node.link = {advertised.host, advertised.port};
    node.link_listener = {static_cast<uint32_t>(config_.driver.listeners.size())};
    node.links_encrypted = TlsFiles{"", link.tls}.any();
    node.compress_links = link.compress;
    node.region_role = cluster_.role;
    node.sign = sign_;
    node.lease_seconds = cluster_.lease.nanos / Duration::seconds(1).nanos;

    node.link_limits = limits_of("cluster.link.limits", link.limits);
    node.catch_up_limits = limits_of("cluster.link.catch_up_limits", link.catch_up_limits);

    os::DriverConfig& driver = config_.driver;
    driver.listeners.push_back(
        {"link", link.listen.host, link.listen.port, os::ListenerKind::kLinks});
    if (node.links_encrypted) driver.links.tls = link.tls;
    if (TlsFiles{"", cluster_.store.tls}.any()) driver.http_client.tls = cluster_.store.tls;
    for (const std::string& text : link.routes) {
      const auto route = parse_route(text);
      if (!route) continue;
      driver.links.routes[{route->advertised.host, route->advertised.port}] = {route->real.host,
                                                                               route->real.port};
    }
  }

  std::map<std::string, uint64_t, std::less<>> limits_of(const std::string& field,
                                                         const std::vector<std::string>& texts) {
    std::map<std::string, uint64_t, std::less<>> limits;
    for (const std::string& text : texts) {
      const auto limit = parse_link_limit(text);
      if (!limit) continue;
      if (limits.emplace(limit->region, limit->bytes_per_second).second) continue;
      reporter_.problem(field, fmt::format("names '{}' twice", limit->region));
    }
    return limits;
  }

  ServerConfig& config_;
  const ClusterSettings& cluster_;
  const ConfigReporter& reporter_;
  std::string password_;
  std::function<std::string(std::string_view)> sign_;
};

}  // namespace

Status check_endpoint(std::string_view text) {
  std::string_view rest = text;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  if (rest.size() != text.size() && parse_host_port(rest)) return {};
  return fail(ErrorKind::kInvalidArgument,
              "expected http://HOST:PORT or https://HOST:PORT and nothing after it");
}

Result<LinkRoute> parse_route(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    auto advertised = parse_host_port(text.substr(0, equals));
    auto real = parse_host_port(text.substr(equals + 1));
    if (advertised && real) return LinkRoute{std::move(*advertised), std::move(*real)};
  }
  return fail(ErrorKind::kInvalidArgument, "expected ADVERTISED=REAL, both HOST:PORT");
}

Result<LinkLimit> parse_link_limit(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const std::string_view region = text.substr(0, equals);
    const auto size = parse_size(text.substr(equals + 1));
    if (size && *size < kSlowestLink) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("expected at least {} per second", size_text(kSlowestLink)));
    }
    if (size && (region == "*" || !control::label_problem(region))) {
      return LinkLimit{std::string(region), *size};
    }
  }
  return fail(ErrorKind::kInvalidArgument, "expected REGION=SIZE, such as gz=20MiB or *=50MiB");
}

void finish_cluster(ServerConfig& config, const ConfigReporter& reporter) {
  ClusterFinisher(config, reporter).finish();
}

}  // namespace magpie::server
