#include "control/decide_regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "control/absent_nodes.h"
#include "control/deleted_topic.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/transaction_builder.h"
#include "control/value_json.h"

namespace magpie::control {
namespace {

// etcd takes up to 128 in a transaction.
constexpr size_t kComparesMax = 128;

using MaybeRefusal = std::optional<Refusal>;

Refusal violation(std::string message) {
  return {RefusalCode::kPolicyViolation, std::move(message)};
}

std::string leaving_key(std::string_view region) {
  return std::string(kLeavingRegionPrefix).append(region);
}
std::string removed_key(std::string_view region) {
  return std::string(kRemovedRegionPrefix).append(region);
}

// The region's own value as it is, so that every node looks at it again.
void touch_region(const State& state, const Region& region, Transaction& transaction) {
  change_key(state, region_key(region.name), encode_region(region), transaction);
}

void note_change(const State& state, const RegionChange& change, Transaction& transaction) {
  change_key(state, std::string(kRegionChangeKey), encode_region_change(change), transaction);
}

std::optional<RegionChange> last_change(const State& state) {
  const auto noted = state.entries().find(kRegionChangeKey);
  return noted == state.entries().end() ? std::nullopt : decode_region_change(noted->second.value);
}

// While another region has just come or gone. Clocks of nodes differ: by one that is behind, the
// change is yet to come, and less time has passed than it says.
MaybeRefusal too_soon(const State& state, std::string_view region, WallTime now, Duration lease) {
  const auto last = last_change(state);
  if (!last || last->region == region) return std::nullopt;
  const int64_t ago = now.millis - last->at.millis;
  const int64_t pause = region_change_pause(lease).to_milliseconds();
  if (ago >= pause) return std::nullopt;
  const char* what = last->is_new ? "has come" : "was removed or readmitted";
  if (ago >= 0) {
    return violation(fmt::format("region '{}' {} {} seconds ago; wait until {} have passed",
                                 last->region, what, ago / 1'000, pause / 1'000));
  }
  return violation(
      fmt::format("region '{}' {} {} seconds from now, by the clock of the node that was asked "
                  "then; wait until {} have passed since, or set the clocks right",
                  last->region, what, -ago / 1'000, pause / 1'000));
}

// The first group whose leader holds no lease.
struct Unled {
  std::string group;
  NodeId leader{-1};
};
std::optional<Unled> led_by_nobody(const State& state) {
  for (const auto& [name, group] : state.groups()) {
    const Leadership& led = state.leadership(name);
    if (!led.exists() || state.alive(led.leader.node) == led.leader.incarnation) continue;
    return Unled{name, led.leader.node};
  }
  return std::nullopt;
}

// Then its leader, cut off, may go on with the regions as they were before the last change.
MaybeRefusal unaware_leader(const State& state) {
  const auto unled = led_by_nobody(state);
  if (!unled) return std::nullopt;
  return violation(fmt::format(
      "node {}, which led failover group '{}', holds no lease, so it may not know which regions "
      "there are. Bring that node back, or fail the group over, first",
      unled->leader.value, unled->group));
}

// Every leader still holds its lease when the transaction is committed.
void compare_leases(const State& state, Transaction& transaction) {
  for (const auto& [name, group] : state.groups()) {
    const Leadership& led = state.leadership(name);
    if (led.exists()) compare_key(state, alive_key(led.leader.node), transaction);
  }
}

class Removal {
 public:
  Removal(const State& state, std::string_view region, WallTime now, Duration lease)
      : state_(state), name_(region), now_(now), lease_(lease), rest_(state.regions()) {
    for (const auto& [id, node] : state.nodes()) {
      if (node.region == name_) nodes_.insert(id);
    }
    if (const auto found = rest_.find(name_); found != rest_.end()) rest_.erase(found);
  }

  MaybeRefusal problem() const {
    const bool records_left = std::any_of(rest_.begin(), rest_.end(), [](const auto& entry) {
      return entry.second.role == RegionRole::kData;
    });
    if (!records_left) {
      return violation(fmt::format(
          "region '{}' is the last one that holds records. Add another one, by starting "
          "a node of it, before this one is taken out",
          name_));
    }
    if (auto leads = leading()) return leads;
    if (auto other = other_removal()) return other;
    if (const auto unled = led_by_nobody(state_)) {
      // Then what was acknowledged last may be here only, and no leader says that it relies on
      // nobody.
      return violation(fmt::format(
          "node {}, which led failover group '{}', holds no lease, so region '{}' may hold the "
          "only copy. Bring that node back, or fail the group over, first",
          unled->leader.value, unled->group, name_));
    }
    for (const auto& [name, group] : state_.groups()) {
      if (auto needed = needed_by(group)) return needed;
    }
    if (auto moving = moving_here()) return moving;
    if (auto early = too_soon(state_, name_, now_, lease_)) return early;
    Transaction last;
    add_removal(last);
    if (last.compares.size() <= kComparesMax) return std::nullopt;
    return violation(fmt::format(
        "a removal compares all failover groups in one transaction, which takes {} "
        "keys; with {} groups it would be {}. Place topics of several groups in one, and "
        "delete those that are empty, first",
        kComparesMax, state_.groups().size(), last.compares.size()));
  }

  // What still rests on the region's nodes.
  std::vector<std::string> waits_for() const {
    std::vector<std::string> reasons;
    for (const auto& [name, group] : state_.groups()) {
      const Leadership& led = state_.leadership(name);
      if (!led.exists()) continue;
      const char* what = nullptr;
      if (names(led.sync)) {
        what = "to be acknowledged without it";
      } else if (led.joining && is_here(led.joining->node)) {
        what = "to give it up as a copy that joins";
      } else if (led.draining && is_here(led.draining->target)) {
        what = "to end a switchover to it";
      } else if (names(led.promotable) || (led.open_before && is_here(led.open_before->node))) {
        what = "to open its epoch";
      }
      if (what != nullptr) reasons.push_back(fmt::format("failover group '{}' {}", name, what));
    }
    return reasons;
  }

  std::vector<std::string> consequences() const {
    std::vector<std::string> changes;
    for (const auto& [name, group] : state_.groups()) {
      const FailoverGroup next = without_region(group);
      if (next != group) {
        changes.push_back(fmt::format("failover group '{}' no longer names it; its regions are {}",
                                      name, fmt::join(next.regions, ", ")));
      }
      const int32_t before = wanted_copies(group, state_.regions());
      const int32_t after = wanted_copies(next, rest_);
      if (after < before) {
        changes.push_back(
            fmt::format("failover group '{}' has {} copies besides the leader's instead of {}",
                        name, after, before));
      }
      if (const auto living = living_copies(next); living && *living < after) {
        changes.push_back(fmt::format(
            "failover group '{}' goes on with {} of {} copies: of its other regions no more have a "
            "node that lives",
            name, *living, after));
      }
    }
    for (const std::string& name : deleted_topics_only_here()) {
      changes.push_back(fmt::format(
          "the deleted topic '{}' can no longer be restored: no other region held all of it",
          name));
    }
    if (rest_.size() == 1) {
      changes.push_back(fmt::format(
          "region '{}' is the only site that is left: nothing can fail over, and nothing is "
          "acknowledged while the control store is away",
          rest_.begin()->first));
      return changes;
    }
    const size_t others = rest_.size() - 1;
    changes.push_back(
        fmt::format("{} sites are left; a failover with loss, and going on without the control "
                    "store, need {} of the {} beside the leader's",
                    rest_.size(), others / 2 + 1, others));
    return changes;
  }

  void add_leaving(Transaction& transaction) const {
    touch_region(state_, state_.regions().find(name_)->second, transaction);
    // Of two at a time each would count on the other's nodes.
    for (const auto& [name, region] : rest_) compare_key(state_, leaving_key(name), transaction);
    change_key(state_, leaving_key(name_), dump_value({{"at", now_.millis}}), transaction);
  }

  void add_removal(Transaction& transaction) const {
    const Region& region = state_.regions().find(name_)->second;
    for (const auto& [name, group] : state_.groups()) {
      compare_key(state_, leadership_key(name), transaction);
      const FailoverGroup next = without_region(group);
      if (next != group) change_key(state_, group_key(name), encode_group(next), transaction);
    }
    compare_leases(state_, transaction);
    for (const NodeId node : nodes_) {
      const Uuid directory = state_.find_node(node)->first_incarnation();
      change_key(state_, node_key(node), std::nullopt, transaction);
      change_key(state_, absent_key(node), encode_absent_node({directory, now_}), transaction);
      // What it carried out is taken over.
      if (state_.alive(node)) change_key(state_, alive_key(node), std::nullopt, transaction);
    }
    change_key(state_, region_key(name_), std::nullopt, transaction);
    change_key(state_, leaving_key(name_), std::nullopt, transaction);
    change_key(state_, removed_key(name_), encode_removed_region({region.role, now_}), transaction);
    note_change(state_, {name_, now_, false}, transaction);
  }

 private:
  bool is_here(NodeId node) const { return nodes_.contains(node); }
  bool names(const Members& members) const {
    return std::any_of(members.begin(), members.end(),
                       [&](const Member& member) { return is_here(member.node); });
  }

  std::vector<std::string> deleted_topics_only_here() const {
    std::vector<std::string> names;
    for (const auto& [id, deleted] : deleted_topics(state_)) {
      const bool here =
          std::any_of(deleted.holders.begin(), deleted.holders.end(), [&](const auto& entry) {
            const Members& holders = entry.second;
            return !holders.empty() &&
                   std::all_of(holders.begin(), holders.end(),
                               [&](const Member& holder) { return is_here(holder.node); });
          });
      if (here && is_kept(state_, id)) names.push_back(deleted.topic.name);
    }
    return names;
  }

  FailoverGroup without_region(FailoverGroup group) const {
    std::erase(group.regions, name_);
    return group;
  }

  MaybeRefusal other_removal() const {
    for (const auto& [name, region] : rest_) {
      if (!is_leaving(state_, name)) continue;
      return violation(fmt::format(
          "region '{0}' is being removed; one at a time. Let that end, or undo it with: magpie "
          "region readmit {0}",
          name));
    }
    return std::nullopt;
  }

  MaybeRefusal leading() const {
    std::vector<std::string> led;
    for (const auto& [name, group] : state_.groups()) {
      if (state_.leadership(name).exists() && is_here(state_.leadership(name).leader.node)) {
        led.push_back(name);
      }
    }
    if (led.empty()) return std::nullopt;
    return violation(fmt::format(
        "region '{0}' leads {1}. Move what it leads first: magpie switchover --all-from {0} --to "
        "REGION",
        name_, fmt::join(led, ", ")));
  }

  MaybeRefusal needed_by(const FailoverGroup& group) const {
    const FailoverGroup next = without_region(group);
    if (next != group && next.regions.empty()) {
      return violation(fmt::format(
          "region '{}' is the only one of failover group '{}'. Give the group other regions first",
          name_, group.name));
    }
    if (next != group) {
      if (auto problem = group_problem(next, rest_)) {
        return violation(fmt::format(
            "failover group '{}' cannot do without region '{}': {}. Alter the group first",
            group.name, name_, *problem));
      }
    }
    return too_few_for(next);
  }

  // How many copies there would be at most, with the regions that have a living node; nothing if
  // nobody leads.
  std::optional<int32_t> living_copies(const FailoverGroup& group) const {
    const Leadership& led = state_.leadership(group.name);
    const Node* leader = led.exists() ? state_.find_node(led.leader.node) : nullptr;
    if (leader == nullptr) return std::nullopt;
    int32_t copies = 0;
    for (const std::string& region : regions_of(group, rest_)) {
      if (region == leader->region) continue;
      const bool lives =
          std::any_of(state_.nodes().begin(), state_.nodes().end(), [&](const auto& entry) {
            return entry.second.region == region &&
                   state_.alive(entry.first) == entry.second.incarnation;
          });
      if (lives) ++copies;
    }
    return std::min(copies, wanted_copies(group, rest_));
  }

  // Whether writes would be blocked.
  MaybeRefusal too_few_for(const FailoverGroup& group) const {
    const auto copies = living_copies(group);
    if (!copies) return std::nullopt;
    auto blocked = blocked_by_policy(group, *copies, state_.leadership(group.name).failed_over);
    if (!blocked) return std::nullopt;
    return violation(fmt::format("without region '{}' {}", name_, *blocked));
  }

  MaybeRefusal moving_here() const {
    for (const auto& [id, operation] : state_.operations()) {
      for (const OperationGroup& group : operation.groups) {
        if (is_over(group.step) || !is_here(group.target)) continue;
        return violation(fmt::format(
            "operation {} moves failover group '{}' to region '{}'. Let it end, or abandon it", id,
            group.group, name_));
      }
    }
    return std::nullopt;
  }

  const State& state_;
  const std::string name_;
  const WallTime now_;
  const Duration lease_;
  Regions rest_;            // without this one
  std::set<NodeId> nodes_;  // of the region
};

tl::unexpected<Refusal> unknown_region(std::string_view region) {
  return refuse(RefusalCode::kInvalidRequest,
                fmt::format("there is no region '{}'; list them with: magpie region list", region));
}

}  // namespace

Duration region_change_pause(Duration lease) {
  return Duration::nanoseconds(6 * lease.nanos);
}

bool is_leaving(const State& state, std::string_view region) {
  return state.modified(leaving_key(region)) > 0;
}

bool is_removed(const State& state, std::string_view region) {
  return state.modified(removed_key(region)) > 0;
}

std::string encode_region_change(const RegionChange& change) {
  Json value = {{"at", change.at.millis}, {"region", change.region}};
  if (change.is_new) value["new"] = true;
  return dump_value(std::move(value));
}

std::optional<RegionChange> decode_region_change(std::string_view value) {
  const auto json = parse_value(kRegionChangeKey, value);
  if (!json) return std::nullopt;
  const std::string* region = text_field(*json, "region");
  const auto at = integer_field(*json, "at", 0, INT64_MAX);
  if (region == nullptr || !at) return std::nullopt;
  return RegionChange{*region, {*at}, bool_field(*json, "new").value_or(false)};
}

std::optional<Refusal> add_new_region(const State& state, const std::string& region, WallTime now,
                                      Duration lease, Transaction& transaction) {
  const auto last = last_change(state);
  // Regions of a cluster that begins come one after the other, and it is not led for long.
  if (last && !last->is_new) {
    if (auto early = too_soon(state, region, now, lease)) return early;
    if (auto unaware = unaware_leader(state)) return unaware;
    compare_leases(state, transaction);
  }
  note_change(state, {region, now, true}, transaction);
  return std::nullopt;
}

std::optional<Refusal> check_no_region_leaves(const State& state,
                                              const std::vector<std::string>& regions,
                                              Transaction& transaction) {
  for (const std::string& region : regions) {
    if (is_leaving(state, region)) {
      return violation(
          fmt::format("region '{0}' is being removed; let that end, or keep it with: "
                      "magpie region readmit {0}",
                      region));
    }
    compare_key(state, leaving_key(region), transaction);
  }
  return std::nullopt;
}

std::string encode_removed_region(const RemovedRegion& removed) {
  return dump_value({{"at", removed.at.millis},
                     {"role", removed.role == RegionRole::kData ? "data" : "witness"}});
}

std::optional<RemovedRegion> decode_removed_region(std::string_view value) {
  const auto json = parse_value(kRemovedRegionPrefix, value);
  if (!json) return std::nullopt;
  const std::string* role = text_field(*json, "role");
  const auto at = integer_field(*json, "at", 0, INT64_MAX);
  if (role == nullptr || !at) return std::nullopt;
  return RemovedRegion{*role == "witness" ? RegionRole::kWitness : RegionRole::kData, {*at}};
}

std::map<std::string, std::optional<RemovedRegion>> removed_regions(const State& state) {
  std::map<std::string, std::optional<RemovedRegion>> removed;
  for (auto at = state.entries().lower_bound(kRemovedRegionPrefix);
       at != state.entries().end() && at->first.starts_with(kRemovedRegionPrefix); ++at) {
    removed[at->first.substr(kRemovedRegionPrefix.size())] =
        decode_removed_region(at->second.value);
  }
  return removed;
}

Decided<RegionRemoval> decide_remove_region(const State& state, std::string_view region,
                                            WallTime now, Duration lease) {
  Decision<RegionRemoval> decision;
  RegionRemoval& answer = decision.answer;
  answer.region = region;
  const auto known = state.regions().find(region);
  if (known == state.regions().end()) {
    answer.removed = is_removed(state, region);
    if (!answer.removed) return unknown_region(region);
    return decision;
  }
  const Removal removal(state, region, now, lease);
  if (auto problem = removal.problem()) return tl::unexpected<Refusal>(std::move(*problem));
  answer.consequences = removal.consequences();
  answer.waits_for = removal.waits_for();
  if (!is_leaving(state, region)) {
    removal.add_leaving(decision.transaction);
  } else if (answer.waits_for.empty()) {
    removal.add_removal(decision.transaction);
    answer.removed = true;
  }
  return decision;
}

Decided<RegionReadmitted> decide_readmit_region(const State& state, std::string_view region,
                                                WallTime now, Duration lease) {
  Decision<RegionReadmitted> decision;
  decision.answer.region = region;
  const auto known = state.regions().find(region);
  if (known != state.regions().end()) {
    if (!is_leaving(state, region)) {
      return refuse(
          RefusalCode::kInvalidRequest,
          fmt::format("region '{}' is one of the cluster, and is not being removed: there "
                      "is nothing to readmit; list the regions with: magpie region list",
                      region));
    }
    touch_region(state, known->second, decision.transaction);
    change_key(state, leaving_key(region), std::nullopt, decision.transaction);
    return decision;
  }
  const auto removed = state.entries().find(removed_key(region));
  if (removed == state.entries().end()) return unknown_region(region);
  const auto known_as = decode_removed_region(removed->second.value);
  if (!known_as) {
    return refuse(RefusalCode::kInvalidRequest,
                  fmt::format("what is noted of region '{}' cannot be read by this version; ask a "
                              "node of the version that removed it",
                              region));
  }
  if (auto problem = too_soon(state, region, now, lease)) {
    return tl::unexpected<Refusal>(std::move(*problem));
  }
  Transaction& transaction = decision.transaction;
  // Whoever has not heard of this region's removal knows it as it will be again.
  const auto last = last_change(state);
  if (!last || last->region != region) {
    if (auto unaware = unaware_leader(state)) return tl::unexpected<Refusal>(std::move(*unaware));
    compare_leases(state, transaction);
  }
  change_key(state, removed_key(region), std::nullopt, transaction);
  touch_region(state, {std::string(region), known_as->role}, transaction);
  note_change(state, {std::string(region), now, false}, transaction);
  return decision;
}

}  // namespace magpie::control
