#include "admin/failover_groups.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "admin/group_policy.h"
#include "admin/regions.h"
#include "admin/response.h"
#include "control/decide_groups.h"
#include "control/decide_placing.h"
#include "control/deleted_group.h"
#include "control/group_values.h"
#include "control/replication.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using control::FailoverGroup;
using control::Leadership;
using nlohmann::json;

json members_json(const control::State& state, const control::Members& members) {
  json list = json::array();
  for (const control::Member& member : members) list.push_back(member_json(state, member));
  return list;
}

json time_json(const std::optional<WallTime>& time) {
  return time ? json(time->millis) : json(nullptr);
}

json draining_json(const std::optional<control::Draining>& draining) {
  if (!draining) return nullptr;
  return {{"operation", draining->operation},
          {"target", draining->target.value},
          {"drained", draining->drained}};
}

// Why the group takes no writes now; null if it does, as far as the control store shows.
json blocked_json(const control::State& state, const FailoverGroup& group) {
  const Leadership& led = state.leadership(group.name);
  if (state.alive(led.leader.node) != led.leader.incarnation && !is_alone(state)) {
    return "its leader holds no lease; fail the group over";
  }
  if (led.draining) return "a switchover is under way";
  const auto copies = static_cast<int32_t>(led.sync.size());
  const auto problem = control::blocked_by_policy(group, copies, led.failed_over);
  if (!led.open && !problem) return "the epoch is being opened";
  return problem && !is_alone(state) ? json(*problem) : json(nullptr);
}

json leadership_json(const control::State& state, const FailoverGroup& group) {
  const Leadership& led = state.leadership(group.name);
  if (!led.exists()) return nullptr;
  return {{"epoch", led.epoch.value},
          {"leader", member_json(state, led.leader)},
          {"open", led.open},
          {"sync", members_json(state, led.sync)},
          {"joining", led.joining ? member_json(state, *led.joining) : json(nullptr)},
          {"promotable", members_json(state, led.promotable)},
          {"state", control::to_string(led.state)},
          {"state_since_ms", led.state_since.millis},
          {"exposed_since_ms", time_json(led.exposed_since)},
          {"opened_with", control::to_string(led.opened_with)},
          {"failed_over", led.failed_over},
          {"draining", draining_json(led.draining)},
          {"blocked", blocked_json(state, group)}};
}

std::map<std::string, int64_t> count_partitions(const control::State& state) {
  std::map<std::string, int64_t> counts;
  for (const auto& [name, topic] : state.topics()) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) {
      ++counts[state.group_of(topic, PartitionIndex{i})];
    }
  }
  return counts;
}

json group_json(const control::State& state, const FailoverGroup& group, int64_t partitions) {
  return {{"name", group.name},
          {"single_node", is_alone(state)},
          {"regions", control::regions_of(group, state.regions())},
          {"policy", policy_json(group)},
          {"partitions", partitions},
          {"leadership", leadership_json(state, group)}};
}

void refuse(kafka::Broker& broker, port::HttpExchangeId exchange, const Problem& problem) {
  broker.effects.add(problem_response(exchange, problem));
}

void respond(kafka::Broker& broker, port::HttpExchangeId exchange, int status, const json& body) {
  broker.effects.add(json_response(exchange, status, body));
}

// What a group of this kind cannot be asked for at all.
bool refused(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& group) {
  const control::State& state = broker.control.state();
  if (is_alone(state)) {
    refuse(broker, exchange, single_node());
  } else if (state.find_group(group) == nullptr) {
    refuse(broker, exchange, no_such_failover_group(group));
  } else {
    return false;
  }
  return true;
}

Result<json> read_object(const std::string& body) {
  json parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object())
    return fail(ErrorKind::kInvalidArgument, "the body is not a JSON object");
  return parsed;
}

// {"name": …, "preset": …, and fields of the policy}.
Result<FailoverGroup> read_new_group(const std::string& body) {
  auto parsed = read_object(body);
  if (!parsed) return fail(parsed.error());
  const json name = parsed->value("name", json());
  const json preset = parsed->value("preset", json("standard"));
  if (!name.is_string()) return fail(ErrorKind::kInvalidArgument, "field 'name' must be a text");
  const auto start = preset.is_string() ? control::preset(preset.get<std::string>()) : std::nullopt;
  if (!start) {
    return fail(ErrorKind::kInvalidArgument,
                "field 'preset' must be critical, standard or bulk; standard if left out");
  }
  FailoverGroup group = *start;
  group.name = name.get<std::string>();
  parsed->erase("name");
  parsed->erase("preset");
  if (const Status read = read_policy(*parsed, group); !read) return fail(read.error());
  return group;
}

Result<control::PlaceInGroup> read_place(const std::string& body, const std::string& group) {
  auto parsed = read_object(body);
  if (!parsed) return fail(parsed.error());
  control::PlaceInGroup request;
  request.group = group;
  for (const auto& [key, value] : parsed->items()) {
    if (key == "topic" && value.is_string()) {
      request.topic = value.get<std::string>();
    } else if (key == "partitions" && value.is_array()) {
      for (const json& partition : value) {
        if (!partition.is_number_integer() || partition.get<int64_t>() < 0 ||
            partition.get<int64_t>() > INT32_MAX) {
          return fail(ErrorKind::kInvalidArgument, "field 'partitions' must list numbers");
        }
        request.partitions.push_back(static_cast<int32_t>(partition.get<int64_t>()));
      }
    } else {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("field '{}' is unknown or of the wrong type; known are topic (text) "
                              "and partitions (list of numbers)",
                              key));
    }
  }
  if (request.topic.empty()) return fail(ErrorKind::kInvalidArgument, "field 'topic' is missing");
  return request;
}

}  // namespace

json list_failover_groups(const control::State& state) {
  const auto counts = count_partitions(state);
  json groups = json::array();
  for (const auto& [name, group] : state.groups()) {
    const auto count = counts.find(name);
    groups.push_back(group_json(state, group, count == counts.end() ? 0 : count->second));
  }
  return {{"single_node", is_alone(state)}, {"failover_groups", std::move(groups)}};
}

json describe_failover_group(const control::State& state, const std::string& name) {
  const FailoverGroup* group = state.find_group(name);
  if (group == nullptr) return nullptr;
  return group_json(state, *group, count_partitions(state)[name]);
}

json describe_failover_group(const control::State& state, const std::string& name,
                             const RegionsStatus& local) {
  json group = describe_failover_group(state, name);
  if (group.is_null() || group["leadership"].is_null()) return group;
  json& blocked = group["leadership"]["blocked"];
  for (const LedGroupStatus& led : local.led) {
    if (led.group != name || !led.blocked || !blocked.is_null()) continue;
    blocked =
        fmt::format("fewer than {} copies keep up with the leader, or the leader is about to stop",
                    state.find_group(name)->min);
  }
  return group;
}

void create_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                           const std::string& body) {
  const auto group = read_new_group(body);
  if (!group) return refuse(broker, exchange, malformed_body(group.error().message));
  if (is_alone(broker.control.state())) return refuse(broker, exchange, single_node());
  if (broker.control.state().find_group(group->name) != nullptr) {
    return refuse(broker, exchange,
                  {409, "failover_group_exists",
                   fmt::format("there is a failover group '{}' already", group->name),
                   "choose another name, or alter it with: magpie failover-group alter"});
  }
  kafka::propose<control::GroupSet>(
      broker,
      [wanted = *group](const control::State& state) {
        return control::decide_create_group(state, wanted);
      },
      [exchange](kafka::Broker& late,
                 const tl::expected<control::GroupSet, control::Refusal>& created) {
        if (!created) return refuse(late, exchange, problem_of(created.error()));
        respond(late, exchange, 201, describe_failover_group(late.control.state(), created->name));
      });
}

void alter_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                          const std::string& group, const std::string& body) {
  const auto fields = read_object(body);
  if (!fields) return refuse(broker, exchange, malformed_body(fields.error().message));
  FailoverGroup tried;
  if (const Status read = read_policy(*fields, tried); !read) {
    return refuse(broker, exchange, malformed_body(read.error().message));
  }
  if (refused(broker, exchange, group)) return;
  kafka::propose<control::GroupSet>(
      broker,
      [fields = *fields,
       group](const control::State& state) -> control::Decided<control::GroupSet> {
        FailoverGroup wanted;
        wanted.name = group;
        if (const FailoverGroup* held = state.find_group(group)) wanted = *held;
        if (const Status read = read_policy(fields, wanted); !read) {
          return control::refuse(control::RefusalCode::kInvalidRequest, read.error().message);
        }
        return control::decide_alter_group(state, wanted);
      },
      [exchange](kafka::Broker& late,
                 const tl::expected<control::GroupSet, control::Refusal>& altered) {
        if (!altered) return refuse(late, exchange, problem_of(altered.error()));
        respond(late, exchange, 200, describe_failover_group(late.control.state(), altered->name));
      });
}

void delete_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                           const std::string& group) {
  if (refused(broker, exchange, group)) return;
  kafka::propose<control::GroupSet>(
      broker,
      [group, keep = broker.control.policy().keep_deleted,
       now = broker.now.wall](const control::State& state) {
        return control::decide_delete_group(state, group, keep, now);
      },
      [exchange](kafka::Broker& late,
                 const tl::expected<control::GroupSet, control::Refusal>& deleted) {
        if (!deleted) return refuse(late, exchange, problem_of(deleted.error()));
        respond(late, exchange, 200, {{"name", deleted->name}, {"deleted", true}});
      });
}

json list_deleted_groups(const control::State& state, WallTime now) {
  json groups = json::array();
  for (const auto& [name, deleted] : control::deleted_groups(state)) {
    if (deleted.kept_until <= now) continue;
    groups.push_back({{"name", name},
                      {"policy", policy_json(deleted.policy)},
                      {"deleted_at_ms", deleted.deleted_at.millis},
                      {"kept_until_ms", deleted.kept_until.millis}});
  }
  return {{"deleted_failover_groups", std::move(groups)}};
}

void restore_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                            const std::string& group) {
  if (is_alone(broker.control.state())) return refuse(broker, exchange, single_node());
  kafka::propose<control::DeletedGroup>(
      broker,
      [group, now = broker.now.wall](const control::State& state) {
        return control::decide_restore_group(state, group, now);
      },
      [exchange, group](kafka::Broker& late,
                        const tl::expected<control::DeletedGroup, control::Refusal>& restored) {
        if (!restored) return refuse(late, exchange, problem_of(restored.error()));
        respond(late, exchange, 200, describe_failover_group(late.control.state(), group));
      });
}

void place_partitions(kafka::Broker& broker, port::HttpExchangeId exchange,
                      const std::string& group, const std::string& body) {
  const auto request = read_place(body, group);
  if (!request) return refuse(broker, exchange, malformed_body(request.error().message));
  if (refused(broker, exchange, group)) return;
  kafka::propose<control::PlacedInGroup>(
      broker,
      [wanted = *request](const control::State& state) {
        return control::decide_place_in_group(state, wanted);
      },
      [exchange, group](kafka::Broker& late,
                        const tl::expected<control::PlacedInGroup, control::Refusal>& placed) {
        if (!placed) return refuse(late, exchange, problem_of(placed.error()));
        json topics = json::array();
        for (const control::PlacedTopic& each : placed->topics) {
          topics.push_back({{"topic", each.topic}, {"config", each.config}});
        }
        respond(late, exchange, 200,
                {{"failover_group", group}, {"topics", std::move(topics)}, {"left", placed->left}});
      });
}

}  // namespace magpie::admin
