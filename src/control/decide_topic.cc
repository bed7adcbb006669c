#include "control/decide_topic.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "control/decide_configs.h"
#include "control/decide_placing.h"
#include "control/deleted_topic.h"
#include "control/group_list.h"
#include "control/keys.h"
#include "control/placement.h"
#include "control/topic_name.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using MaybeRefusal = std::optional<Refusal>;

MaybeRefusal name_refusal(const State& state, const CreateTopic& request) {
  if (auto problem = topic_name_problem(request.name)) {
    return Refusal{RefusalCode::kInvalidTopic, std::move(*problem)};
  }
  if (state.find_topic(request.name) != nullptr) {
    return Refusal{RefusalCode::kTopicAlreadyExists,
                   fmt::format("topic '{}' already exists", request.name)};
  }
  if (is_internal_topic(request.name) && !request.by_node) {
    return Refusal{RefusalCode::kInvalidTopic,
                   fmt::format("'{}' is an internal topic; the cluster creates it when it needs it",
                               request.name)};
  }
  if (const Topic* other = state.find_collision(request.name)) {
    return Refusal{RefusalCode::kInvalidTopic,
                   fmt::format("topic '{}' collides with the existing topic '{}': names that "
                               "differ only in '.' and '_' cannot be told apart in metrics",
                               request.name, other->name)};
  }
  return std::nullopt;
}

MaybeRefusal partition_count_refusal(int64_t count) {
  if (count < 1) {
    return Refusal{RefusalCode::kInvalidPartitions,
                   fmt::format("{} partitions were asked for; there must be at least 1", count)};
  }
  if (count > limits::kPartitionsPerTopic) {
    return Refusal{RefusalCode::kInvalidPartitions,
                   fmt::format("{} partitions were asked for; a topic can have at most {}", count,
                               limits::kPartitionsPerTopic)};
  }
  return std::nullopt;
}

// The assignments in order of partition, if they are those of partitions 0, 1, 2, ….
tl::expected<std::vector<std::vector<int32_t>>, Refusal> in_order(
    std::vector<ReplicaAssignment> assignments) {
  std::stable_sort(assignments.begin(), assignments.end(),
                   [](const auto& a, const auto& b) { return a.partition < b.partition; });
  std::vector<std::vector<int32_t>> nodes;
  for (ReplicaAssignment& assignment : assignments) {
    if (assignment.partition != static_cast<int32_t>(nodes.size())) {
      return refuse(RefusalCode::kInvalidReplicaAssignment,
                    fmt::format("the assigned partitions must be numbered 0, 1, 2 and so on; "
                                "number {} is missing or comes twice",
                                nodes.size()));
    }
    nodes.push_back(std::move(assignment.nodes));
  }
  return nodes;
}

tl::expected<Placement, Refusal> placement_as_assigned(const State& state, const Policy& policy,
                                                       const CreateTopic& request) {
  if (request.partitions != -1 || request.replication_factor != -1) {
    return refuse(RefusalCode::kInvalidRequest,
                  "with a manual assignment the number of partitions and the replication factor "
                  "must both be -1");
  }
  if (auto refusal = partition_count_refusal(static_cast<int64_t>(request.assignments.size()))) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  auto assignments = in_order(request.assignments);
  if (!assignments) return tl::unexpected<Refusal>(std::move(assignments.error()));
  return assigned_placement(state, policy, 0, *assignments);
}

tl::expected<Placement, Refusal> placement_of(const State& state, const Policy& policy,
                                              const CreateTopic& request) {
  if (!request.assignments.empty()) return placement_as_assigned(state, policy, request);
  if (request.replication_factor != -1 && request.replication_factor < 1) {
    return refuse(RefusalCode::kInvalidReplicationFactor,
                  fmt::format("the replication factor is {}; it must be at least 1, or -1 for the "
                              "default",
                              request.replication_factor));
  }
  const int32_t count = request.partitions == -1 ? policy.default_partitions : request.partitions;
  if (auto refusal = partition_count_refusal(count)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  return choose_placement(state, policy, count);
}

// Configs can outlive a topic only through an operator's hand; a new topic never inherits them.
void replace_configs(const State& state, const std::string& topic, const ConfigValues& configs,
                     Transaction& transaction) {
  const std::string key = topic_configs_key(topic);
  const Revision modified = state.modified(key);
  transaction.compares.push_back({key, modified});
  if (!configs.empty()) transaction.changes.push_back({key, encode_configs(configs)});
  if (configs.empty() && modified != 0) transaction.changes.push_back({key, std::nullopt});
}

// None that looks like an option on a command line.
Uuid unused_id(const State& state, Random& random) {
  Uuid id = Uuid::random(random);
  while (state.find_topic(id) != nullptr || is_kept(state, id) || to_string(id).front() == '-') {
    id = Uuid::random(random);
  }
  return id;
}

tl::unexpected<Refusal> internal_topic(std::string_view name, std::string_view what) {
  return refuse(
      RefusalCode::kPolicyViolation,
      fmt::format("'{}' is an internal topic, in which the cluster keeps its own records; "
                  "it cannot be {}",
                  name, what));
}

}  // namespace

Decided<TopicCreated> decide_create_topic(const State& state, const Policy& policy,
                                          const CreateTopic& request, Random& random) {
  if (auto refusal = name_refusal(state, request)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  auto placement = placement_of(state, policy, request);
  if (!placement) return tl::unexpected<Refusal>(std::move(placement.error()));
  auto configs = check_new_configs(policy, request.name, request.configs);
  if (!configs) return tl::unexpected<Refusal>(std::move(configs.error()));

  Decision<TopicCreated> decision;
  if (const auto claimed = claiming_group(state, request.name)) {
    configs->emplace(kFailoverGroupConfig, *claimed);  // unless the request says otherwise
  }
  if (const auto groups = group_config(*configs)) {
    if (auto refusal = add_new_groups(state, *groups, decision.transaction)) {
      return tl::unexpected<Refusal>(std::move(*refusal));
    }
  }
  decision.answer.name = request.name;
  decision.answer.partitions = static_cast<int32_t>(placement->size());
  decision.answer.configs = *configs;
  if (request.validate_only) {
    decision.transaction = {};
    return decision;
  }

  const Topic topic{request.name, unused_id(state, random), std::move(*placement)};
  decision.answer.id = topic.id;
  decision.transaction.compares.push_back({topic_key(topic.name), 0});
  decision.transaction.changes.push_back({topic_key(topic.name), encode_topic(topic)});
  replace_configs(state, topic.name, *configs, decision.transaction);
  return decision;
}

Decided<TopicDeleted> decide_delete_topic(const State& state, const DeleteTopic& request) {
  const Topic* topic = request.id ? state.find_topic(*request.id) : state.find_topic(request.name);
  if (topic == nullptr && request.id) {
    return refuse(RefusalCode::kUnknownTopicId,
                  fmt::format("there is no topic with id {}", to_string(*request.id)));
  }
  if (topic == nullptr) {
    return refuse(RefusalCode::kUnknownTopicOrPartition,
                  fmt::format("there is no topic '{}'", request.name));
  }
  if (is_internal_topic(topic->name)) return internal_topic(topic->name, "deleted");

  Decision<TopicDeleted> decision;
  decision.answer = {topic->name, topic->id};
  const std::string key = topic_key(topic->name);
  decision.transaction.compares.push_back({key, state.modified(key)});
  decision.transaction.changes.push_back({key, std::nullopt});
  replace_configs(state, topic->name, {}, decision.transaction);
  if (request.keep > Duration{}) {
    keep_topic(state, *topic, {request.keep, request.now, request.bytes}, decision.transaction);
  } else {
    forget_topic(state, *topic, decision.transaction);
  }
  return decision;
}

Decided<PartitionsCreated> decide_create_partitions(const State& state, const Policy& policy,
                                                    const CreatePartitions& request) {
  const Topic* topic = state.find_topic(request.topic);
  if (topic == nullptr) {
    return refuse(RefusalCode::kUnknownTopicOrPartition,
                  fmt::format("there is no topic '{}'", request.topic));
  }
  if (is_internal_topic(topic->name) && !request.by_node) {
    return internal_topic(topic->name, "given more partitions");
  }
  const int32_t held = topic->partition_count();
  if (request.count <= held) {
    return refuse(RefusalCode::kInvalidPartitions,
                  fmt::format("topic '{}' has {} partitions; the new number must be higher, but {} "
                              "was asked for. The number of partitions cannot be reduced",
                              topic->name, held, request.count));
  }
  if (auto refusal = partition_count_refusal(request.count)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  const int32_t added = request.count - held;
  if (request.assignments && request.assignments->size() != static_cast<size_t>(added)) {
    return refuse(RefusalCode::kInvalidReplicaAssignment,
                  fmt::format("{} partitions would be added, but {} assignments were given", added,
                              request.assignments->size()));
  }
  auto placement = request.assignments
                       ? assigned_placement(state, policy, held, *request.assignments)
                       : choose_placement(state, policy, added);
  if (!placement) return tl::unexpected<Refusal>(std::move(placement.error()));

  Decision<PartitionsCreated> decision;
  decision.answer = {topic->name, request.count};
  if (request.validate_only) return decision;
  Topic grown = *topic;
  grown.placement.insert(grown.placement.end(), placement->begin(), placement->end());
  const std::string key = topic_key(topic->name);
  decision.transaction.compares.push_back({key, state.modified(key)});
  decision.transaction.changes.push_back({key, encode_topic(grown)});
  return decision;
}

}  // namespace magpie::control
