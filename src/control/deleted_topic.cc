#include "control/deleted_topic.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "control/counters.h"
#include "control/decide_placing.h"
#include "control/group_list.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/operation.h"
#include "control/region_values.h"
#include "control/topic_name.h"
#include "control/transaction_builder.h"
#include "control/value_fields.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using MaybeRefusal = std::optional<Refusal>;

constexpr size_t kNameBytesMax = 249;
constexpr size_t kProblemBytesMax = 1'000;
// Ceilings that go with a purge: a transaction has a limit.
constexpr size_t kCeilingsForgottenMax = 16;
constexpr auto kPlacementMax = static_cast<size_t>(limits::kPartitionsPerTopic);

void read_placement(Fields& fields, DeletedTopic& deleted) {
  for (const Json& element : fields.list("placement", kPlacementMax)) {
    const auto node = integer_of(element, 0, INT32_MAX);
    if (!node) return fields.wrong("field 'placement' must hold node ids");
    deleted.topic.placement.push_back(NodeId{static_cast<int32_t>(*node)});
  }
  if (deleted.topic.placement.empty()) fields.wrong("field 'placement' must not be empty");
}

void read_configs(const Json& json, Fields& fields, DeletedTopic& deleted) {
  const auto configs = json.find("configs");
  if (configs == json.end() || !configs->is_object()) {
    return fields.wrong("field 'configs' must be an object");
  }
  for (const auto& [name, element] : configs->items()) {
    const auto* text = element.get_ptr<const std::string*>();
    if (text == nullptr) return fields.wrong("field 'configs' must hold texts");
    deleted.configs.emplace(name, *text);
  }
}

void read_holders(const Json& json, Fields& fields, DeletedTopic& deleted) {
  const auto holders = json.find("holders");
  if (holders == json.end() || !holders->is_object()) {
    return fields.wrong("field 'holders' must be an object");
  }
  for (const auto& [group, list] : holders->items()) {
    const Json wrapped = {{"holders", list}};
    Fields inner(wrapped);
    deleted.holders[group] = inner.members("holders");
    if (inner.problem()) return fields.wrong(*inner.problem());
  }
}

void read_restored(const Json& json, Fields& fields, DeletedTopic& deleted) {
  const auto restored = json.find("restored");
  if (restored == json.end()) return;
  if (!restored->is_object()) return fields.wrong("field 'restored' must be an object");
  for (const auto& [group, element] : restored->items()) {
    const auto epoch = integer_of(element, 0, INT32_MAX);
    if (!epoch) return fields.wrong("field 'restored' must hold epochs");
    deleted.restored.emplace(group, LeaderEpoch{static_cast<int32_t>(*epoch)});
  }
}

std::set<std::string> groups_of(const State& state, const Topic& topic) {
  std::set<std::string> groups;
  for (int32_t i = 0; i < topic.partition_count(); ++i) {
    groups.insert(state.group_of(topic, PartitionIndex{i}));
  }
  return groups;
}

void erase_key(const State& state, const std::string& key, Transaction& transaction) {
  compare_key(state, key, transaction);
  if (state.modified(key) != 0) transaction.changes.push_back({key, std::nullopt});
}

void forget(const State& state, const DeletedTopic& deleted, Transaction& transaction) {
  forget_topic(state, deleted.topic, transaction);
  size_t forgotten = 0;
  for (const auto& [group, holders] : deleted.holders) {
    if (++forgotten > kCeilingsForgottenMax) break;
    erase_key(state, ceilings_key(group, deleted.topic.id), transaction);
  }
}

// One more is to be kept.
void make_place(const State& state, Transaction& transaction) {
  size_t count = 0;
  for (auto at = state.entries().lower_bound(kDeletedTopicPrefix);
       at != state.entries().end() && at->first.starts_with(kDeletedTopicPrefix); ++at) {
    ++count;
  }
  if (count < kDeletedTopicsMax) return;
  std::map<Uuid, DeletedTopic> others = deleted_topics(state);
  std::erase_if(others, [&](const auto& entry) { return !is_kept(state, entry.first); });
  const auto first =
      std::min_element(others.begin(), others.end(), [](const auto& one, const auto& other) {
        return one.second.kept_until < other.second.kept_until;
      });
  if (first != others.end()) forget(state, first->second, transaction);
}

// The operation that moves the group, or is about to.
std::optional<OperationId> operation_of(const State& state, const std::string& group) {
  for (const auto& [id, operation] : state.operations()) {
    for (const OperationGroup& moved : operation.groups) {
      if (moved.group == group && !is_over(moved.step)) return id;
    }
  }
  return std::nullopt;
}

MaybeRefusal name_refusal(const State& state, const DeletedTopic& deleted) {
  const std::string& name = deleted.topic.name;
  if (state.find_topic(name) != nullptr) {
    return Refusal{RefusalCode::kTopicAlreadyExists,
                   fmt::format("topic '{}' was created anew after this one was deleted. Copy what "
                               "you need out of the new one and delete it, then restore the old "
                               "one by its id: magpie topic restore {}",
                               name, to_string(deleted.topic.id))};
  }
  if (const Topic* other = state.find_collision(name)) {
    return Refusal{
        RefusalCode::kInvalidTopic,
        fmt::format("topic '{}' collides with the existing topic '{}': names that differ "
                    "only in '.' and '_' cannot be told apart in metrics. Delete that "
                    "one first",
                    name, other->name)};
  }
  return std::nullopt;
}

MaybeRefusal room_refusal(const State& state, const Policy& policy, const Topic& topic) {
  std::map<NodeId, int64_t> more;
  for (const NodeId node : topic.placement) ++more[node];
  for (const auto& [node, count] : more) {
    if (state.partition_count(node) + count <= policy.partitions_per_node) continue;
    return Refusal{
        RefusalCode::kInvalidPartitions,
        fmt::format("topic '{}' has {} partitions on node {}, which would have more than "
                    "{} then; delete others first, or raise limits.partitions",
                    topic.name, count, node.value, policy.partitions_per_node)};
  }
  return std::nullopt;
}

// The next term of a group that gets records back which only `holders` certainly hold.
MaybeRefusal restrict_term(const State& state, const std::string& group, const Members& holders,
                           Leadership& term) {
  const auto refusal = [&](std::string why) {
    return Refusal{RefusalCode::kPolicyViolation,
                   fmt::format("the topic's partitions of failover group '{}' cannot come back "
                               "now: {}",
                               group, why)};
  };
  if (!term.exists()) return refusal("the group has no leader; wait until it is led");
  if (!contains(holders, term.leader)) {
    const auto there = std::find_if(holders.begin(), holders.end(), [&](const Member& holder) {
      const Node* node = state.find_node(holder.node);
      return node != nullptr && node->incarnation == holder.incarnation;
    });
    if (there == holders.end()) {
      return refusal(
          "no node is left that held everything when the topic was deleted, so records would be "
          "missing without anybody knowing");
    }
    return refusal(fmt::format(
        "node {}, which leads it, may lack records of the topic; node {} had all of them when the "
        "topic was deleted. Switch the group over to region '{}', then restore the topic",
        term.leader.node.value, there->node.value, state.find_node(there->node)->region));
  }
  if (const auto operation = operation_of(state, group)) {
    return refusal(
        fmt::format("operation {} moves the group; wait for its end with: magpie operation wait {}",
                    *operation, *operation));
  }
  if (term.draining) return refusal("a switchover is under way; wait for its end");
  if (!contains(term.promotable, term.leader)) {
    return refusal("a failover with loss has not been completed; wait until the epoch is open");
  }
  begin_restricted_term(holders, term);
  return std::nullopt;
}

MaybeRefusal restrict_groups(const State& state, DeletedTopic& deleted,
                             const std::string& configured, Transaction& transaction) {
  for (const std::string& group : groups_in(configured)) {
    if (state.find_group(group) != nullptr) continue;
    return Refusal{RefusalCode::kInvalidConfig,
                   fmt::format("there is no failover group '{0}' any more. Bring it back with: "
                               "magpie failover-group restore {0}, or create it anew",
                               group)};
  }
  if (auto refusal = add_new_groups(state, configured, transaction)) return refusal;
  std::optional<LeaderEpoch> epoch;
  for (const auto& [group, holders] : deleted.holders) {
    Leadership term = state.leadership(group);
    if (auto refusal = restrict_term(state, group, holders, term)) return refusal;
    if (!epoch) epoch = take_epoch(state, transaction);
    if (!epoch) return no_epochs_left();
    term.epoch = *epoch;
    deleted.restored[group] = *epoch;
    change_key(state, leadership_key(group), encode_leadership(term), transaction);
  }
  return std::nullopt;
}

}  // namespace

std::string encode_deleted_topic(const DeletedTopic& deleted) {
  Json placement = Json::array();
  for (const NodeId node : deleted.topic.placement) placement.push_back(node.value);
  Json configs = Json::object();
  for (const auto& [name, value] : deleted.configs) configs[name] = value;
  Json holders = Json::object();
  for (const auto& [group, members] : deleted.holders) holders[group] = members_json(members);
  Json value = {{"name", deleted.topic.name},
                {"placement", std::move(placement)},
                {"configs", std::move(configs)},
                {"deleted_at", deleted.deleted_at.millis},
                {"kept_until", deleted.kept_until.millis},
                {"bytes", deleted.bytes},
                {"holders", std::move(holders)}};
  if (!deleted.problem.empty()) value["problem"] = deleted.problem;
  if (!deleted.restored.empty()) {
    Json restored = Json::object();
    for (const auto& [group, epoch] : deleted.restored) restored[group] = epoch.value;
    value["restored"] = std::move(restored);
  }
  return dump_value(std::move(value));
}

Result<DeletedTopic> decode_deleted_topic(std::string_view key, const Uuid& id,
                                          std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Fields fields(*json);
  DeletedTopic deleted;
  deleted.topic.id = id;
  deleted.topic.name = fields.text("name", kNameBytesMax);
  if (const auto problem = topic_name_problem(deleted.topic.name)) fields.wrong(*problem);
  read_placement(fields, deleted);
  read_configs(*json, fields, deleted);
  deleted.deleted_at = {fields.integer("deleted_at", INT64_MIN, INT64_MAX)};
  deleted.kept_until = {fields.integer("kept_until", INT64_MIN, INT64_MAX)};
  deleted.bytes = fields.integer("bytes", 0, INT64_MAX);
  read_holders(*json, fields, deleted);
  read_restored(*json, fields, deleted);
  if (json->contains("problem")) deleted.problem = fields.text("problem", kProblemBytesMax);
  if (fields.problem()) return malformed(key, *fields.problem());
  return deleted;
}

std::map<Uuid, DeletedTopic> deleted_topics(const State& state) {
  std::map<Uuid, DeletedTopic> all;
  for (auto at = state.entries().lower_bound(kDeletedTopicPrefix);
       at != state.entries().end() && at->first.starts_with(kDeletedTopicPrefix); ++at) {
    const auto id = parse_uuid(std::string_view(at->first).substr(kDeletedTopicPrefix.size()));
    if (!id) continue;
    auto deleted = decode_deleted_topic(at->first, *id, at->second.value);
    if (deleted) all.emplace(*id, std::move(*deleted));
  }
  return all;
}

bool is_kept(const State& state, const Uuid& topic) {
  return state.modified(deleted_topic_key(topic)) != 0 && state.find_topic(topic) == nullptr;
}

bool is_being_restored(const State& state, const Uuid& topic) {
  return state.modified(deleted_topic_key(topic)) != 0 && state.find_topic(topic) != nullptr;
}

std::map<std::string, std::vector<Uuid>> deleted_by_name(const State& state) {
  const std::map<Uuid, DeletedTopic> all = deleted_topics(state);
  std::map<std::string, std::vector<Uuid>> names;
  for (const auto& [id, deleted] : all) {
    if (is_kept(state, id)) names[deleted.topic.name].push_back(id);
  }
  for (auto& [name, ids] : names) {
    std::stable_sort(ids.begin(), ids.end(), [&](const Uuid& one, const Uuid& other) {
      return all.at(one).deleted_at > all.at(other).deleted_at;
    });
  }
  return names;
}

void forget_topic(const State& state, const Topic& topic, Transaction& transaction) {
  erase_key(state, deleted_topic_key(topic.id), transaction);
  std::set<NodeId> nodes(topic.placement.begin(), topic.placement.end());
  for (const auto& [id, node] : state.nodes()) nodes.insert(id);
  for (const NodeId node : nodes) {
    const std::string prefix = created_key(node, topic.id);
    auto at = state.entries().lower_bound(prefix);
    for (; at != state.entries().end() && at->first.starts_with(prefix); ++at) {
      erase_key(state, at->first, transaction);
    }
  }
}

void keep_topic(const State& state, const Topic& topic, const Keep& keep,
                Transaction& transaction) {
  make_place(state, transaction);
  DeletedTopic deleted;
  deleted.topic = topic;
  deleted.configs = state.topic_configs(topic.name);
  deleted.deleted_at = keep.now;
  deleted.kept_until = {keep.now.millis + keep.time.to_milliseconds()};
  deleted.bytes = keep.bytes;
  // A node that is alone holds everything there is.
  for (const std::string& group : groups_of(state, topic)) {
    const Leadership& led = state.leadership(group);
    if (state.nodes().empty() || !led.exists()) continue;
    compare_key(state, leadership_key(group), transaction);
    deleted.holders[group] = led.promotable;
  }
  change_key(state, deleted_topic_key(topic.id), encode_deleted_topic(deleted), transaction);
}

Decided<DeletedTopic> find_deleted_topic(const State& state, std::string_view which) {
  const std::map<Uuid, DeletedTopic> all = deleted_topics(state);
  std::vector<std::string> ids;
  const DeletedTopic* found = nullptr;
  for (const auto& [id, deleted] : all) {
    if (!is_kept(state, id)) continue;  // it exists again
    if (to_string(id) == which) return Decision<DeletedTopic>{{}, deleted};
    if (deleted.topic.name != which) continue;
    ids.push_back(to_string(id));
    found = &deleted;
  }
  if (ids.size() == 1) return Decision<DeletedTopic>{{}, *found};
  if (ids.empty()) {
    const auto id = parse_uuid(which);
    const bool exists =
        state.find_topic(which) != nullptr || (id && state.find_topic(*id) != nullptr);
    return refuse(RefusalCode::kUnknownTopicOrPartition,
                  fmt::format("no deleted topic '{}' is kept{}; list those that are with: magpie "
                              "topic list --deleted",
                              which, exists ? ", but there is one that is not deleted" : ""));
  }
  return refuse(RefusalCode::kInvalidRequest,
                fmt::format("{} deleted topics had the name '{}'; say which by its id: {}",
                            ids.size(), which, fmt::join(ids, ", ")));
}

Decided<DeletedTopic> decide_restore_topic(const State& state, const Policy& policy,
                                           std::string_view which) {
  auto decision = find_deleted_topic(state, which);
  if (!decision) return decision;
  DeletedTopic& deleted = decision->answer;
  const Topic& topic = deleted.topic;
  if (auto refusal = name_refusal(state, deleted)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  if (auto refusal = room_refusal(state, policy, topic)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  Transaction& transaction = decision->transaction;
  const auto group = deleted.configs.find(kFailoverGroupConfig);
  const std::string groups =
      group == deleted.configs.end() ? std::string(kDefaultGroup) : group->second;
  if (auto refusal = restrict_groups(state, deleted, groups, transaction)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  deleted.problem.clear();
  const bool waits = !deleted.restored.empty();
  change_key(state, deleted_topic_key(topic.id),
             waits ? std::optional(encode_deleted_topic(deleted)) : std::nullopt, transaction);
  change_key(state, topic_key(topic.name), encode_topic(topic), transaction);
  const std::string configs_key = topic_configs_key(topic.name);
  if (!deleted.configs.empty()) {
    change_key(state, configs_key, encode_configs(deleted.configs), transaction);
  } else if (state.modified(configs_key) != 0) {
    change_key(state, configs_key, std::nullopt, transaction);
  }
  return decision;
}

RestoreStep restore_step(const State& state, const DeletedTopic& restored, NodeId self) {
  const Topic* topic = state.find_topic(restored.topic.id);
  if (topic == nullptr) return RestoreStep::kNothing;
  bool any = false;
  for (const auto& [group, epoch] : restored.restored) {
    const Leadership& led = state.leadership(group);
    // A later term that is not open waits for the topic as the first one did.
    if (led.epoch >= epoch && led.open) continue;
    if (led.leader.node == self) return RestoreStep::kOpening;
    any = true;
  }
  return any ? RestoreStep::kNothing : RestoreStep::kFinished;
}

Decided<DeletedTopic> decide_give_back_topic(const State& state, const Uuid& topic, NodeId self,
                                             const std::string& problem, WallTime now) {
  const auto all = deleted_topics(state);
  const auto found = all.find(topic);
  const bool opening =
      found != all.end() && restore_step(state, found->second, self) == RestoreStep::kOpening;
  if (!opening) {
    return refuse(RefusalCode::kInvalidRequest,
                  fmt::format("the topic with id {} does not wait for node {}", to_string(topic),
                              self.value));
  }
  Decision<DeletedTopic> decision{{}, found->second};
  Transaction& transaction = decision.transaction;
  DeletedTopic& deleted = decision.answer;
  deleted.topic = *state.find_topic(topic);
  deleted.configs = state.topic_configs(deleted.topic.name);
  // What was committed to it, or came back to it, during the restore is its own.
  deleted.deleted_at = std::max(deleted.deleted_at, now);
  deleted.kept_until =
      std::max(deleted.kept_until, WallTime{now.millis + kGivenBackKept.to_milliseconds()});
  deleted.problem = problem.substr(0, kProblemBytesMax);
  const std::set<std::string> groups = groups_of(state, deleted.topic);
  std::erase_if(deleted.holders, [&](const auto& held) { return !groups.contains(held.first); });
  for (const std::string& group : groups) {
    const Leadership& led = state.leadership(group);
    compare_key(state, leadership_key(group), transaction);
    const auto began = deleted.restored.find(group);
    // Nothing was acknowledged since; else those hold it who do so now.
    const bool as_before =
        began != deleted.restored.end() && led.epoch == began->second && !led.open;
    if (led.exists() && !as_before) deleted.holders[group] = led.promotable;
  }
  deleted.restored.clear();
  change_key(state, deleted_topic_key(topic), encode_deleted_topic(deleted), transaction);
  change_key(state, topic_key(deleted.topic.name), std::nullopt, transaction);
  erase_key(state, topic_configs_key(deleted.topic.name), transaction);
  return decision;
}

Decided<DeletedTopic> decide_finish_restore(const State& state, const Uuid& topic, NodeId self) {
  const auto all = deleted_topics(state);
  const auto found = all.find(topic);
  if (found == all.end() || restore_step(state, found->second, self) != RestoreStep::kFinished) {
    return refuse(
        RefusalCode::kInvalidRequest,
        fmt::format("the restore of the topic with id {} is not finished", to_string(topic)));
  }
  Decision<DeletedTopic> decision{{}, found->second};
  change_key(state, deleted_topic_key(topic), std::nullopt, decision.transaction);
  return decision;
}

Decided<DeletedTopic> decide_purge_topic(const State& state, std::string_view which) {
  auto decision = find_deleted_topic(state, which);
  if (decision) forget(state, decision->answer, decision->transaction);
  return decision;
}

}  // namespace magpie::control
