// What `magpie dev` will start: who runs where, on which ports, with which files.
//
// Everything is decided and written before the first process starts; a run can be looked at, and a
// node started by hand, with the files it leaves in its folder:
//
//   DATA/dev.json                       what runs, for programs; kept up to date
//   DATA/certificates/                  an authority and one certificate per node
//   DATA/<name>/magpie.yaml, log, data  of each node
//   DATA/store/log, data                of the control store, or
//   DATA/etcd.<name>/log, data          of each of its members
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "relay/conditions.h"
#include "server/config_text.h"

namespace magpie::server {

inline constexpr const char* kStoreSite = "store";
inline constexpr const char* kMemberPrefix = "etcd.";  // no region has a dot in its name

struct DevOptions {
  std::string regions = "bj,sh,gz";  // data regions, each with one node
  std::string witness;               // one more region without records; empty: none
  std::string data = "magpie-dev";
  std::string cluster = "dev";
  std::string store = "magpie";  // or "etcd"
  std::string wan;               // "rtt=40ms rate=50MB"; empty: no relay
  std::string lease = "10s";
  uint16_t base_port = 9092;             // 0: any that are free
  bool restart = false;                  // start again what died by itself
  std::vector<std::string> environment;  // of nodes: "REGION:NAME=VALUE"
};

struct DevNode {
  std::string name;  // of the region
  bool witness = false;
  int32_t id = 0;
  HostPort kafka;
  HostPort admin;
  HostPort link;
  std::string folder;
  std::vector<std::string> environment;  // "NAME=VALUE"
};

// A process of the control store: `magpie store`, or a member of an etcd.
struct DevStore {
  std::string name;  // "store", or "etcd." and its region
  std::string site;  // where it stands: "store", or that region
  std::string folder;
  HostPort clients;
  // Of a member: what the others know it by, which leads nowhere (see dev_exit.h); where it listens
  // for them; and where its way to them begins.
  std::string address;
  HostPort peers;
  HostPort exit;
};

struct DevPlan {
  std::string folder;
  std::string cluster;
  bool etcd = false;
  std::vector<DevStore> stores;
  HostPort control;
  std::optional<relay::Conditions> wan;
  std::string lease;
  bool restart = false;
  std::vector<DevNode> nodes;
};

// Where a node finds the others, which are relays if there are any.
struct DevRoutes {
  std::vector<std::string> store;  // URLs
  std::vector<std::string> links;  // "ADVERTISED=REAL"
};

// Error: a sentence for the person who typed the options.
Result<DevPlan> make_dev_plan(const DevOptions& options);

// "rtt=40ms rate=50MB loss=0.1%", with spaces or commas: what happens to bytes in each direction;
// half of the round trip each. What is not named stays as it is in `conditions`.
Status change_wan(relay::Conditions& conditions, const std::string& text);

// Creates the folders and certificates. An authority that is there already is kept.
Status write_dev_certificates(const DevPlan& plan);

// Notes in the plan's folder which control store it began with. Error: it began with another one,
// whose state the nodes' directories belong to; or it cannot be written.
Status keep_store(const DevPlan& plan);
Status write_node_config(const DevPlan& plan, const DevNode& node, const DevRoutes& routes);
// For tests: what write_node_config() writes.
std::string node_config_text(const DevPlan& plan, const DevNode& node, const DevRoutes& routes);

// The command lines.
std::vector<std::string> node_arguments(const DevNode& node);
std::vector<std::string> store_arguments(const DevPlan& plan, const DevStore& store);
std::string log_file(const DevPlan& plan, const std::string& name);

// Of the name of a process: whether it is one of the control store, and where it stands.
bool is_store(const std::string& name);
std::string site_of(const std::string& name);

// Replaces a file whole.
Status write_whole(const std::string& path, const std::string& text);

}  // namespace magpie::server
