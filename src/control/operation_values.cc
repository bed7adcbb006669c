#include "control/operation_values.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "control/failover_group.h"
#include "control/value_fields.h"

namespace magpie::control {
namespace {

constexpr size_t kTextBytesMax = 4'096;
constexpr size_t kOverridesMax = 16;

constexpr std::array<const char*, 2> kKinds = {"switchover", "failover"};
constexpr std::array<const char*, 7> kSteps = {"planned", "draining",  "fencing", "verifying",
                                               "done",    "abandoned", "failed"};
constexpr std::array<const char*, 3> kLossKinds = {"zero-proven", "bounded", "unknown"};

// A message of a peer or a disk may be of any length and no text.
std::string cut(const std::string& text) {
  return text.substr(0, kTextBytesMax / 4);
}

Json loss_json(const Loss& loss) {
  Json json = {{"kind", word(kLossKinds, loss.kind)}, {"basis", cut(loss.basis)}};
  if (loss.time_max) json["time_max_ms"] = loss.time_max->to_milliseconds();
  if (loss.records_min) json["records_min"] = *loss.records_min;
  if (loss.records_max) json["records_max"] = *loss.records_max;
  return json;
}

Json group_json(const OperationGroup& group) {
  Json json = {
      {"group", group.group}, {"step", word(kSteps, group.step)}, {"since", group.since.millis}};
  if (group.target.value >= 0) json["target"] = group.target.value;
  if (group.old_epoch != kNoLeaderEpoch) {
    json["old_epoch"] = group.old_epoch.value;
    json["old_leader"] = member_json(group.old_leader);
    json["fenced"] = members_json(group.fenced);
  }
  if (group.fence_epoch != kNoLeaderEpoch) json["fence_epoch"] = group.fence_epoch.value;
  if (group.new_epoch != kNoLeaderEpoch) {
    json["new_epoch"] = group.new_epoch.value;
    json["new_leader"] = member_json(group.new_leader);
  }
  if (group.loss) json["loss"] = loss_json(*group.loss);
  if (const auto& held = group.held) {
    json["held"] = {{"partitions", held->partitions},
                    {"log_start", held->log_start},
                    {"log_end", held->log_end},
                    {"high_watermark", held->high_watermark}};
  }
  if (!group.waiting_for.empty()) json["waiting_for"] = cut(group.waiting_for);
  if (!group.error.empty()) json["error"] = cut(group.error);
  return json;
}

Loss read_loss(const Json& json, Fields& outer) {
  Fields fields(json);
  Loss loss;
  loss.kind = fields.choice<LossKind>("kind", kLossKinds);
  loss.basis = fields.text("basis", kTextBytesMax);
  if (fields.has("time_max_ms")) {
    loss.time_max = Duration::milliseconds(fields.integer("time_max_ms", 0, INT32_MAX));
  }
  if (fields.has("records_min")) loss.records_min = fields.integer("records_min", 0, INT64_MAX);
  if (fields.has("records_max")) loss.records_max = fields.integer("records_max", 0, INT64_MAX);
  if (fields.problem()) outer.wrong(*fields.problem());
  return loss;
}

HeldTotals read_held(const Json& json, Fields& outer) {
  Fields fields(json);
  HeldTotals held;
  held.partitions = fields.integer("partitions", 0, INT64_MAX);
  held.log_start = fields.integer("log_start", 0, INT64_MAX);
  held.log_end = fields.integer("log_end", 0, INT64_MAX);
  held.high_watermark = fields.integer("high_watermark", 0, INT64_MAX);
  if (fields.problem()) outer.wrong(*fields.problem());
  return held;
}

void read_terms(const Json& json, Fields& fields, OperationGroup& group) {
  const auto epoch = [&](const char* field) {
    return LeaderEpoch{static_cast<int32_t>(fields.integer(field, 0, INT32_MAX))};
  };
  if (fields.has("old_epoch")) {
    group.old_epoch = epoch("old_epoch");
    group.old_leader = fields.member(json.value("old_leader", Json())).value_or(Member{});
    group.fenced = fields.members("fenced");
  }
  if (fields.has("fence_epoch")) group.fence_epoch = epoch("fence_epoch");
  if (fields.has("new_epoch")) {
    group.new_epoch = epoch("new_epoch");
    group.new_leader = fields.member(json.value("new_leader", Json())).value_or(Member{});
  }
}

OperationGroup read_group(const Json& json, Fields& outer) {
  OperationGroup group;
  if (!json.is_object()) {
    outer.wrong("a group must be an object");
    return group;
  }
  Fields fields(json);
  group.group = fields.text("group", kTextBytesMax);
  if (label_problem(group.group)) fields.wrong("field 'group' must be the name of a group");
  group.step = fields.choice<OperationStep>("step", kSteps);
  group.since = {fields.integer("since", INT64_MIN, INT64_MAX)};
  if (fields.has("target")) {
    group.target = NodeId{static_cast<int32_t>(fields.integer("target", 0, INT32_MAX))};
  }
  read_terms(json, fields, group);
  if (fields.has("loss")) group.loss = read_loss(json["loss"], fields);
  if (fields.has("held")) group.held = read_held(json["held"], fields);
  if (fields.has("waiting_for")) group.waiting_for = fields.text("waiting_for", kTextBytesMax);
  if (fields.has("error")) group.error = fields.text("error", kTextBytesMax);
  const bool moved = group.step == OperationStep::kVerifying || group.step == OperationStep::kDone;
  if (moved && (group.new_epoch == kNoLeaderEpoch || !group.loss)) {
    fields.wrong("a group that has moved must say in which epoch, to whom and at what loss");
  }
  if (fields.problem()) outer.wrong(*fields.problem());
  return group;
}

OperationEvent read_event(const Json& json, Fields& outer) {
  OperationEvent event;
  if (!json.is_object()) {
    outer.wrong("an event must be an object");
    return event;
  }
  Fields fields(json);
  event.at = {fields.integer("at", INT64_MIN, INT64_MAX)};
  event.what = fields.text("what", kTextBytesMax);
  if (fields.has("group")) event.group = fields.text("group", kTextBytesMax);
  if (fields.problem()) outer.wrong(*fields.problem());
  return event;
}

void read_groups(Fields& fields, Operation& operation) {
  std::set<std::string> seen;
  for (const Json& group : fields.list("groups", kOperationGroupsMax)) {
    operation.groups.push_back(read_group(group, fields));
    if (!seen.insert(operation.groups.back().group).second) {
      fields.wrong("a group is named twice");
    }
  }
}

}  // namespace

std::string encode_operation(const Operation& operation) {
  Json groups = Json::array();
  for (const OperationGroup& group : operation.groups) groups.push_back(group_json(group));
  Json timeline = Json::array();
  for (const OperationEvent& event : operation.timeline) {
    Json json = {{"at", event.at.millis}, {"what", event.what}};
    if (!event.group.empty()) json["group"] = event.group;
    timeline.push_back(std::move(json));
  }
  Json json = {{"kind", word(kKinds, operation.kind)},
               {"requested_by", cut(operation.requested_by)},
               {"executor", member_json(operation.executor)},
               {"attempt", operation.attempt},
               {"groups", std::move(groups)},
               {"timeline", std::move(timeline)}};
  if (!operation.from.empty()) json["from"] = operation.from;
  if (!operation.to.empty()) json["to"] = operation.to;
  if (operation.allow_loss) json["allow_loss"] = true;
  if (operation.awaiting_approval) json["awaiting_approval"] = true;
  if (!operation.overrides.empty()) json["overrides"] = operation.overrides;
  return dump_value(std::move(json));
}

Result<Operation> decode_operation(std::string_view key, OperationId id, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Fields fields(*json);
  Operation operation;
  operation.id = id;
  operation.kind = fields.choice<OperationKind>("kind", kKinds);
  if (fields.has("from")) operation.from = fields.text("from", kTextBytesMax);
  if (fields.has("to")) operation.to = fields.text("to", kTextBytesMax);
  if (fields.has("allow_loss")) operation.allow_loss = fields.boolean("allow_loss");
  if (fields.has("awaiting_approval")) {
    operation.awaiting_approval = fields.boolean("awaiting_approval");
  }
  if (fields.has("overrides")) {
    for (const Json& name : fields.list("overrides", kOverridesMax)) {
      if (!name.is_string()) fields.wrong("field 'overrides' must list names");
      if (name.is_string()) operation.overrides.push_back(name.get<std::string>());
    }
  }
  operation.requested_by = fields.text("requested_by", kTextBytesMax);
  operation.executor = fields.member(json->value("executor", Json())).value_or(Member{});
  operation.attempt = static_cast<int32_t>(fields.integer("attempt", 1, INT32_MAX));
  read_groups(fields, operation);
  for (const Json& event : fields.list("timeline", kOperationEventsMax)) {
    operation.timeline.push_back(read_event(event, fields));
  }
  if (fields.problem()) return malformed(key, *fields.problem());
  return operation;
}

const char* to_string(OperationKind kind) {
  return word(kKinds, kind);
}
const char* to_string(OperationStep step) {
  return word(kSteps, step);
}
const char* to_string(LossKind kind) {
  return word(kLossKinds, kind);
}

}  // namespace magpie::control
