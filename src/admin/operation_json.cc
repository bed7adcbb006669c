#include "admin/operation_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "admin/regions.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

constexpr const char* kNobodySaid = "the admin port";
constexpr size_t kConsumerGroupsShown = 100;

json number_json(const std::optional<int64_t>& number) {
  return number ? json(*number) : json(nullptr);
}

json duration_json(const std::optional<Duration>& duration) {
  return duration ? json(duration->to_milliseconds()) : json(nullptr);
}

json text_json(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

json epoch_json(LeaderEpoch epoch) {
  return epoch == kNoLeaderEpoch ? json(nullptr) : json(epoch.value);
}

json loss_json(const std::optional<control::Loss>& loss) {
  if (!loss) return nullptr;
  return {{"statement", control::to_string(loss->kind)},
          {"records_min", number_json(loss->records_min)},
          {"records_max", number_json(loss->records_max)},
          {"time_max_ms", duration_json(loss->time_max)},
          {"basis", loss->basis}};
}

json held_json(const std::optional<control::HeldTotals>& held) {
  if (!held) return nullptr;
  return {{"partitions", held->partitions},
          {"log_start", held->log_start},
          {"log_end", held->log_end},
          {"high_watermark", held->high_watermark}};
}

json group_json(const control::State& state, const control::OperationGroup& group) {
  const auto member = [&](LeaderEpoch epoch, const control::Member& who) {
    return epoch == kNoLeaderEpoch ? json(nullptr) : member_json(state, who);
  };
  json fenced = json::array();
  for (const control::Member& who : group.fenced) fenced.push_back(member_json(state, who));
  return {{"group", group.group},
          {"step", control::to_string(group.step)},
          {"since_ms", group.since.millis},
          {"target", group.target.value < 0 ? json(nullptr) : json(group.target.value)},
          {"old_epoch", epoch_json(group.old_epoch)},
          {"old_leader", member(group.old_epoch, group.old_leader)},
          {"fenced", std::move(fenced)},
          {"new_epoch", epoch_json(group.new_epoch)},
          {"new_leader", member(group.new_epoch, group.new_leader)},
          {"loss", loss_json(group.loss)},
          {"held", held_json(group.held)},
          {"waiting_for", text_json(group.waiting_for)},
          {"error", text_json(group.error)}};
}

// The consumer groups that would be set back, those that lose most first; null if this node does
// not know their positions.
json consumers_json(const control::State& state, const group::GroupCoordinator& coordinator,
                    const failover::GroupPreview& preview) {
  if (!coordinator.is_serving()) return nullptr;
  struct SetBack {
    std::string group;
    int64_t positions = 0;
    int64_t records = 0;
  };
  std::vector<SetBack> found;
  for (const auto& [id, group] : coordinator.durable().groups()) {
    SetBack back{id, 0, 0};
    for (const auto& [at, position] : group.positions) {
      const control::Topic* topic = state.find_topic(at.topic);
      if (topic == nullptr || preview.loss == control::LossKind::kZero) continue;
      const auto end = preview.ends.find({topic->id, at.partition});
      if (end == preview.ends.end() || position.offset <= end->second) continue;
      ++back.positions;
      back.records += position.offset - end->second;
    }
    if (back.positions > 0) found.push_back(std::move(back));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const SetBack& a, const SetBack& b) { return a.records > b.records; });
  json listed = json::array();
  for (const SetBack& back : found) {
    if (listed.size() == kConsumerGroupsShown) break;
    listed.push_back(
        {{"group", back.group}, {"positions", back.positions}, {"records", back.records}});
  }
  const size_t omitted = found.size() - listed.size();
  return {{"set_back", std::move(listed)}, {"omitted", omitted}};
}

json capacity_json(const failover::Capacity& capacity) {
  return {{"disk_free_bytes", number_json(capacity.disk_free_bytes)},
          {"disk_lasts_ms", duration_json(capacity.disk_lasts)},
          {"group_bytes", number_json(capacity.group_bytes)},
          {"leader_group_bytes", number_json(capacity.leader_group_bytes)},
          {"connections", number_json(capacity.connections)},
          {"leader_connections", number_json(capacity.leader_connections)},
          {"connections_max", number_json(capacity.connections_max)},
          {"warnings", capacity.warnings}};
}

Result<std::vector<std::string>> read_names(const std::string& key, const json& value) {
  std::vector<std::string> names;
  const auto wrong = [&] {
    return fail(ErrorKind::kInvalidArgument, fmt::format("field '{}' must list names", key));
  };
  if (!value.is_array()) return wrong();
  for (const json& name : value) {
    if (!name.is_string()) return wrong();
    names.push_back(name.get<std::string>());
  }
  return names;
}

Status read_field(const std::string& key, const json& value, OperationBody& body) {
  control::OperationRequest& request = body.request;
  const auto text = [&](std::string& into) {
    if (value.is_string()) into = value.get<std::string>();
    return value.is_string();
  };
  const auto flag = [&](bool& into) {
    if (value.is_boolean()) into = value.get<bool>();
    return value.is_boolean();
  };
  bool read = false;
  if (key == "groups" || key == "overrides") {
    auto names = read_names(key, value);
    if (!names) return fail(names.error());
    (key == "groups" ? request.groups : request.overrides) = std::move(*names);
    return {};
  }
  if (key == "kind") {
    read = value == "switchover" || value == "failover";
    request.kind = value == "failover" ? control::OperationKind::kFailover
                                       : control::OperationKind::kSwitchover;
  } else if (key == "from") {
    read = text(request.from);
  } else if (key == "to") {
    read = text(request.to);
  } else if (key == "requested_by") {
    read = text(request.requested_by);
  } else if (key == "allow_loss") {
    read = flag(request.allow_loss);
  } else if (key == "await_approval") {
    read = flag(request.await_approval);
  } else if (key == "dry_run") {
    read = flag(body.dry_run);
  }
  if (read) return {};
  return fail(
      ErrorKind::kInvalidArgument,
      fmt::format("field '{}' is unknown or of the wrong type; known are kind (switchover or "
                  "failover), groups and overrides (lists of names), from, to and "
                  "requested_by (texts), allow_loss, await_approval and dry_run (true or "
                  "false)",
                  key));
}

}  // namespace

json operation_json(const control::State& state, const control::Operation& operation) {
  json groups = json::array();
  for (const auto& group : operation.groups) groups.push_back(group_json(state, group));
  json timeline = json::array();
  for (const auto& event : operation.timeline) {
    timeline.push_back(
        {{"at_ms", event.at.millis}, {"what", event.what}, {"group", text_json(event.group)}});
  }
  return {{"id", operation.id},
          {"kind", control::to_string(operation.kind)},
          {"step", control::overall_step(operation)},
          {"over", control::is_over(operation)},
          {"from", text_json(operation.from)},
          {"to", text_json(operation.to)},
          {"allow_loss", operation.allow_loss},
          {"overrides", operation.overrides},
          {"requested_by", operation.requested_by},
          {"executor", member_json(state, operation.executor)},
          {"attempt", operation.attempt},
          {"groups", std::move(groups)},
          {"timeline", std::move(timeline)}};
}

json preview_json(const control::State& state, const group::GroupCoordinator& coordinator,
                  const failover::Preview& preview) {
  json objections = json::array();
  for (const control::Objection& objection : preview.plan.objections) {
    const auto& aside = preview.overrides;
    const bool overridden = std::find(aside.begin(), aside.end(), objection.rule) != aside.end();
    objections.push_back({{"rule", text_json(objection.rule)},
                          {"overridden", overridden},
                          {"group", text_json(objection.group)},
                          {"message", objection.message}});
  }
  json groups = json::array();
  for (const failover::GroupPreview& group : preview.groups) {
    json silent = json::array();
    for (const NodeId node : group.silent) silent.push_back(node.value);
    const control::Leadership& led = state.leadership(group.planned.group);
    groups.push_back({{"group", group.planned.group},
                      {"leader", member_json(state, led.leader)},
                      {"epoch", group.planned.epoch.value},
                      {"target", group.planned.target.value < 0 ? json(nullptr)
                                                                : json(group.planned.target.value)},
                      {"estimate", control::to_string(group.loss)},
                      {"records_min", group.range.at_least},
                      {"records_max", number_json(group.range.at_most)},
                      {"records_estimate", number_json(group.range.estimate)},
                      {"time_max_ms", duration_json(group.time_max)},
                      {"target_lag", number_json(group.target_lag)},
                      {"silent", std::move(silent)},
                      {"consumer_groups", consumers_json(state, coordinator, group)},
                      {"capacity", capacity_json(group.capacity)}});
  }
  const control::Leadership& system = state.leadership(control::kSystemGroup);
  const json coordinated_by = system.exists() ? json(system.leader.node.value) : json(nullptr);
  return {{"dry_run", true},
          {"objections", std::move(objections)},
          {"consumer_groups_at", coordinated_by},
          {"groups", std::move(groups)}};
}

Result<OperationBody> read_operation(const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    return fail(ErrorKind::kInvalidArgument, "the body is not a JSON object");
  }
  if (!parsed.contains("kind")) {
    return fail(ErrorKind::kInvalidArgument, "field 'kind' is missing: switchover or failover");
  }
  OperationBody body;
  body.request.requested_by = kNobodySaid;
  for (const auto& [key, value] : parsed.items()) {
    const Status read = read_field(key, value, body);
    if (!read) return fail(read.error());
  }
  return body;
}

Result<std::string> read_by(const std::string& text) {
  if (text.empty()) return std::string(kNobodySaid);
  const json parsed = json::parse(text, nullptr, false);
  const json by = parsed.is_object() ? parsed.value("by", json(kNobodySaid)) : json();
  if (!by.is_string()) {
    return fail(ErrorKind::kInvalidArgument,
                "the body must be empty, or an object with 'by', a text");
  }
  return by.get<std::string>();
}

}  // namespace magpie::admin
