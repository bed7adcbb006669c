#include "control/state.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/check.h"
#include "control/keys.h"
#include "control/topic_name.h"
#include "control/values.h"
#include "control/widen_result.h"

namespace magpie::control {
namespace {

tl::unexpected<Error> contradiction(std::string_view key, std::string_view what) {
  return fail(ErrorKind::kCorrupt, fmt::format("cluster state: key '{}' {}", key, what));
}

}  // namespace

Result<std::vector<Difference>> State::apply(Revision revision,
                                             const std::vector<Change>& changes) {
  auto meanings = understand(revision, changes);
  if (!meanings) return fail(meanings.error());

  std::vector<Difference> differences;
  for (size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    if (change.value) {
      entries_.insert_or_assign(change.key, Entry{*change.value, revision});
    } else {
      entries_.erase(change.key);
    }
    take_over(change, std::move((*meanings)[i]), differences);
  }
  revision_ = revision;
  return differences;
}

Status State::check(Revision revision, const std::vector<Change>& changes) const {
  const auto meanings = understand(revision, changes);
  if (!meanings) return fail(meanings.error());
  return {};
}

Result<std::vector<State::Meaning>> State::understand(Revision revision,
                                                      const std::vector<Change>& changes) const {
  if (revision <= revision_) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("cluster state: revision {} follows revision {}", revision, revision_));
  }
  std::vector<Meaning> meanings;
  std::set<std::string_view> keys;
  for (const Change& change : changes) {
    if (!keys.insert(change.key).second) return contradiction(change.key, "is changed twice");
    auto meaning = decode(change);
    if (!meaning) return fail(meaning.error());
    if (auto status = check_not_going_back(change, *meaning); !status) return fail(status.error());
    meanings.push_back(std::move(*meaning));
  }
  if (auto status = check_topic_ids(changes, meanings); !status) return fail(status.error());
  return meanings;
}

Result<State::Meaning> State::decode(const Change& change) {
  if (!change.value) return Meaning();
  const std::string& key = change.key;
  const std::string& value = *change.value;
  if (const auto name = without_prefix(key, kTopicPrefix)) {
    return widen_result<Meaning>(decode_topic(key, *name, value));
  }
  if (without_prefix(key, kTopicConfigsPrefix)) {
    return widen_result<Meaning>(decode_configs(key, value));
  }
  if (key == kProducerIdsKey || key == kEpochsKey) {
    auto next = decode_counter(key, value);
    if (!next) return fail(next.error());
    return Meaning(Counter{*next});
  }
  if (without_prefix(key, kCreatedPrefix)) {
    auto partitions = decode_created(key, value);
    if (!partitions) return fail(partitions.error());
    return Meaning(
        Created{partitions->partitions, partitions->incarnation, std::move(partitions->absent)});
  }
  return decode_regional(change);
}

Status State::check_not_going_back(const Change& change, const Meaning& meaning) const {
  int64_t held = 0;
  int64_t wanted = 0;
  if (change.key == kEpochsKey || change.key == kProducerIdsKey) {
    held = change.key == kEpochsKey ? next_epoch_ : next_producer_id_;
    wanted = change.value ? std::get<Counter>(meaning).next : 0;
  } else if (const auto group = without_prefix(change.key, kLeadershipPrefix)) {
    // A group that was deleted takes its leadership with it.
    const bool may_go = *group != kDefaultGroup && *group != kSystemGroup;
    held = !change.value && may_go ? kNoLeaderEpoch.value : leadership(*group).epoch.value;
    wanted = change.value ? std::get<Leadership>(meaning).epoch.value : kNoLeaderEpoch.value;
  }
  if (wanted < held) {
    return contradiction(change.key, fmt::format("would go back from {} to {}", held, wanted));
  }
  return {};
}

// Two topics must not share an id, whatever order the changes come in.
Status State::check_topic_ids(const std::vector<Change>& changes,
                              const std::vector<Meaning>& meanings) const {
  std::set<std::string_view> replaced;
  for (const Change& change : changes) {
    if (const auto name = without_prefix(change.key, kTopicPrefix)) replaced.insert(*name);
  }
  std::set<Uuid> added;
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto* topic = std::get_if<Topic>(&meanings[i]);
    if (topic == nullptr) continue;
    const auto holder = names_by_id_.find(topic->id);
    const bool held = holder != names_by_id_.end() && !replaced.contains(holder->second);
    if (held || !added.insert(topic->id).second) {
      return contradiction(changes[i].key, fmt::format("has topic id {}, which another topic has",
                                                       to_string(topic->id)));
    }
  }
  return {};
}

void State::take_over(const Change& change, Meaning meaning, std::vector<Difference>& differences) {
  if (const auto name = without_prefix(change.key, kTopicPrefix)) {
    replace_topic(*name, std::get_if<Topic>(&meaning), differences);
  } else if (const auto topic = without_prefix(change.key, kTopicConfigsPrefix)) {
    if (change.value) {
      topic_configs_.insert_or_assign(std::string(*topic),
                                      std::get<ConfigValues>(std::move(meaning)));
    } else if (const auto held = topic_configs_.find(*topic); held != topic_configs_.end()) {
      topic_configs_.erase(held);
    }
    note_groups_of(std::string(*topic));
    differences.push_back(TopicConfigsChanged{std::string(*topic)});
  } else if (without_prefix(change.key, kCreatedPrefix)) {
    created_partitions_.erase(change.key);
    if (change.value) created_partitions_[change.key] = std::get<Created>(meaning);
  } else if (change.key == kEpochsKey) {
    next_epoch_ = change.value ? std::get<Counter>(meaning).next : 0;
  } else if (change.key == kProducerIdsKey) {
    next_producer_id_ = change.value ? std::get<Counter>(meaning).next : 0;
  } else {
    take_over_regional(change, std::move(meaning), differences);
  }
}

// `topic` is what now stands under the name; null if nothing does.
void State::replace_topic(std::string_view name, Topic* topic,
                          std::vector<Difference>& differences) {
  const auto held = topics_.find(name);
  std::optional<PartitionIndex> first_new;
  if (held != topics_.end()) {
    Topic& old = held->second;
    count_partitions(old, -1);
    metric_names_.erase({metric_topic_name(name), old.name});
    // Another topic may have taken over the id in the same revision.
    if (const auto id = names_by_id_.find(old.id); id->second == name) names_by_id_.erase(id);
    const bool same = topic != nullptr && topic->id == old.id;
    if (same) first_new = PartitionIndex{old.partition_count()};
    if (!same) differences.push_back(TopicRemoved{std::move(old)});
    topics_.erase(held);
  }
  if (topic == nullptr) return;

  const std::string added = topic->name;
  count_partitions(*topic, +1);
  metric_names_.emplace(metric_topic_name(name), added);
  names_by_id_.insert_or_assign(topic->id, added);
  if (!first_new) {
    differences.push_back(TopicAdded{added});
  } else if (first_new->value < topic->partition_count()) {
    differences.push_back(PartitionsAdded{added, *first_new});
  }
  topics_.emplace(added, std::move(*topic));
}

void State::count_partitions(const Topic& topic, int64_t sign) {
  for (const NodeId node : topic.placement) {
    int64_t& count = partitions_by_node_[node];
    count += sign;
    CHECK(count >= 0);
    if (count == 0) partitions_by_node_.erase(node);
  }
  partition_count_ += sign * topic.partition_count();
}

bool State::allows(const Transaction& transaction) const {
  for (const Compare& compare : transaction.compares) {
    if (modified(compare.key) != compare.modified) return false;
  }
  return true;
}

Revision State::modified(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? 0 : found->second.modified;
}

const Topic* State::find_topic(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

const Topic* State::find_topic(const Uuid& id) const {
  const auto found = names_by_id_.find(id);
  return found == names_by_id_.end() ? nullptr : find_topic(found->second);
}

const Topic* State::find_collision(std::string_view name) const {
  const std::string metric = metric_topic_name(name);
  for (auto at = metric_names_.lower_bound({metric, ""}); at != metric_names_.end(); ++at) {
    if (at->first != metric) break;
    if (at->second != name) return find_topic(at->second);
  }
  return nullptr;
}

const ConfigValues& State::topic_configs(std::string_view topic) const {
  const auto found = topic_configs_.find(topic);
  return found == topic_configs_.end() ? no_configs_ : found->second;
}

// Not by what is registered: of a removed region's node nothing is, and another directory of a node
// can come back. Null if nothing is known.
const State::Created* State::created(const DataDirectory& disk, const Uuid& topic) const {
  if (disk.incarnation) {
    const auto own = created_partitions_.find(created_key(disk.node, topic, disk.incarnation));
    if (own != created_partitions_.end()) return &own->second;
  }
  // Written before each directory had a key.
  const auto found = created_partitions_.find(created_key(disk.node, topic));
  if (found == created_partitions_.end()) return nullptr;
  const auto& in = found->second.incarnation;
  const bool other = in && disk.incarnation && *in != *disk.incarnation;
  return other ? nullptr : &found->second;
}

int32_t State::created_partitions(const DataDirectory& disk, const Uuid& topic) const {
  const Created* found = created(disk, topic);
  return found == nullptr ? 0 : found->partitions;
}

bool State::is_created(const DataDirectory& disk, const Uuid& topic, int32_t index) const {
  const Created* found = created(disk, topic);
  if (found == nullptr || index >= found->partitions) return false;
  return !std::binary_search(found->absent.begin(), found->absent.end(), index);
}

int64_t State::partition_count(NodeId node) const {
  const auto found = partitions_by_node_.find(node);
  return found == partitions_by_node_.end() ? 0 : found->second;
}

}  // namespace magpie::control
