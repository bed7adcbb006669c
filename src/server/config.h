// The configuration of one process: what the YAML file and the flags say, checked as a whole before
// anything starts.
//
// Every scalar setting is one row of the table in config_fields.cc; reading a file, printing the
// defaults and the completeness test of the documentation all go over that table. Problems are
// collected, so that one run names all of them, each with its line and field.
//
// Secrets never stand in the file itself: a setting that needs one is called `…_file` and names a
// file that holds it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/region.h"
#include "node/node_config.h"
#include "os/driver.h"
#include "os/log_sink.h"
#include "server/config_text.h"

namespace magpie::server {

struct ListenerSettings {
  std::string name = "kafka";
  HostPort listen = {"127.0.0.1", 9092};
  std::optional<HostPort> advertised;  // none: the same as `listen`
  bool insecure = false;               // listening beyond loopback without security is intended
};

struct AdminSettings {
  HostPort listen = {"127.0.0.1", 9094};
  bool insecure = false;
};

// How the nodes of a cluster reach each other.
struct LinkSettings {
  HostPort listen = {"127.0.0.1", 9096};
  std::optional<HostPort> advertised;  // none: the same as `listen`
  os::TlsConfig tls;                   // without files: links are not encrypted
  bool insecure = false;               // listening beyond loopback without encryption is intended
  bool compress = false;               // batches on their way to other nodes
  std::vector<std::string> routes;     // "ADVERTISED=REAL"
  // "REGION=SIZE", "*=SIZE": bytes per second.
  std::vector<std::string> limits;
  std::vector<std::string> catch_up_limits;
};

// The control store they share. Without endpoints the node is alone.
struct StoreSettings {
  std::vector<std::string> endpoints;
  std::string user;
  std::string password_file;
  os::TlsConfig tls;  // for https endpoints
};

struct ClusterSettings {
  control::RegionRole role = control::RegionRole::kData;
  Duration lease = Duration::seconds(10);
  std::string signing_key_file;
  StoreSettings store;
  LinkSettings link;
};

struct ServerConfig {
  ServerConfig();

  std::vector<ListenerSettings> listeners = {ListenerSettings{}};
  AdminSettings admin;
  ClusterSettings cluster;
  os::LogConfig log;

  // What the node and the driver are told. Their listeners are filled by finish_config().
  node::NodeConfig node;
  os::DriverConfig driver;
};

// One thing that is wrong. `where` is "magpie.yaml:12" or "--kafka"; `field` is the path of the
// setting, "limits.connections"; both may be empty.
struct ConfigProblem {
  std::string where;
  int line = 0;  // for sorting
  std::string field;
  std::string text;
};
std::string to_string(const ConfigProblem& problem);

struct ConfigReading {
  ServerConfig config;
  std::vector<ConfigProblem> problems;  // in the order of their lines; empty: the config is good
  std::vector<std::string> warnings;    // for the log when the process starts
};

// Flags of `magpie serve`; each one that is present overrides the file.
struct ConfigFlags {
  std::optional<std::string> node_id;
  std::optional<std::string> cluster;
  std::optional<std::string> region;
  std::optional<std::string> data;
  std::optional<std::string> kafka;  // replaces all listeners of the file
  std::optional<std::string> advertised;
  std::optional<std::string> admin;
  std::optional<std::string> store;  // endpoints with commas between them
  std::optional<std::string> link;
  std::optional<std::string> link_advertised;
  bool witness = false;
  bool insecure = false;
};

// Reads YAML text; `name` is what problems call it. The result is complete: flags applied, checked
// as a whole, listeners filled in.
ConfigReading read_config(std::string_view yaml, const std::string& name,
                          const ConfigFlags& flags = {});

// The same for a file; a file that cannot be read is a problem like any other.
ConfigReading read_config_file(const std::string& path, const ConfigFlags& flags = {});

// The same without a file.
ConfigReading read_config_flags(const ConfigFlags& flags);

// The defaults as a commented file that read_config() accepts.
std::string default_config_text();

// Every setting's path with its default as text, in the order of the table; for the test that
// compares the documentation with it.
std::vector<std::pair<std::string, std::string>> list_settings(const ServerConfig& config);

}  // namespace magpie::server
