#include "control/decide_placing.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "control/counters.h"
#include "control/group_list.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/topic_name.h"
#include "control/topic_pattern.h"
#include "control/transaction_builder.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using MaybeRefusal = std::optional<Refusal>;

std::string group_at(const std::optional<std::string>& value, int32_t partition) {
  if (!value) return std::string(kDefaultGroup);
  return group_for_partition(*value, PartitionIndex{partition});
}

// The receiving group's next term; see the head of decide_placing.h.
MaybeRefusal renew_for_move(const State& state, const std::string& from, const std::string& to,
                            Leadership& term) {
  const Leadership& giving = state.leadership(from);
  if (!giving.exists()) return std::nullopt;  // nothing was ever written
  const auto refusal = [&](std::string_view why) {
    return Refusal{
        RefusalCode::kPolicyViolation,
        fmt::format("partitions cannot move from failover group '{}' to '{}': {}", from, to, why)};
  };
  if (!term.exists()) {
    return refusal(
        "the second has no leader yet; wait until a node of its home region has taken "
        "its leadership");
  }
  if (giving.leader != term.leader) {
    return refusal(
        fmt::format("node {} leads the first and node {} the second. Switch one of them "
                    "over, so that one node leads both, then move the partitions",
                    giving.leader.node.value, term.leader.node.value));
  }
  if (giving.draining || term.draining) return refusal("a switchover is under way");
  if (!contains(giving.promotable, giving.leader) || !contains(term.promotable, term.leader)) {
    return refusal("a failover with loss has not been completed; wait until the epoch is open");
  }
  begin_restricted_term(giving.promotable, term);
  return std::nullopt;
}

MaybeRefusal renew_terms(const State& state,
                         const std::map<std::string, std::set<std::string>>& sources,
                         Transaction& transaction) {
  std::set<std::string> compared;
  for (const auto& [to, from_groups] : sources) {
    Leadership term = state.leadership(to);
    bool renewed = false;
    for (const std::string& from : from_groups) {
      if (auto refusal = renew_for_move(state, from, to, term)) return refusal;
      renewed = renewed || state.leadership(from).exists();
      compare_key(state, leadership_key(from), transaction);
    }
    if (!renewed) continue;
    Transaction counter;
    const auto epoch = take_epoch(state, counter);
    if (!epoch) return no_epochs_left();
    if (compared.insert(std::string(kEpochsKey)).second) {
      transaction.compares.insert(transaction.compares.end(), counter.compares.begin(),
                                  counter.compares.end());
      transaction.changes.insert(transaction.changes.end(), counter.changes.begin(),
                                 counter.changes.end());
    }
    term.epoch = *epoch;
    change_key(state, leadership_key(to), encode_leadership(term), transaction);
  }
  return std::nullopt;
}

tl::expected<std::vector<const Topic*>, Refusal> topics_meant(const State& state,
                                                              const PlaceInGroup& request) {
  std::vector<const Topic*> found;
  const bool is_pattern = is_topic_pattern(request.topic);
  if (is_pattern && !request.partitions.empty()) {
    return refuse(RefusalCode::kInvalidRequest,
                  fmt::format("partitions can be named of one topic, not of the pattern '{}'",
                              request.topic));
  }
  if (const Topic* topic = state.find_topic(request.topic)) return std::vector{topic};
  for (const auto& [name, topic] : state.topics()) {
    const bool meant = is_pattern && !is_internal_topic(name) && matches_topic(request.topic, name);
    if (meant) found.push_back(&topic);
  }
  if (!found.empty()) return found;
  return refuse(RefusalCode::kUnknownTopicOrPartition,
                is_pattern ? fmt::format("no topic matches '{}'", request.topic)
                           : fmt::format("there is no topic '{}'", request.topic));
}

// The value of the topic's config once the partitions have moved.
tl::expected<std::string, Refusal> wanted_config(const State& state, const Topic& topic,
                                                 const PlaceInGroup& request) {
  if (request.partitions.empty()) return request.group;
  std::vector<std::string> groups;
  for (int32_t i = 0; i < topic.partition_count(); ++i) {
    groups.push_back(state.group_of(topic, PartitionIndex{i}));
  }
  for (const int32_t partition : request.partitions) {
    if (!topic.has_partition(PartitionIndex{partition})) {
      return refuse(RefusalCode::kUnknownTopicOrPartition,
                    fmt::format("topic '{}' has no partition {}", topic.name, partition));
    }
    groups[static_cast<size_t>(partition)] = request.group;
  }
  const bool one = std::all_of(groups.begin(), groups.end(),
                               [&](const std::string& group) { return group == groups.front(); });
  if (one) groups.resize(1);
  return fmt::format("{}", fmt::join(groups, ","));
}

}  // namespace

void begin_restricted_term(const Members& holders, Leadership& term) {
  Members both;
  std::set_intersection(holders.begin(), holders.end(), term.promotable.begin(),
                        term.promotable.end(), std::back_inserter(both));
  term.promotable = std::move(both);
  if (term.open) {
    // It goes on without loss, and can acknowledge in the term before until it hears of this one.
    term.opened_with = OpenedWith::kLossless;
    term.open_before = term.leader;
  }
  term.open = false;
  term.sync.clear();
  term.joining.reset();
  term.lag_limit.reset();
  term.state = ReplicationState::kDegraded;
}

std::optional<std::string> group_config(const ConfigValues& configs) {
  const auto found = configs.find(kFailoverGroupConfig);
  return found == configs.end() ? std::nullopt : std::optional(found->second);
}

std::set<std::string> groups_in(const std::optional<std::string>& value) {
  if (!value) return {std::string(kDefaultGroup)};
  const auto list = group_list(*value);
  return {list.begin(), list.end()};
}

std::optional<std::string> claiming_group(const State& state, std::string_view topic) {
  std::optional<std::string> found;
  size_t weight = 0;
  if (is_internal_topic(topic)) return found;
  for (const auto& [name, group] : state.groups()) {
    for (const std::string& pattern : group.topics) {
      if (!matches_topic(pattern, topic)) continue;
      if (found && pattern_weight(pattern) <= weight) continue;
      found = name;
      weight = pattern_weight(pattern);
    }
  }
  return found;
}

std::optional<Refusal> add_new_groups(const State& state, const std::string& wanted,
                                      Transaction& transaction) {
  for (const std::string& group : groups_in(wanted)) {
    if (state.find_group(group) == nullptr) {
      return Refusal{RefusalCode::kInvalidConfig,
                     fmt::format("there is no failover group '{}'; create it first", group)};
    }
    compare_key(state, group_key(group), transaction);
  }
  return std::nullopt;
}

std::optional<Refusal> add_group_moves(const State& state, const std::vector<GroupMove>& moves,
                                       Transaction& transaction) {
  std::map<std::string, std::set<std::string>> sources;  // of each group that gets partitions
  std::set<std::string> wanted;
  for (const GroupMove& move : moves) {
    if (move.held == move.wanted) continue;
    if (is_internal_topic(move.topic->name)) {
      return Refusal{
          RefusalCode::kPolicyViolation,
          fmt::format("'{}' is an internal topic; its failover group is fixed", move.topic->name)};
    }
    if (move.wanted && wanted.insert(*move.wanted).second) {
      if (auto refusal = add_new_groups(state, *move.wanted, transaction)) return refusal;
    }
    for (int32_t i = 0; i < move.topic->partition_count(); ++i) {
      std::string from = group_at(move.held, i);
      const std::string to = group_at(move.wanted, i);
      if (from != to) sources[to].insert(std::move(from));
    }
  }
  return renew_terms(state, sources, transaction);
}

Decided<PlacedInGroup> decide_place_in_group(const State& state, const PlaceInGroup& request) {
  const auto found = topics_meant(state, request);
  if (!found) return tl::unexpected<Refusal>(found.error());
  Decision<PlacedInGroup> decision;
  Transaction& transaction = decision.transaction;
  std::vector<GroupMove> moves;
  for (const Topic* topic : *found) {
    auto wanted = wanted_config(state, *topic, request);
    if (!wanted) return tl::unexpected<Refusal>(std::move(wanted.error()));
    const auto held = group_config(state.topic_configs(topic->name));
    const bool stays = held == *wanted;
    if (stays && is_topic_pattern(request.topic)) continue;
    if (moves.size() == kTopicsPlacedMax) {
      ++decision.answer.left;
      continue;
    }
    decision.answer.topics.push_back({topic->name, *wanted});
    if (!stays) moves.push_back({topic, held, *wanted});
  }
  if (auto refusal = add_group_moves(state, moves, transaction)) {
    return tl::unexpected<Refusal>(std::move(*refusal));
  }
  for (const GroupMove& move : moves) {
    const std::string& topic = move.topic->name;
    ConfigValues configs = state.topic_configs(topic);
    configs.insert_or_assign(std::string(kFailoverGroupConfig), *move.wanted);
    compare_key(state, topic_key(topic), transaction);
    change_key(state, topic_configs_key(topic), encode_configs(configs), transaction);
  }
  return decision;
}

}  // namespace magpie::control
