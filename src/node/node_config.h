// What a node is told before it starts. Filled by `server` from the YAML file and checked there;
// filled by `sim` from the seed. Plain data.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "control/region.h"
#include "engine/engine.h"
#include "port/event.h"
#include "store/courier.h"

namespace magpie::node {

// The address clients are told for one listener; where it really listens is the driver's business.
struct AdvertisedListener {
  std::string name;  // "internal", "external", …
  std::string host;
  int32_t port = 0;
};

// What only the driver acts on; the node shows it to whoever asks for its configuration. Empty: not
// shown.
struct DriverSettings {
  std::string data_directory;
  std::string listeners;  // "internal://0.0.0.0:9092,external://…"
  uint64_t request_bytes = 0;
  size_t connections = 0;  // more of clients are closed; 0: not known
  // Bytes that are free where the data is, -1 if that cannot be found out; none: not known.
  std::function<int64_t()> free_bytes = nullptr;
};

// Partitions of the internal topic of consumer groups. One node coordinates all groups, so one log
// is all it takes.
inline constexpr int32_t kGroupsTopicPartitions = 1;

// What to do at a limit is said at each; docs/operations/limits.md repeats it for operators.
struct NodeLimits {
  // Partitions hosted by this node; creating more is refused with INVALID_PARTITIONS.
  int32_t partitions = 20'000;
  // Bytes of requests taken from one connection and not yet answered; beyond it the node stops
  // reading from that connection.
  uint64_t unanswered_bytes_per_connection = 128ull * 1024 * 1024;
  // The same over all connections; beyond it the node stops reading from the heaviest ones.
  uint64_t unanswered_bytes = 1024ull * 1024 * 1024;
  // Memory for recent batches over all partitions; the least recently used go first.
  uint64_t recent_batches_bytes = 256ull * 1024 * 1024;
  // Consumer groups and members per group; more are refused with GROUP_MAX_SIZE_REACHED.
  int32_t groups = 10'000;
  int32_t members_per_group = 1'000;
  // Producers whose deduplication window is remembered, over all partitions; the least recently
  // seen go first.
  int32_t producers = 100'000;
};

// What makes a node one of several: the control store they share, and the links between them.
struct ClusterConfig {
  store::CourierConfig store;
  // Where other nodes reach this one, and on which listener they then come in.
  control::Address link;
  port::ListenerIndex link_listener;
  // Peers show certificates; each must be issued for the node that it says it is.
  bool links_encrypted = false;
  // Batches are compressed for other nodes where it pays (link/packing.h).
  bool compress_links = false;
  control::RegionRole region_role = control::RegionRole::kData;
  std::string build = "unknown";  // version of the program, for the others' logs
  // How long the store keeps this node's lease alive without hearing from it.
  int64_t lease_seconds = 10;
  // Between two ages of the data directory (control/directory_age.h).
  Duration age_interval = Duration::seconds(60);
  // Which run of the machine this is, if the operating system says so; see
  // control/directory_opening.h.
  std::string machine_run;
  // Bytes of batches per second that are sent to each node of a region, and how many of them may be
  // for copies that are catching up from far (link/sender.h). By region; "*" is any other one.
  std::map<std::string, uint64_t, std::less<>> link_limits;
  std::map<std::string, uint64_t, std::less<>> catch_up_limits;
  // The signature of a text by the cluster's key; none: certificates are not signed.
  std::function<std::string(std::string_view)> sign;
};

struct NodeConfig {
  std::string cluster_id = "magpie";
  NodeId node_id{1};
  std::string region = "local";  // what clients see as the rack
  std::vector<AdvertisedListener> listeners;

  bool auto_create_topics = true;
  int32_t default_partitions = 1;
  // For how long a deleted topic can be restored; none: its records are removed at once.
  Duration deleted_topics_kept{};
  // Topic defaults that differ from Kafka's, by Kafka topic config name ("retention.ms").
  std::map<std::string, std::string> topic_defaults;

  engine::FsyncPolicy fsync = engine::FsyncPolicy::kAlways;
  Duration fsync_interval = Duration::milliseconds(1'000);

  Duration group_session_timeout_min = Duration::milliseconds(6'000);
  Duration group_session_timeout_max = Duration::milliseconds(1'800'000);
  Duration group_initial_rebalance_delay = Duration::milliseconds(3'000);
  Duration offsets_retention = Duration::seconds(7 * 24 * 3'600);
  Duration producer_id_expiration = Duration::seconds(24 * 3'600);
  Duration retention_check_interval = Duration::seconds(300);
  Duration compaction_interval = Duration::seconds(15);  // log.cleaner.backoff.ms

  // Idle connections are closed after this (connections.max.idle.ms).
  Duration connection_idle_max = Duration::seconds(600);

  // None: a node that is alone, with its own journal as the cluster state.
  std::optional<ClusterConfig> cluster;

  DriverSettings driver;
  NodeLimits limits;
};

}  // namespace magpie::node
