#include "control/group_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "control/topic_pattern.h"
#include "control/value_fields.h"

namespace magpie::control {
namespace {

constexpr size_t kOperationBytesMax = 255;

// The enumerators are numbered from 0 in the order of the words.
constexpr std::array<const char*, 3> kModes = {"standby", "dual-active", "multi-active"};
constexpr std::array<const char*, 2> kTooFewCopies = {"block", "degrade"};
constexpr std::array<const char*, 3> kFailoverBy = {"manual", "semi-automatic", "automatic"};
constexpr std::array<const char*, 2> kViews = {"leader", "local"};
constexpr std::array<const char*, 4> kConsistencies = {"strong", "prefix", "causal", "eventual"};
constexpr std::array<const char*, 3> kStates = {"sync", "degraded", "catching-up"};
constexpr std::array<const char*, 2> kOpenedWith = {"lossless", "lossy"};

void read_regions(const Json& json, FailoverGroup& group, Fields& fields) {
  const auto regions = json.find("regions");
  if (regions == json.end() || !regions->is_array() || regions->size() > kMembersMax) {
    return fields.wrong("field 'regions' must list names of regions");
  }
  for (const Json& element : *regions) {
    const auto* name = element.get_ptr<const std::string*>();
    if (name == nullptr || label_problem(*name)) {
      return fields.wrong("field 'regions' must list names of regions");
    }
    group.regions.push_back(*name);
  }
}

void read_topics(const Json& json, FailoverGroup& group, Fields& fields) {
  const auto topics = json.find("topics");
  if (topics == json.end()) return;
  const bool list = topics->is_array() && topics->size() <= kTopicPatternsMax;
  for (const Json& element : list ? *topics : Json::array()) {
    const auto* pattern = element.get_ptr<const std::string*>();
    if (pattern == nullptr || topic_pattern_problem(*pattern)) {
      return fields.wrong("field 'topics' must list patterns of topic names");
    }
    group.topics.push_back(*pattern);
  }
  if (!list) fields.wrong("field 'topics' must list patterns of topic names");
}

void read_lag(FailoverGroup& group, Fields& fields) {
  if (fields.has("max_lag_ms")) {
    group.max_lag_time = Duration::milliseconds(fields.integer("max_lag_ms", 1, INT32_MAX));
  }
  if (fields.has("max_lag_records")) {
    group.max_lag_records = fields.integer("max_lag_records", 1, INT64_MAX);
  }
}

void read_draining(const Json& json, Leadership& leadership, Fields& fields) {
  const auto found = json.find("draining");
  if (found == json.end()) return;
  const std::string* operation = found->is_object() ? text_field(*found, "operation") : nullptr;
  const auto target = operation == nullptr ? std::nullopt : node_field(*found, "target");
  const auto drained = target ? bool_field(*found, "drained") : std::nullopt;
  if (!drained || operation->size() > kOperationBytesMax) {
    return fields.wrong("field 'draining' must have an operation, a target and drained");
  }
  leadership.draining = Draining{*operation, *target, *drained};
}

void check_together(const Leadership& leadership, Fields& fields) {
  const Member& leader = leadership.leader;
  if (contains(leadership.sync, leader) || leadership.joining == leader) {
    fields.wrong("the leader must not be its own member");
  }
  if (leadership.joining && contains(leadership.sync, *leadership.joining)) {
    fields.wrong("who is joining must not be in field 'sync'");
  }
  if (leadership.open && leadership.promotable != with(leadership.sync, leader)) {
    fields.wrong("in an open epoch field 'promotable' must be the sync set and the leader");
  }
  if (!leadership.open && (!leadership.sync.empty() || leadership.joining)) {
    fields.wrong("an epoch that is not open must have no members");
  }
  if (!leadership.open && leadership.lag_limit) {
    fields.wrong("an epoch that is not open must have no field 'max_lag_ms'");
  }
  if (leadership.promotable.empty()) fields.wrong("field 'promotable' must not be empty");
}

}  // namespace

std::string encode_group(const FailoverGroup& group) {
  Json json = {{"mode", word(kModes, group.mode)},
               {"regions", group.regions},
               {"min", group.min},
               {"timeout_ms", group.timeout.to_milliseconds()},
               {"below_min", word(kTooFewCopies, group.below_min)},
               {"failover", word(kFailoverBy, group.failover)},
               {"view", word(kViews, group.view)},
               {"consistency", word(kConsistencies, group.consistency)},
               {"priority", group.priority}};
  json["copies"] = group.copies == kAllCopies ? Json("all") : Json(group.copies);
  if (group.after_failover) json["after_failover"] = word(kTooFewCopies, *group.after_failover);
  if (group.max_lag_time) json["max_lag_ms"] = group.max_lag_time->to_milliseconds();
  if (group.max_lag_records) json["max_lag_records"] = *group.max_lag_records;
  if (!group.topics.empty()) json["topics"] = group.topics;
  return dump_value(std::move(json));
}

Result<FailoverGroup> decode_group(std::string_view key, std::string_view name,
                                   std::string_view value) {
  if (const auto problem = label_problem(name)) return malformed(key, "the name " + *problem);
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Fields fields(*json);
  FailoverGroup group;
  group.name = std::string(name);
  group.mode = fields.choice<GroupMode>("mode", kModes);
  read_regions(*json, group, fields);
  const std::string* all = text_field(*json, "copies");
  group.copies = all != nullptr && *all == "all"
                     ? kAllCopies
                     : static_cast<int32_t>(fields.integer("copies", 0, INT32_MAX));
  group.min = static_cast<int32_t>(fields.integer("min", 0, INT32_MAX));
  group.timeout = Duration::milliseconds(fields.integer("timeout_ms", 1, INT32_MAX));
  group.below_min = fields.choice<TooFewCopies>("below_min", kTooFewCopies);
  if (fields.has("after_failover")) {
    group.after_failover = fields.choice<TooFewCopies>("after_failover", kTooFewCopies);
  }
  read_lag(group, fields);
  read_topics(*json, group, fields);
  group.failover = fields.choice<FailoverBy>("failover", kFailoverBy);
  group.view = fields.choice<View>("view", kViews);
  group.consistency = fields.choice<Consistency>("consistency", kConsistencies);
  group.priority = static_cast<int32_t>(fields.integer("priority", 0, INT32_MAX));
  if (fields.problem()) return malformed(key, *fields.problem());
  return group;
}

std::string encode_leadership(const Leadership& leadership) {
  Json json = {{"epoch", leadership.epoch.value},
               {"leader", member_json(leadership.leader)},
               {"open", leadership.open},
               {"sync", members_json(leadership.sync)},
               {"promotable", members_json(leadership.promotable)},
               {"state", word(kStates, leadership.state)},
               {"state_since", leadership.state_since.millis},
               {"opened_with", word(kOpenedWith, leadership.opened_with)}};
  if (leadership.joining) json["joining"] = member_json(*leadership.joining);
  if (leadership.open_before) json["open_before"] = member_json(*leadership.open_before);
  if (leadership.exposed_since) json["exposed_since"] = leadership.exposed_since->millis;
  if (leadership.failed_over) json["failed_over"] = true;
  if (const auto& draining = leadership.draining) {
    json["draining"] = {{"operation", draining->operation},
                        {"target", draining->target.value},
                        {"drained", draining->drained}};
  }
  if (const auto& limit = leadership.lag_limit) {
    json["max_lag_ms"] = limit->time.to_milliseconds();
    json["max_lag_among"] = members_json(limit->among);
  }
  return dump_value(std::move(json));
}

Result<Leadership> decode_leadership(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Fields fields(*json);
  Leadership leadership;
  leadership.epoch = {static_cast<int32_t>(fields.integer("epoch", 0, INT32_MAX))};
  leadership.leader = fields.member(json->value("leader", Json())).value_or(Member{});
  leadership.open = fields.boolean("open");
  leadership.sync = fields.members("sync");
  if (fields.has("joining")) leadership.joining = fields.member((*json)["joining"]);
  leadership.promotable = fields.members("promotable");
  if (fields.has("open_before")) leadership.open_before = fields.member((*json)["open_before"]);
  leadership.state = fields.choice<ReplicationState>("state", kStates);
  leadership.state_since = {fields.integer("state_since", INT64_MIN, INT64_MAX)};
  if (fields.has("exposed_since")) {
    leadership.exposed_since = WallTime{fields.integer("exposed_since", INT64_MIN, INT64_MAX)};
  }
  leadership.opened_with = fields.choice<OpenedWith>("opened_with", kOpenedWith);
  if (fields.has("failed_over")) leadership.failed_over = fields.boolean("failed_over");
  read_draining(*json, leadership, fields);
  if (fields.has("max_lag_ms")) {
    const Duration time = Duration::milliseconds(fields.integer("max_lag_ms", 1, INT32_MAX));
    leadership.lag_limit = LagLimit{time, fields.members("max_lag_among")};
  }
  if (!fields.problem()) check_together(leadership, fields);
  if (fields.problem()) return malformed(key, *fields.problem());
  return leadership;
}

const char* to_string(GroupMode mode) {
  return word(kModes, mode);
}
const char* to_string(TooFewCopies what) {
  return word(kTooFewCopies, what);
}
const char* to_string(FailoverBy who) {
  return word(kFailoverBy, who);
}
const char* to_string(View view) {
  return word(kViews, view);
}
const char* to_string(Consistency consistency) {
  return word(kConsistencies, consistency);
}
const char* to_string(ReplicationState state) {
  return word(kStates, state);
}
const char* to_string(OpenedWith with) {
  return word(kOpenedWith, with);
}

}  // namespace magpie::control
