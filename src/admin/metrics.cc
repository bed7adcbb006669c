#include "admin/metrics.h"

#include <fmt/format.h>

#include <string_view>

#include "admin/describe.h"
#include "admin/label_value.h"
#include "admin/metrics_page.h"
#include "admin/regions_metrics.h"
#include "control/deleted_topic.h"
#include "kafka/cluster_control.h"
#include "kafka/positions_aside.h"
#include "wire/api_table.h"

namespace magpie::admin {
namespace {

using Page = MetricsPage;

int64_t number(uint64_t count) {
  return static_cast<int64_t>(count);
}

void node_metrics(kafka::Broker& broker, const NodeView& view, Page& page) {
  page.family("magpie_ready", "gauge", "1 if the node takes Kafka requests.");
  page.sample(view.serving ? 1 : 0);
  page.family("magpie_cluster_state_writable", "gauge",
              "1 if topics and settings can be changed, 0 if their journal cannot be written.");
  page.sample(view.storage_error.empty() ? 1 : 0);
  page.family("magpie_leader_epoch", "gauge", "Epoch in which this node leads.");
  page.sample(broker.control.state().leadership().epoch.value);
  page.family("magpie_connections", "gauge", "Open Kafka connections.");
  page.sample(number(broker.connections.size()));
  page.family("magpie_connections_opened_total", "counter", "Kafka connections accepted.");
  page.sample(number(broker.statistics.connections_opened));
  page.family("magpie_unanswered_request_bytes", "gauge",
              "Bytes of requests that were taken and not answered yet.");
  page.sample(number(broker.connections.unanswered_bytes()));
}

void request_metrics(kafka::Broker& broker, Page& page) {
  const kafka::Statistics& statistics = broker.statistics;
  page.family("magpie_requests_total", "counter", "Requests understood, by API.");
  for (const auto& [key, count] : statistics.requests) {
    const wire::ApiInfo* api = wire::find_api(key);
    page.sample(fmt::format("api=\"{}\"", api == nullptr ? "unknown" : api->name), number(count));
  }
  page.family("magpie_requests_refused_total", "counter",
              "Requests that were malformed, unknown or in a version that is not served.");
  page.sample(number(statistics.requests_refused));
  page.family("magpie_produced_batches_total", "counter", "Batches stored and acknowledged.");
  page.sample(number(statistics.produced_batches));
  page.family("magpie_produced_bytes_total", "counter", "Bytes of batches offered by producers.");
  page.sample(number(statistics.produced_bytes));
  page.family("magpie_produce_refusals_total", "counter", "Batches that were not stored.");
  page.sample(number(statistics.produce_refusals));
  page.family("magpie_fetched_bytes_total", "counter", "Bytes of batches handed to consumers.");
  page.sample(number(statistics.fetched_bytes));
  page.family("magpie_fetches_sent_to_followers_total", "counter",
              "Fetched partitions for which a consumer was sent to the copy in its own region.");
  page.sample(number(statistics.fetches_sent_to_followers));
  page.family("magpie_positions_ahead_total", "counter",
              "Committed positions that were found beyond what a failover with loss has left.");
  page.sample(number(statistics.positions_ahead));
}

template <typename Value>
void partition_family(kafka::Broker& broker, Page& page, std::string_view name,
                      std::string_view help, Value value) {
  page.family(name, "gauge", help);
  for (const auto& [route, hosted] : broker.partitions.all()) {
    if (!hosted.published) continue;
    page.sample(
        fmt::format("topic=\"{}\",partition=\"{}\"", label_value(hosted.topic), hosted.index.value),
        value(*hosted.partition));
  }
}

void partition_metrics(kafka::Broker& broker, Page& page) {
  using partition::Partition;
  partition_family(broker, page, "magpie_partition_online", "1 if the partition takes writes.",
                   [](const Partition& one) -> int64_t {
                     return one.state() == partition::PartitionState::kOnline ? 1 : 0;
                   });
  partition_family(broker, page, "magpie_partition_readable", "1 if the partition serves reads.",
                   [](const Partition& one) -> int64_t { return one.is_readable() ? 1 : 0; });
  partition_family(broker, page, "magpie_partition_log_start", "First offset.",
                   [](const Partition& one) { return one.log_start().value; });
  partition_family(broker, page, "magpie_partition_high_watermark",
                   "Offset below which consumers may read.",
                   [](const Partition& one) { return one.high_watermark().value; });
  partition_family(broker, page, "magpie_partition_size_bytes", "Bytes stored.",
                   [](const Partition& one) { return number(one.size_bytes()); });
}

void deleted_topic_metrics(kafka::Broker& broker, const NodeView& view, Page& page) {
  uint64_t count = 0;
  int64_t bytes = 0;
  for (const auto& [id, deleted] : control::deleted_topics(broker.control.state())) {
    if (!deleted.restored.empty()) continue;
    ++count;
    bytes += deleted.bytes;
  }
  page.family("magpie_deleted_topics", "gauge", "Deleted topics that can be restored.");
  page.sample(number(count));
  page.family("magpie_deleted_topics_bytes", "gauge",
              "Bytes that they took when they were deleted.");
  page.sample(bytes);
  page.family("magpie_stuck_folders", "gauge",
              "Folders of deleted topics that the disk refuses to move or remove.");
  page.sample(number(view.stuck_folders.size()));
}

void group_metrics(kafka::Broker& broker, const NodeView& view, Page& page) {
  page.family("magpie_groups", "gauge", "Consumer groups known.");
  page.sample(number(view.coordinator.durable().groups().size()));
  page.family("magpie_group_rebalances_total", "counter", "Generations that became stable.");
  page.sample(number(view.coordinator.statistics().rebalances));
  page.family("magpie_group_members_expired_total", "counter",
              "Members that were not heard of for their session timeout.");
  page.sample(number(view.coordinator.statistics().members_expired));
  page.family("magpie_group_appends_failed_total", "counter",
              "Positions and members that could not be stored.");
  page.sample(number(view.coordinator.statistics().appends_failed));
  page.family("magpie_group_committed", "gauge", "Position committed by a group.");
  for (const auto& [group, durable] : view.coordinator.durable().groups()) {
    for (const auto& [at, position] : durable.positions) {
      if (kafka::is_aside(at.topic)) continue;
      page.sample(fmt::format("group=\"{}\",topic=\"{}\",partition=\"{}\"", label_value(group),
                              label_value(at.topic), at.partition),
                  position.offset.value);
    }
  }
  page.family("magpie_group_lag", "gauge",
              "Records between a group's committed position and the high watermark.");
  for (const auto& [group, durable] : view.coordinator.durable().groups()) {
    for (const auto& [at, position] : durable.positions) {
      const int64_t lag = consumer_lag(broker, at, position.offset);
      if (lag < 0 || kafka::is_aside(at.topic)) continue;
      page.sample(fmt::format("group=\"{}\",topic=\"{}\",partition=\"{}\"", label_value(group),
                              label_value(at.topic), at.partition),
                  lag);
    }
  }
}

}  // namespace

std::string render_metrics(kafka::Broker& broker, const NodeView& view) {
  Page page;
  node_metrics(broker, view, page);
  request_metrics(broker, page);
  partition_metrics(broker, page);
  deleted_topic_metrics(broker, view, page);
  group_metrics(broker, view, page);
  regions_metrics(view, page);
  return page.take();
}

}  // namespace magpie::admin
