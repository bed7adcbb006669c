#include "node/terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "control/decide_operations.h"
#include "control/promotion.h"
#include "kafka/cluster_control.h"

namespace magpie::node {
namespace {

using control::Leadership;
using control::State;
using partition::Role;

// How often sync sets are looked at, and what was refused is tried again.
constexpr Duration kLookInterval = Duration::milliseconds(100);

void log(kafka::Broker& broker, port::Severity severity, const char* code, std::string text) {
  broker.effects.add(port::LogLine{severity, code, std::move(text)});
}

}  // namespace

Terms::Terms(const State& state, kafka::PartitionTable& partitions, Links& links, Duration lease)
    : state_(state),
      partitions_(partitions),
      links_(links),
      lease_(lease),
      promises_(state, links, lease) {}

void Terms::start(kafka::Broker& broker, const control::Member& self) {
  CHECK(!self_);
  self_ = self;
  for (const auto& [name, policy] : state_.groups()) {
    const Leadership& held = state_.leadership(name);
    Group& group = groups_[name];
    // Led in an earlier life, or made leader while dead: nobody knows what was done in it.
    if (held.exists() && held.leader == self) group.not_ours = held.epoch;
    dirty_.insert(name);
  }
  place_all(broker);
  for (const auto& [id, node] : state_.nodes()) incarnations_[id] = node.incarnation;
  next_look_ = broker.now.instant + kLookInterval;
}

std::vector<std::string> Terms::leave() {
  leaving_ = true;
  std::vector<std::string> names;
  for (auto& [name, group] : groups_) {
    group.leaving = group.led != nullptr;
    if (group.leaving) names.push_back(name);
  }
  return names;
}

void Terms::stop(kafka::Broker& broker) {
  for (auto& [name, group] : groups_) {
    if (!group.led) continue;
    group.led->hold_commits(broker, true);
    for (const kafka::Route route : group.led->routes()) changed_.push_back(route);
  }
  self_.reset();
}

LedGroup* Terms::led(const std::string& group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : found->second.led.get();
}

std::vector<admin::LedGroupStatus> Terms::led_groups() const {
  std::vector<admin::LedGroupStatus> list;
  for (const auto& [name, group] : groups_) {
    if (!group.led) continue;
    list.push_back(group.led->status(partitions_));
    list.back().may_commit = !group.held;
  }
  return list;
}

std::map<std::string, int64_t> Terms::followed_ends() const {
  std::map<std::string, int64_t> ends;
  for (const auto& [name, group] : groups_) {
    if (group.led || group.routes.empty()) continue;
    int64_t& end = ends[name];
    for (const kafka::Route route : group.routes) {
      const kafka::HostedPartition* hosted = partitions_.find(route);
      if (hosted != nullptr && hosted->partition->is_readable()) {
        end += hosted->partition->log_end().value;
      }
    }
  }
  return ends;
}

const std::string& Terms::group_of(kafka::Route route) const {
  const auto found = group_of_.find(route);
  return found == group_of_.end() ? no_group_ : found->second;
}

// --- which partitions a group has here -----------------------------------------------------------

bool Terms::hosts(const control::Topic& topic, PartitionIndex index) const {
  const auto places = state_.nodes_hosting(topic, index);
  return std::any_of(places.begin(), places.end(),
                     [&](const control::Place& place) { return place.node == self_->node; });
}

std::map<kafka::Route, std::string> Terms::take_off(const std::string& topic) {
  std::map<kafka::Route, std::string> before;
  for (const kafka::Route route : std::exchange(routes_of_[topic], {})) {
    auto taken = group_of_.extract(route);
    groups_[taken.mapped()].routes.erase(route);
    before.emplace(route, std::move(taken.mapped()));
  }
  for (const auto& [name, count] : std::exchange(placed_[topic], {})) {
    groups_[name].hosted -= count;
    dirty_.insert(name);
  }
  return before;
}

void Terms::place_all(kafka::Broker& broker) {
  for (const auto& [name, topic] : state_.topics()) place_topic(broker, name);
}

void Terms::place_topic(kafka::Broker& broker, const std::string& name) {
  const std::map<kafka::Route, std::string> before = take_off(name);
  const control::Topic* topic = state_.find_topic(name);
  const int32_t count = topic == nullptr ? 0 : topic->partition_count();
  if (topic == nullptr) {
    placed_.erase(name);
    routes_of_.erase(name);
  }
  for (int32_t i = 0; i < count; ++i) {
    const PartitionIndex index{i};
    if (!hosts(*topic, index)) continue;
    std::string group = state_.group_of(*topic, index);
    ++placed_[name][group];
    ++groups_[group].hosted;
    dirty_.insert(group);
    kafka::HostedPartition* hosted = partitions_.find(name, index);
    if (hosted == nullptr || hosted->topic_id != topic->id) continue;
    // One that was not to be here for a while may be shown again.
    if (!before.contains(hosted->route))
      hosted->cut_off = hosted->cut_off && groups_[group].cut_off;
    groups_[group].routes.insert(hosted->route);
    routes_of_[name].insert(hosted->route);
    group_of_[hosted->route] = std::move(group);
  }
  for (const auto& [route, group] : before) {
    LedGroup* const led = groups_[group].led.get();
    if (led != nullptr && group_of(route) != group) led->remove(broker, route);
    if (group_of_.contains(route)) continue;
    // It is gone, or is not to be here any more: what is left of it is not shown to anybody.
    links_.unfollow_others(route, self_->node);
    links_.stopped(route, broker.effects);
    if (kafka::HostedPartition* hosted = partitions_.find(route)) {
      hosted->cut_off = true;
      changed_.push_back(route);
    }
  }
}

void Terms::topic_changed(kafka::Broker& broker, const std::string& topic) {
  if (self_) place_topic(broker, topic);
}

void Terms::partition_changed(kafka::Route route) {
  const auto found = group_of_.find(route);
  if (found != group_of_.end()) dirty_.insert(found->second);
}

void Terms::epoch_spent(kafka::Route route) {
  const auto found = group_of_.find(route);
  if (found == group_of_.end()) return;
  Group& group = groups_.at(found->second);
  if (group.led) group.not_ours = group.led->epoch();
  dirty_.insert(found->second);
}

void Terms::applied(kafka::Broker& broker, const control::Difference& difference) {
  if (!self_) return;
  if (const auto* added = std::get_if<control::TopicAdded>(&difference)) {
    place_topic(broker, added->name);
  } else if (const auto* more = std::get_if<control::PartitionsAdded>(&difference)) {
    place_topic(broker, more->name);
  } else if (const auto* gone = std::get_if<control::TopicRemoved>(&difference)) {
    place_topic(broker, gone->topic.name);
  } else if (const auto* configs = std::get_if<control::TopicConfigsChanged>(&difference)) {
    place_topic(broker, configs->name);
  } else if (const auto* led = std::get_if<control::LeadershipChanged>(&difference)) {
    dirty_.insert(led->group);
  } else if (const auto* moved = std::get_if<control::OperationChanged>(&difference)) {
    const auto operation = state_.operations().find(moved->operation);
    if (operation == state_.operations().end()) return;
    for (const auto& group : operation->second.groups) {
      if (control::is_over(group.step)) dirty_.insert(group.group);
    }
  } else if (const auto* reserved = std::get_if<control::CeilingsChanged>(&difference)) {
    const auto group = groups_.find(reserved->group);
    if (group != groups_.end() && group->second.led) {
      group->second.led->reserved(broker, reserved->topic);
    }
  } else if (const auto* node = std::get_if<control::NodeChanged>(&difference)) {
    node_changed(broker, node->node);
  } else if (std::holds_alternative<control::GroupChanged>(difference) ||
             std::holds_alternative<control::RegionChanged>(difference)) {
    for (const auto& [name, policy] : state_.groups()) dirty_.insert(name);
    place_all(broker);
  }
}

void Terms::node_changed(kafka::Broker& broker, NodeId node) {
  const control::Node* known = state_.find_node(node);
  const Uuid incarnation = known == nullptr ? Uuid{} : known->incarnation;
  const auto [before, is_new] = incarnations_.try_emplace(node, incarnation);
  const bool replaced = !is_new && before->second != incarnation;
  before->second = incarnation;
  // What the old directory held says nothing of the new one.
  for (auto& [name, group] : groups_) {
    dirty_.insert(name);
    if (!replaced || !group.led) continue;
    for (const kafka::Route route : group.led->routes()) {
      if (kafka::HostedPartition* hosted = partitions_.find(route)) {
        hosted->partition->member_lost(node);
      }
    }
  }
  if (is_new || replaced) place_all(broker);
}

// --- the lease -----------------------------------------------------------------------------------

void Terms::set_lease(kafka::Broker& broker, std::optional<Instant> valid_until) {
  if (!self_) return;
  has_lease_ = valid_until && broker.now.instant < *valid_until;
  had_lease_ |= has_lease_;
  lease_ends_ = has_lease_ ? *valid_until : Instant{};
  next_expiry_ = has_lease_ ? *valid_until : Instant::never();
  for (auto& [name, group] : groups_) {
    if (!group.led) continue;
    const Instant promised = promises_.valid_until(name, group.led->epoch());
    if (promised > broker.now.instant) next_expiry_ = std::min(next_expiry_, promised);
    const bool held = !may_commit(broker.now, name, group);
    if (held == group.held) continue;
    group.held = held;
    group.led->hold_commits(broker, held);
    for (const kafka::Route route : group.led->routes()) changed_.push_back(route);
    if (held) {
      log(broker, port::Severity::kWarning, "lease_lost",
          fmt::format("failover group '{}': the lease with the control store has run out and too "
                      "few sites have promised to wait, so nothing is acknowledged. Look whether "
                      "the control store and the other regions can be reached",
                      name));
    } else {
      log(broker, port::Severity::kInfo, "lease_held",
          fmt::format("failover group '{}': acknowledgements go on", name));
    }
  }
}

bool Terms::may_commit(const Now& now, const std::string& name, const Group& group) const {
  if (has_lease_ || planted(PlantedBug::kLeaseIgnored)) return true;
  return group.led && now.instant < promises_.valid_until(name, group.led->epoch());
}

// In time, so that nothing stops when the lease ends; not while it is renewed as it should be,
// which leaves more than half of it, because a failover with loss has to wait for promises.
void Terms::ask_for_promises(kafka::Broker& broker) {
  const Duration third = Duration::nanoseconds(lease_.nanos / 3);
  if (has_lease_ && broker.now.instant + third < lease_ends_) return;
  if (planted(PlantedBug::kStoreNeeded)) return;
  for (auto& [name, group] : groups_) {
    const bool ours = group.led && state_.leadership(name).epoch == group.led->epoch();
    if (ours) promises_.ask(broker.now, name, group.led->epoch(), broker.effects);
  }
}

// --- roles ---------------------------------------------------------------------------------------

bool Terms::settle(kafka::Broker& broker) {
  if (!self_) return false;
  if (std::exchange(follower_moved_, false)) {
    for (auto& [name, group] : groups_) {
      if (group.led && group.led->wants_looks(state_)) group.led->look(broker);
    }
  }
  if (dirty_.empty()) return false;
  for (const std::string& name : std::exchange(dirty_, {})) look_at(broker, name, groups_[name]);
  return true;
}

void Terms::tick(kafka::Broker& broker) {
  if (!self_ || broker.now.instant < next_look_) return;
  next_look_ = broker.now.instant + kLookInterval;
  for (auto& [name, group] : groups_) {
    if (group.led) group.led->look(broker);
    const Leadership& held = state_.leadership(name);
    look_at_link(broker.now, group, held);
    const bool waits = !held.exists() || held.leader == *self_;
    if (waits && (!group.led || group.not_ours == held.epoch)) dirty_.insert(name);
  }
  ask_for_promises(broker);
}

Instant Terms::next_deadline() const {
  if (!self_) return Instant::never();
  if (!dirty_.empty() || follower_moved_) return Instant{};
  return std::min(next_look_, next_expiry_);
}

void Terms::look_at_link(const Now& now, Group& group, const Leadership& held) {
  const bool follows = held.exists() && held.leader.node != self_->node;
  if (!follows || links_.can_ask(held.leader.node)) group.linked_at = now.instant;
  const bool cut_off = group.linked_at + lease_ < now.instant;
  if (std::exchange(group.cut_off, cut_off) == cut_off) return;
  for (const kafka::Route route : group.routes) {
    kafka::HostedPartition* hosted = partitions_.find(route);
    if (hosted == nullptr) continue;
    hosted->cut_off = cut_off;
    changed_.push_back(route);
  }
}

void Terms::look_at(kafka::Broker& broker, const std::string& name, Group& group) {
  const Leadership& held = state_.leadership(name);
  if (held.exists() && held.leader == *self_) return lead(broker, name, group, held);
  if (group.led) group.led->end(broker);
  group.led.reset();
  if (!held.exists()) return take_leadership(broker, name, group);
  promises_.forget(name);
  follow(broker, name, group, held);
}

void Terms::take_leadership(kafka::Broker& broker, const std::string& name, Group& group) {
  const control::FailoverGroup* policy = state_.find_group(name);
  const control::Node* self = state_.find_node(self_->node);
  if (policy == nullptr || self == nullptr || group.proposing || !has_lease_ || leaving_) return;
  const auto regions = control::regions_of(*policy, state_.regions());
  if (regions.empty() || regions.front() != self->region) return;
  group.proposing = true;
  kafka::propose<Leadership>(
      broker,
      [name, self = *self_, now = broker.now.wall](const State& state) {
        return control::decide_take_leadership(state, name, self, now, false);
      },
      [this, name](kafka::Broker& late, const tl::expected<Leadership, control::Refusal>& done) {
        proposed(late, name, "take the leadership",
                 done ? std::nullopt : std::optional(done.error()));
      });
}

void Terms::renew(kafka::Broker& broker, const std::string& name, Group& group) {
  if (group.proposing || !has_lease_ || leaving_) return;
  group.proposing = true;
  kafka::propose<Leadership>(
      broker,
      [name, self = *self_, now = broker.now.wall](const State& state) {
        return control::decide_renew_epoch(state, name, self, now);
      },
      [this, name](kafka::Broker& late, const tl::expected<Leadership, control::Refusal>& done) {
        proposed(late, name, "take a new epoch", done ? std::nullopt : std::optional(done.error()));
      });
}

// Whatever was refused is tried again at the next look, if it still applies.
void Terms::proposed(kafka::Broker& broker, const std::string& name, const std::string& what,
                     const std::optional<control::Refusal>& refusal) {
  Group& group = groups_[name];
  group.proposing = false;
  if (!refusal) {
    dirty_.insert(name);
    return;
  }
  if (std::exchange(group.complaint, refusal->message) == refusal->message) return;
  log(broker, port::Severity::kWarning, "term_not_begun",
      fmt::format("failover group '{}': could not {}: {}", name, what, refusal->message));
}

// Leading half a group would make those promotable who lack the other half.
bool Terms::can_lead(kafka::Broker& broker, const std::string& name, Group& group) {
  size_t usable = 0;
  std::string problem;
  for (const kafka::Route route : group.routes) {
    const kafka::HostedPartition* hosted = partitions_.find(route);
    if (hosted == nullptr) continue;
    if (hosted->partition->is_readable() && !hosted->partition->is_cutting()) {
      ++usable;
    } else if (!hosted->failure.empty()) {
      problem = hosted->failure;
      if (hosted->unusable) unable_[name] = hosted->partition->label();
    }
  }
  if (usable == group.hosted) return true;
  if (!problem.empty() && std::exchange(group.complaint, problem) != problem) {
    log(broker, port::Severity::kError, "group_not_led",
        fmt::format("failover group '{}' cannot be led here: {}. Fail over to another region, if "
                    "none takes it over",
                    name, problem));
  }
  return false;
}

// What leaders that were lost may have given out is written down before anything else.
bool Terms::has_floors(kafka::Broker& broker, const std::string& name, Group& group,
                       const Leadership& held) {
  const bool lossy = held.opened_with == control::OpenedWith::kLossy && !held.open;
  if (!lossy || group.floors_of == held.epoch) return true;
  if (group.proposing) return false;
  auto topics = std::make_shared<std::vector<Uuid>>();
  std::set<Uuid> ids;
  for (const kafka::Route route : group.routes) ids.insert(partitions_.find(route)->topic_id);
  for (const Uuid& id : ids) {
    const control::Topic* topic = state_.find_topic(id);
    if (topic != nullptr && !control::reserved_offsets(state_, name, *topic).empty())
      topics->push_back(id);
  }
  group.proposing = true;
  auto left = std::make_shared<size_t>(topics->size() + 1);
  const auto one_done = [this, name, left, epoch = held.epoch](
                            kafka::Broker& late, const std::optional<control::Refusal>& refusal) {
    if (refusal) *left = SIZE_MAX;
    if (*left != SIZE_MAX && --*left > 0) return;
    if (*left == 0) groups_[name].floors_of = epoch;
    proposed(late, name, "record the floors of a failover with loss", refusal);
  };
  const control::Term term{name, held.epoch, *self_};
  for (const Uuid& id : *topics) {
    kafka::propose<control::Ceilings>(
        broker,
        [term, id](const State& state) -> control::Decided<control::Ceilings> {
          const control::Topic* topic = state.find_topic(id);
          if (topic == nullptr) return control::Decision<control::Ceilings>{};  // deleted
          return control::decide_record_floors(state, term, *topic);
        },
        [one_done](kafka::Broker& late,
                   const tl::expected<control::Ceilings, control::Refusal>& done) {
          one_done(late, done ? std::nullopt : std::optional(done.error()));
        });
  }
  one_done(broker, std::nullopt);
  return group.floors_of == held.epoch;
}

void Terms::lead(kafka::Broker& broker, const std::string& name, Group& group,
                 const Leadership& held) {
  for (const kafka::Route route : group.routes) links_.unfollow_others(route, self_->node);
  // The node's own copy of the state, with which it may have started, can be older than a term of
  // its earlier life; until it holds its lease it cannot tell which terms are new.
  if (!had_lease_) group.not_ours = held.epoch;
  // Sites that have accepted a later epoch promise nothing to this one.
  if (control::abandoned_fence(state_, name) > held.epoch) group.not_ours = held.epoch;
  if (held.epoch == group.not_ours) {
    // Also when a disk failed: not before it works again.
    if (can_lead(broker, name, group)) renew(broker, name, group);
    return;
  }
  const bool begins = !group.led || group.led->epoch() != held.epoch;
  if (begins) {
    if (!can_lead(broker, name, group) || !has_floors(broker, name, group, held)) return;
    for (const kafka::Route route : group.routes) links_.stopped(route, broker.effects);
    if (group.led) group.led->end(broker);
    group.led = std::make_unique<LedGroup>(control::Term{name, held.epoch, *self_}, links_);
    group.held = !may_commit(broker.now, name, group);
    group.complaint.clear();
    log(broker, port::Severity::kInfo, "term_began",
        fmt::format("this node leads failover group '{}' in epoch {} with {} partitions", name,
                    held.epoch.value, group.routes.size()));
  }
  std::map<Uuid, std::vector<Offset>> floors_by_topic;
  for (const kafka::Route route : group.routes) {
    kafka::HostedPartition* hosted = partitions_.find(route);
    if (hosted == nullptr || group.led->leads(route)) continue;
    const partition::Partition& copy = *hosted->partition;
    const bool newer = copy.leader_epoch() >= held.epoch || copy.epochs().latest() >= held.epoch;
    if (!copy.is_readable() || copy.is_cutting() || newer) continue;
    auto floors = floors_by_topic.find(hosted->topic_id);
    if (floors == floors_by_topic.end()) {
      floors = floors_by_topic.emplace(hosted->topic_id, state_.floors(hosted->topic_id)).first;
    }
    const auto index = static_cast<size_t>(hosted->index.value);
    const Offset floor = index < floors->second.size() ? floors->second[index] : Offset{};
    group.led->lead(broker, *hosted, floor, group.held);
    changed_.push_back(route);
  }
  group.led->refresh(broker);
}

// False if the state here is older than the log.
bool Terms::set_follower(kafka::Broker& broker, kafka::HostedPartition& hosted, const Group& group,
                         const Leadership& held) {
  const partition::Partition& copy = *hosted.partition;
  if (copy.role() == Role::kFollower && copy.leader_epoch() == held.epoch) return true;
  if (copy.leader_epoch() > held.epoch) return false;
  links_.stopped(hosted.route, broker.effects);
  partitions_.call(hosted, broker.effects, [&](auto& partition, auto& out) {
    partition.follow(broker.now, held.epoch, out);
  });
  hosted.cut_off = group.cut_off;
  changed_.push_back(hosted.route);
  return true;
}

void Terms::follow(kafka::Broker& broker, const std::string& name, Group& group,
                   const Leadership& held) {
  // Under this node's own id leads a directory that is gone: there is nobody to follow. And who
  // took over from a node that stops must not count on it.
  const bool nobody = held.leader.node == self_->node || group.leaving;
  const control::FailoverGroup* policy = state_.find_group(name);
  const int32_t priority = policy == nullptr ? 100 : policy->priority;
  link::Receiver* const receiver = nobody ? nullptr : links_.receiver(held.leader.node);
  const bool counts = control::contains(held.promotable, *self_) || held.joining == *self_;
  for (const kafka::Route route : group.routes) {
    kafka::HostedPartition* hosted = partitions_.find(route);
    if (hosted == nullptr) continue;
    // One that could not be opened has no role, but its leader is asked what may become of it.
    const bool asks = hosted->partition->is_readable() ? set_follower(broker, *hosted, group, held)
                                                       : hosted->unusable;
    if (!asks) continue;
    links_.unfollow_others(route, held.leader.node);
    if (receiver == nullptr) continue;
    receiver->follow({route, hosted->topic_id, hosted->index, name, held.epoch, priority, counts});
  }
  links_.wake();
}

}  // namespace magpie::node
