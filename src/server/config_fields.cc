#include "server/config_fields.h"

#include "server/config_field_kinds.h"

namespace magpie::server {
namespace {

using Config = ServerConfig;

void add_node_fields(std::vector<ConfigField>& fields) {
  fields.push_back(number<int32_t>(
      "node.id", "Kafka broker id; unique in the cluster.", 0, INT32_MAX,
      [](Config & c) -> auto& { return c.node.node_id.value; }));
  fields.push_back(name(
      "node.cluster", "Name of the cluster, as clients see it.",
      [](Config & c) -> auto& { return c.node.cluster_id; }));
  fields.push_back(name(
      "node.region", "The data centre this node stands in; clients see it as the rack.",
      [](Config & c) -> auto& { return c.node.region; }));
  fields.push_back(path_name(
      "node.data", "The data directory. One process may use it at a time.",
      [](Config & c) -> auto& { return c.driver.disk.directory; }));
}

void add_admin_fields(std::vector<ConfigField>& fields) {
  fields.push_back(address(
      "admin.listen", "Health, metrics and /v1 over HTTP.",
      [](Config & c) -> auto& { return c.admin.listen; }));
  fields.push_back(yes_or_no(
      "admin.insecure",
      "Must be true to listen beyond loopback, because nothing asks who is calling.",
      [](Config & c) -> auto& { return c.admin.insecure; }));
  fields.push_back(number<size_t>(
      "admin.connections", "More at once are closed.", 1, 10'000,
      [](Config & c) -> auto& { return c.driver.admin->connections; }));
  fields.push_back(size<size_t>(
      "admin.request_size", "A larger request body is answered with 413.", kKiB, 64 * kMiB,
      [](Config & c) -> auto& { return c.driver.admin->body_bytes; }));
}

void add_storage_fields(std::vector<ConfigField>& fields) {
  using engine::FsyncPolicy;
  fields.push_back(word<FsyncPolicy>(
      "storage.fsync",
      "When a record counts as stored. always: after fdatasync. interval: after the write, synced\n"
      "every fsync_interval; a power loss may lose that much. never: the operating system decides.",
      {{"always", FsyncPolicy::kAlways},
       {"interval", FsyncPolicy::kInterval},
       {"never", FsyncPolicy::kNever}},
      [](Config & c) -> auto& { return c.node.fsync; }));
  fields.push_back(duration(
      "storage.fsync_interval", "Used by fsync: interval.", Duration::milliseconds(10),
      Duration::seconds(3'600), [](Config & c) -> auto& { return c.node.fsync_interval; }));
  fields.push_back(duration(
      "storage.retention_check_interval", "How often old segments are looked for.", kSecond, kDay,
      [](Config & c) -> auto& { return c.node.retention_check_interval; }));
  fields.push_back(number<int>(
      "storage.disk_workers",
      "Threads that read and write. Three more sync in the background, replace and remove files.",
      1, 64, [](Config & c) -> auto& { return c.driver.disk.workers; }));
}

void add_topic_fields(std::vector<ConfigField>& fields) {
  fields.push_back(yes_or_no(
      "topics.auto_create", "Create a topic when a client first asks for it.",
      [](Config & c) -> auto& { return c.node.auto_create_topics; }));
  fields.push_back(number<int32_t>(
      "topics.default_partitions", "Partitions of a topic when its creator does not say.", 1,
      limits::kPartitionsPerTopic, [](Config & c) -> auto& { return c.node.default_partitions; }));
  fields.push_back(duration(
      "topics.deleted_kept",
      "For how long a deleted topic can be restored. Its records take room meanwhile; 0s removes\n"
      "them at once.",
      Duration{}, kYear, [](Config & c) -> auto& { return c.node.deleted_topics_kept; }));
}

void add_group_fields(std::vector<ConfigField>& fields) {
  fields.push_back(duration(
      "groups.session_timeout_min", "Consumers that ask for a shorter session timeout are refused.",
      Duration::milliseconds(1), kDay,
      [](Config & c) -> auto& { return c.node.group_session_timeout_min; }));
  fields.push_back(duration(
      "groups.session_timeout_max", "Consumers that ask for a longer session timeout are refused.",
      Duration::milliseconds(1), kDay,
      [](Config & c) -> auto& { return c.node.group_session_timeout_max; }));
  fields.push_back(duration(
      "groups.initial_rebalance_delay",
      "How long a new group waits for more members before its first assignment.", Duration{},
      Duration::seconds(600),
      [](Config & c) -> auto& { return c.node.group_initial_rebalance_delay; }));
  fields.push_back(duration(
      "groups.offsets_retention", "How long the positions of a group without members are kept.",
      kSecond, kYear, [](Config & c) -> auto& { return c.node.offsets_retention; }));
  fields.push_back(duration(
      "producers.id_expiration", "How long an idle producer's deduplication window is kept.",
      kSecond, kYear, [](Config & c) -> auto& { return c.node.producer_id_expiration; }));
}

void add_connection_limits(std::vector<ConfigField>& fields) {
  fields.push_back(number<size_t>(
      "limits.connections", "More client connections are closed as soon as they come in.", 1,
      1'000'000, [](Config & c) -> auto& { return c.driver.network.connections; }));
  fields.push_back(number<size_t>(
      "limits.connections_per_address", "The same for one client address.", 1, 1'000'000,
      [](Config & c) -> auto& { return c.driver.network.connections_per_address; }));
  fields.push_back(number<uint32_t>(
      "limits.accepts_per_second", "New connections per second and listener; further ones wait.", 1,
      1'000'000, [](Config & c) -> auto& { return c.driver.network.accepts_per_second; }));
  fields.push_back(size<size_t>(
      "limits.request_size", "A larger request closes its connection.", kKiB, 1024 * kMiB,
      [](Config & c) -> auto& { return c.driver.network.request_bytes; }));
  fields.push_back(duration(
      "limits.idle_connection", "A connection on which nothing moves for this long is closed.",
      kSecond, kYear, [](Config & c) -> auto& { return c.driver.network.idle_max; }));
  fields.push_back(duration(
      "limits.stalled_connection",
      "A connection that takes none of the bytes waiting for it for this long is closed.", kSecond,
      kYear, [](Config & c) -> auto& { return c.driver.network.stalled_max; }));
  fields.push_back(size<uint64_t>(
      "limits.send_queue_per_connection",
      "A connection with more bytes waiting for it is closed: it does not read.", kMiB, kTiB,
      [](Config & c) -> auto& { return c.driver.network.send_queue_bytes; }));
  fields.push_back(size<uint64_t>(
      "limits.send_queues", "The same over all connections; the longest queue goes first.", kMiB,
      kTiB, [](Config & c) -> auto& { return c.driver.network.send_queues_bytes; }));
  fields.push_back(size<uint64_t>(
      "limits.unanswered_per_connection",
      "Bytes of requests not answered yet; beyond it nothing more is read from the connection.",
      kMiB, kTiB,
      [](Config & c) -> auto& { return c.node.limits.unanswered_bytes_per_connection; }));
  fields.push_back(size<uint64_t>(
      "limits.unanswered", "The same over all connections.", kMiB, kTiB,
      [](Config & c) -> auto& { return c.node.limits.unanswered_bytes; }));
}

void add_storage_limits(std::vector<ConfigField>& fields) {
  fields.push_back(number<int32_t>(
      "limits.partitions", "More partitions on this node are refused (INVALID_PARTITIONS).", 1,
      1'000'000, [](Config & c) -> auto& { return c.node.limits.partitions; }));
  fields.push_back(size<uint64_t>(
      "limits.recent_batches", "Memory for recent records, from which consumers at the end read.",
      kMiB, kTiB, [](Config & c) -> auto& { return c.node.limits.recent_batches_bytes; }));
  fields.push_back(number<size_t>(
      "limits.open_files", "Data files kept open; the least recently used one is closed.", 16,
      1'000'000, [](Config & c) -> auto& { return c.driver.disk.open_files; }));
  fields.push_back(number<int32_t>(
      "limits.groups", "More consumer groups are refused (GROUP_MAX_SIZE_REACHED).", 1, 10'000'000,
      [](Config & c) -> auto& { return c.node.limits.groups; }));
  fields.push_back(number<int32_t>(
      "limits.members_per_group", "More members of a group are refused (GROUP_MAX_SIZE_REACHED).",
      1, 100'000, [](Config & c) -> auto& { return c.node.limits.members_per_group; }));
  fields.push_back(number<int32_t>(
      "limits.producers",
      "Producers whose deduplication window is kept; the least recently seen go first.", 1,
      100'000'000, [](Config & c) -> auto& { return c.node.limits.producers; }));
}

void add_log_fields(std::vector<ConfigField>& fields) {
  using port::Severity;
  fields.push_back(word<Severity>(
      "log.level", "debug, info, warning or error.",
      {{"debug", Severity::kDebug},
       {"info", Severity::kInfo},
       {"warning", Severity::kWarning},
       {"error", Severity::kError}},
      [](Config & c) -> auto& { return c.log.level; }));
  fields.push_back(word<os::LogFormat>(
      "log.format", "text, or json: one object per line.",
      {{"text", os::LogFormat::kText}, {"json", os::LogFormat::kJson}},
      [](Config & c) -> auto& { return c.log.format; }));
}

}  // namespace

const std::vector<ConfigField>& config_fields() {
  static const std::vector<ConfigField> kFields = [] {
    std::vector<ConfigField> fields;
    add_node_fields(fields);
    add_cluster_fields(fields);
    add_admin_fields(fields);
    add_storage_fields(fields);
    add_topic_fields(fields);
    add_group_fields(fields);
    add_connection_limits(fields);
    add_storage_limits(fields);
    add_log_fields(fields);
    return fields;
  }();
  return kFields;
}

std::string section_description(const std::string& section) {
  if (section == "admin") return "The admin port, for people, probes and the magpie command.";
  if (section == "limits") return "What may be used; each line says what happens beyond it.";
  if (section == "cluster") {
    return "What makes this node one of several: the control store they share, and the links "
           "between\n"
           "them. Without endpoints of a store a node is alone and the rest of this section "
           "unused.";
  }
  return "";
}

}  // namespace magpie::server
