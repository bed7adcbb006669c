#include "control/certificate.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/value_fields.h"

namespace magpie::control {
namespace {

// When the group came to a step; nothing if the timeline was too long to keep it.
Json time_of(const Operation& operation, const OperationGroup& group, OperationStep step) {
  for (const OperationEvent& event : operation.timeline) {
    if (event.group == group.group && event.what == to_string(step)) return event.at.millis;
  }
  return nullptr;
}

Json statement_of(const Loss& loss) {
  const auto number = [](const std::optional<int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  return {{"loss", to_string(loss.kind)},
          {"records_min", number(loss.records_min)},
          {"records_max", number(loss.records_max)},
          {"time_max_ms", loss.time_max ? Json(loss.time_max->to_milliseconds()) : Json(nullptr)},
          {"basis", loss.basis}};
}

}  // namespace

std::string encode_certificate(const Operation& operation, const OperationGroup& group,
                               const std::vector<HeldPartition>& partitions, WallTime now) {
  CHECK(group.loss.has_value());
  Json listed = Json::array();
  for (const HeldPartition& held : partitions) {
    if (listed.size() >= kCertificatePartitionsMax) break;
    listed.push_back({{"topic", held.topic},
                      {"topic_id", to_string(held.topic_id)},
                      {"partition", held.partition.value},
                      {"log_start", held.log_start.value},
                      {"log_end", held.log_end.value},
                      {"high_watermark", held.high_watermark.value},
                      {"compacted", held.compacted ? Json(*held.compacted) : Json(nullptr)}});
  }
  const size_t omitted = partitions.size() - listed.size();
  return dump_value(
      {{"operation", operation.id},
       {"kind", to_string(operation.kind)},
       {"group", group.group},
       {"requested_by", operation.requested_by},
       {"overrides", operation.overrides},
       {"old", {{"epoch", group.old_epoch.value}, {"leader", member_json(group.old_leader)}}},
       {"new", {{"epoch", group.new_epoch.value}, {"leader", member_json(group.new_leader)}}},
       {"fenced", members_json(group.fenced)},
       {"statement", statement_of(*group.loss)},
       {"moved_at", time_of(operation, group, OperationStep::kVerifying)},
       {"verified_at", now.millis},
       {"unverified", group.error.empty() ? Json(nullptr) : Json(group.error)},
       {"partitions", std::move(listed)},
       {"partitions_omitted", omitted}});
}

}  // namespace magpie::control
