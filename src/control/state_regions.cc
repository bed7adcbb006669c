// The part of the state that speaks of regions: nodes, failover groups, and where partitions are.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/decide_regions.h"
#include "control/group_list.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/operation_values.h"
#include "control/state.h"
#include "control/topic_name.h"
#include "control/widen_result.h"

namespace magpie::control {
namespace {

// Puts what a change says under `name`, or takes away what was there.
template <typename Map, typename Name, typename Value>
void put_or_erase(Map& map, const Name& name, Value* value) {
  if (const auto held = map.find(name); held != map.end()) map.erase(held);
  if (value != nullptr) map.emplace(name, std::move(*value));
}

struct CeilingsName {
  std::string group;
  Uuid topic;
};

std::optional<CeilingsName> ceilings_name(std::string_view key) {
  const auto rest = without_prefix(key, kCeilingsPrefix);
  const size_t slash = rest ? rest->find('/') : std::string_view::npos;
  if (slash == std::string_view::npos) return std::nullopt;
  const auto topic = parse_uuid(rest->substr(slash + 1));
  if (!topic) return std::nullopt;
  return CeilingsName{std::string(rest->substr(0, slash)), *topic};
}

std::optional<NodeId> node_after(std::string_view key, std::string_view prefix) {
  const auto rest = without_prefix(key, prefix);
  return rest ? node_in_key(*rest) : std::nullopt;
}

}  // namespace

Result<State::Meaning> State::decode_regional(const Change& change) {
  const std::string& key = change.key;
  const std::string& value = *change.value;
  if (const auto name = without_prefix(key, kRegionPrefix)) {
    return widen_result<Meaning>(decode_region(key, *name, value));
  }
  if (const auto id = node_after(key, kNodePrefix)) {
    return widen_result<Meaning>(decode_node(key, *id, value));
  }
  if (node_after(key, kAlivePrefix)) {
    auto incarnation = decode_alive(key, value);
    if (!incarnation) return fail(incarnation.error());
    return Meaning(Alive{*incarnation});
  }
  if (const auto name = without_prefix(key, kGroupPrefix)) {
    return widen_result<Meaning>(decode_group(key, *name, value));
  }
  if (without_prefix(key, kLeadershipPrefix)) {
    return widen_result<Meaning>(decode_leadership(key, value));
  }
  if (ceilings_name(key)) return widen_result<Meaning>(decode_ceilings(key, value));
  if (const auto id = operation_in_key(key)) {
    return widen_result<Meaning>(decode_operation(key, *id, value));
  }
  return Meaning();
}

void State::take_over_regional(const Change& change, Meaning meaning,
                               std::vector<Difference>& differences) {
  const std::string& key = change.key;
  if (const auto region = without_prefix(key, kRegionPrefix)) {
    put_or_erase(regions_, *region, std::get_if<Region>(&meaning));
    differences.push_back(RegionChanged{std::string(*region)});
  } else if (const auto leaving = without_prefix(key, kLeavingRegionPrefix)) {
    // Who reads the whole state anew sees of a removal that was undone only that this is gone.
    differences.push_back(RegionChanged{std::string(*leaving)});
  } else if (const auto node = node_after(key, kNodePrefix)) {
    put_or_erase(nodes_, *node, std::get_if<Node>(&meaning));
    differences.push_back(NodeChanged{*node});
  } else if (const auto lively = node_after(key, kAlivePrefix)) {
    alive_.erase(*lively);
    if (change.value) alive_[*lively] = std::get<Alive>(meaning).incarnation;
    differences.push_back(NodeAliveChanged{*lively});
  } else if (const auto group = without_prefix(key, kGroupPrefix)) {
    put_or_erase(groups_, *group, std::get_if<FailoverGroup>(&meaning));
    for (auto& [name, built_in] : built_in_groups()) groups_.try_emplace(name, built_in);
    differences.push_back(GroupChanged{std::string(*group)});
  } else if (const auto led = without_prefix(key, kLeadershipPrefix)) {
    put_or_erase(leaderships_, *led, std::get_if<Leadership>(&meaning));
    differences.push_back(LeadershipChanged{std::string(*led)});
  } else if (const auto name = ceilings_name(key)) {
    put_or_erase(ceilings_, key, std::get_if<Ceilings>(&meaning));
    differences.push_back(CeilingsChanged{name->group, name->topic});
  } else if (const auto id = operation_in_key(key)) {
    put_or_erase(operations_, *id, std::get_if<Operation>(&meaning));
    differences.push_back(OperationChanged{*id});
  }
}

State::Groups State::built_in_groups() {
  Groups groups;
  groups.emplace(kDefaultGroup, default_group());
  groups.emplace(kSystemGroup, system_group());
  return groups;
}

Result<std::vector<Difference>> State::replace(Revision revision, const Entries& entries) {
  if (revision < revision_) {
    return fail(ErrorKind::kCorrupt,
                "cluster state: the control store is older than what was seen");
  }
  // What is new is judged as a whole, by building it; what changed on the way does not matter.
  State fresh;
  std::vector<Change> changes;
  for (const auto& [key, entry] : entries) changes.push_back({key, entry.value});
  if (auto applied = fresh.apply(std::max<Revision>(revision, 1), changes); !applied) {
    return fail(applied.error());
  }
  std::vector<Change> different;
  for (const auto& [key, entry] : entries_) {
    if (!entries.contains(key)) different.push_back({key, std::nullopt});
  }
  for (const auto& [key, entry] : entries) {
    const auto held = entries_.find(key);
    if (held == entries_.end() || held->second.value != entry.value) {
      different.push_back({key, entry.value});
    }
  }
  State next = *this;
  next.revision_ = std::min(revision_, revision - 1);
  auto differences = next.apply(revision, different);
  if (!differences) return fail(differences.error());
  next.entries_ = entries;
  *this = std::move(next);
  return differences;
}

const Node* State::find_node(NodeId node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second;
}

const FailoverGroup* State::find_group(std::string_view group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

std::optional<Uuid> State::alive(NodeId node) const {
  const auto found = alive_.find(node);
  if (found == alive_.end()) return std::nullopt;
  return found->second;
}

const Leadership& State::leadership(std::string_view group) const {
  const auto found = leaderships_.find(group);
  return found == leaderships_.end() ? no_leadership_ : found->second;
}

const Ceilings& State::ceilings(std::string_view group, const Uuid& topic) const {
  const auto found = ceilings_.find(ceilings_key(group, topic));
  return found == ceilings_.end() ? no_ceilings_ : found->second;
}

std::vector<Offset> State::floors(const Uuid& topic) const {
  std::vector<Offset> highest;
  const std::string suffix = "/" + to_string(topic);
  for (const auto& [key, ceilings] : ceilings_) {
    if (!key.ends_with(suffix)) continue;
    highest.resize(std::max(highest.size(), ceilings.floors.size()));
    for (size_t i = 0; i < ceilings.floors.size(); ++i) {
      highest[i] = std::max(highest[i], ceilings.floors[i]);
    }
  }
  return highest;
}

void State::note_groups_of(const std::string& topic) {
  group_lists_.erase(topic);
  const ConfigValues& configs = topic_configs(topic);
  const auto found = configs.find(kFailoverGroupConfig);
  if (found == configs.end() || group_list_problem(found->second)) return;
  group_lists_.emplace(topic, group_list(found->second));
}

const std::string& State::group_of(const Topic& topic, PartitionIndex partition) const {
  if (topic.name == kConsumerOffsetsTopic) return system_group_;
  const auto found = group_lists_.find(topic.name);
  if (found == group_lists_.end()) return default_group_;
  CHECK(partition.value >= 0);
  return found->second[static_cast<size_t>(partition.value) % found->second.size()];
}

std::vector<Place> State::nodes_hosting(const Topic& topic, PartitionIndex partition) const {
  if (!topic.has_partition(partition)) return {};
  const NodeId placed = topic.placement[static_cast<size_t>(partition.value)];
  if (nodes_.empty()) return {{"", placed}};
  std::vector<Place> places;
  const FailoverGroup* group = find_group(group_of(topic, partition));
  if (group == nullptr) return {};
  for (const std::string& region : regions_of(*group, regions_)) {
    const Node* chosen = find_node(placed);
    if (chosen != nullptr && chosen->region != region) chosen = nullptr;
    for (auto node = nodes_.begin(); chosen == nullptr && node != nodes_.end(); ++node) {
      if (node->second.region == region) chosen = &node->second;
    }
    if (chosen != nullptr) places.push_back({region, chosen->id});
  }
  return places;
}

std::optional<PartitionLeader> State::leader_of(const Topic& topic,
                                                PartitionIndex partition) const {
  const Leadership& led = leadership(group_of(topic, partition));
  if (!led.exists()) return std::nullopt;
  return PartitionLeader{led.leader.node, led.epoch};
}

std::vector<HostedPartition> State::partitions_of(NodeId node) const {
  std::vector<HostedPartition> hosted;
  for (const auto& [name, topic] : topics_) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) {
      const auto places = nodes_hosting(topic, PartitionIndex{i});
      const bool here = std::any_of(places.begin(), places.end(),
                                    [&](const Place& place) { return place.node == node; });
      if (here) hosted.push_back({topic.id, PartitionIndex{i}});
    }
  }
  std::sort(hosted.begin(), hosted.end());
  return hosted;
}

}  // namespace magpie::control
