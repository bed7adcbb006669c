#include "admin/regions_metrics.h"

#include "admin/label_value.h"

namespace magpie::admin {
namespace {

std::string group_label(const LedGroupStatus& led) {
  return fmt::format("failover_group=\"{}\"", label_value(led.group));
}

template <typename Value>
void led_family(const RegionsStatus& status, MetricsPage& page, std::string_view name,
                std::string_view help, Value value) {
  page.family(name, "gauge", help);
  for (const LedGroupStatus& led : status.led) page.sample(group_label(led), value(led));
}

void member_metrics(const RegionsStatus& status, MetricsPage& page) {
  page.family("magpie_failover_group_member_lag_records", "gauge",
              "Records that a member of a group led here does not hold; absent while it is not "
              "compared.");
  for (const LedGroupStatus& led : status.led) {
    for (const MemberStatus& member : led.members) {
      if (!member.lag_records) continue;
      page.sample(fmt::format("{},node=\"{}\"", group_label(led), member.node.value),
                  *member.lag_records);
    }
  }
}

void link_metrics(const RegionsStatus& status, MetricsPage& page) {
  page.family("magpie_link_up", "gauge", "1 if this node is linked to the other one.");
  for (const LinkStatus& link : status.links) {
    page.sample(fmt::format("node=\"{}\"", link.node.value), link.up ? 1 : 0);
  }
  page.family("magpie_link_incompatible", "gauge",
              "1 if the other node speaks no version of the link that this one speaks.");
  for (const LinkStatus& link : status.links) {
    page.sample(fmt::format("node=\"{}\"", link.node.value), link.incompatible ? 1 : 0);
  }
  page.family("magpie_link_round_trip_microseconds", "gauge",
              "Way there and back, as last measured.");
  for (const LinkStatus& link : status.links) {
    if (!link.round_trip) continue;
    page.sample(fmt::format("node=\"{}\"", link.node.value), link.round_trip->nanos / 1'000);
  }
  const auto count = [&](const char* name, const char* help, auto LinkStatus::*bytes_by_group) {
    page.family(name, "counter", help);
    for (const LinkStatus& link : status.links) {
      for (const auto& [group, bytes] : link.*bytes_by_group) {
        page.sample(
            fmt::format("failover_group=\"{}\",node=\"{}\"", label_value(group), link.node.value),
            static_cast<int64_t>(bytes));
      }
    }
  };
  count("magpie_link_sent_bytes_total",
        "Bytes of batches, as they are stored, sent to the other node, by failover group.",
        &LinkStatus::sent_bytes);
  count("magpie_link_received_bytes_total",
        "Bytes of batches, as they are stored, received from the other node, by failover group.",
        &LinkStatus::received_bytes);
  count("magpie_link_sent_wire_bytes_total",
        "The same with what is around them, as they went over the link, compressed if it does so.",
        &LinkStatus::sent_wire_bytes);
  count("magpie_link_received_wire_bytes_total",
        "The same with what is around them, as they came over the link, compressed if it does so.",
        &LinkStatus::received_wire_bytes);
}

}  // namespace

void regions_metrics(const NodeView& view, MetricsPage& page) {
  const RegionsStatus status = view.regions ? view.regions() : RegionsStatus();
  led_family(status, page, "magpie_failover_group_epoch", "Epoch in which this node leads a group.",
             [](const LedGroupStatus& led) -> int64_t { return led.epoch.value; });
  led_family(status, page, "magpie_failover_group_blocked",
             "1 if a group led here takes no writes: too few copies, or it drains.",
             [](const LedGroupStatus& led) -> int64_t { return led.blocked ? 1 : 0; });
  led_family(status, page, "magpie_failover_group_may_commit",
             "1 if lease or promises allow acknowledgements.",
             [](const LedGroupStatus& led) -> int64_t { return led.may_commit ? 1 : 0; });
  led_family(status, page, "magpie_failover_group_exposure_milliseconds",
             "How long something stored here has not been in any other region; of a group without "
             "any other region, how long it has been led here with records.",
             [](const LedGroupStatus& led) { return led.exposure.to_milliseconds(); });
  led_family(status, page, "magpie_failover_group_exposed_records",
             "Acknowledged records that no other region holds: lost if this one is lost now.",
             [](const LedGroupStatus& led) { return led.exposed_records; });
  led_family(status, page, "magpie_failover_group_exposed_bytes_estimate",
             "The same in bytes, estimated from the logs' mean record.",
             [](const LedGroupStatus& led) { return led.exposed_bytes; });
  led_family(
      status, page, "magpie_failover_group_short_of_copies_seconds",
      "For how long a group led here has had fewer copies than its policy wants, in this term "
      "of leadership; 0 while it has enough.",
      [](const LedGroupStatus& led) { return led.short_for.to_milliseconds() / 1'000; });
  led_family(status, page, "magpie_failover_group_short_of_copies_records",
             "Records acknowledged in that time.",
             [](const LedGroupStatus& led) { return led.short_records; });
  led_family(status, page, "magpie_failover_group_short_of_copies_bytes_estimate",
             "The same in bytes, estimated from the growth of the logs.",
             [](const LedGroupStatus& led) { return led.short_bytes; });
  member_metrics(status, page);
  link_metrics(status, page);
  page.family("magpie_salvaged_records_total", "counter",
              "Records taken out of logs here and kept in salvage.");
  page.sample(static_cast<int64_t>(status.records_kept));
  page.family("magpie_missed_offsets_total", "counter",
              "Offsets that copies here will never hold, because the leader no longer had them.");
  page.sample(static_cast<int64_t>(status.missed_offsets));
}

}  // namespace magpie::admin
