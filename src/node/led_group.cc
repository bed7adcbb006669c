#include "node/led_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "control/decide_regions.h"
#include "control/failover_group.h"
#include "control/followers.h"
#include "kafka/cluster_control.h"

namespace magpie::node {
namespace {

using control::Leadership;
using control::State;

bool somebody_leaves(const State& state) {
  return std::any_of(state.regions().begin(), state.regions().end(),
                     [&](const auto& region) { return control::is_leaving(state, region.first); });
}

// What a node's new directory holds must not count for the one that the sync set names: that member
// is gone, and stands under a number that no node has.
NodeId counted_as(const State& state, const control::Member& member) {
  const control::Node* known = state.find_node(member.node);
  const bool there = known != nullptr && known->incarnation == member.incarnation;
  return there ? member.node : NodeId{-2 - member.node.value};
}

std::vector<NodeId> nodes_of(const State& state, const control::Members& members) {
  std::vector<NodeId> nodes;
  for (const control::Member& member : members) nodes.push_back(counted_as(state, member));
  return nodes;
}

replication::MaxLag counted(const State& state, const control::LagLimit& limit) {
  return {limit.time, nodes_of(state, limit.among)};
}

replication::SyncPolicy sync_policy(const State& state, const Leadership& held,
                                    std::string_view name) {
  replication::SyncPolicy policy;
  const control::FailoverGroup* group = state.find_group(name);
  if (group == nullptr) return policy;
  policy.copies = control::wanted_copies(*group, state.regions());
  policy.min = group->min == control::kAllCopies ? policy.copies : group->min;
  const control::TooFewCopies rule =
      held.failed_over ? group->after_failover.value_or(group->below_min) : group->below_min;
  policy.degrade = rule == control::TooFewCopies::kDegrade || planted(PlantedBug::kBlockIgnored);
  policy.timeout = group->timeout;
  if (held.lag_limit) policy.promised_lag = counted(state, *held.lag_limit);
  return policy;
}

}  // namespace

// The partitions as the sync set's rules see them.
class LedGroup::Partitions final : public replication::LedPartitions {
 public:
  Partitions(const State& state, kafka::PartitionTable& table, const std::set<kafka::Route>& routes,
             const Links& links)
      : state_(state), links_(links) {
    for (const kafka::Route route : routes) {
      if (kafka::HostedPartition* hosted = table.find(route)) list_.push_back(hosted);
    }
  }
  size_t count() const override { return list_.size(); }
  Offset log_start(size_t at) const override { return list_[at]->partition->log_start(); }
  Offset log_end(size_t at) const override { return list_[at]->partition->log_end(); }
  Offset high_watermark(size_t at) const override { return list_[at]->partition->high_watermark(); }
  // Who has no connection keeps up with nothing, also while nothing is written.
  Offset position(size_t at, NodeId member) const override {
    if (!links_.has_follower(member)) return Offset{-1};
    return list_[at]->partition->member_position(member);
  }
  bool has_dropped_all(size_t at, NodeId member) const override {
    return list_[at]->partition->has_dropped_all(member);
  }
  bool is_unreadable(NodeId member) const override {
    return std::any_of(list_.begin(), list_.end(), [&](const kafka::HostedPartition* hosted) {
      return hosted->partition->is_unreadable(member);
    });
  }
  bool is_gone(NodeId member) const override {
    return !links_.has_follower(member) && !state_.alive(member);
  }
  bool committed_all() const {
    return std::all_of(list_.begin(), list_.end(), [](const kafka::HostedPartition* hosted) {
      return hosted->partition->high_watermark() >= hosted->partition->log_end();
    });
  }
  // Everything that is stored here is also there, and nothing that was dropped here.
  bool held_by(NodeId member) const {
    return !is_unreadable(member) &&
           std::all_of(list_.begin(), list_.end(), [&](const kafka::HostedPartition* hosted) {
             const partition::Partition& log = *hosted->partition;
             return log.member_position(member) >= log.log_end() && log.has_dropped_all(member);
           });
  }

 private:
  const State& state_;
  const Links& links_;
  std::vector<kafka::HostedPartition*> list_;
};

void LedGroup::lead(kafka::Broker& broker, kafka::HostedPartition& hosted, Offset floor,
                    bool held) {
  const State& state = broker.control.state();
  const Leadership& leadership = state.leadership(term_.group);
  partition::Lead lead;
  lead.epoch = term_.epoch;
  lead.floor = floor;
  lead.ceiling = state.ceilings(term_.group, hosted.topic_id).ceiling(hosted.index);
  lead.with_loss = leadership.opened_with == control::OpenedWith::kLossy;
  broker.partitions.call(hosted, broker.effects, [&](auto& partition, auto& out) {
    partition.lead(broker.now, lead, out);
    exposure_.added(hosted.route, partition);
    partition.set_blocked(blocked_);
    partition.set_tombstones_may_go(tombstones_may_go_);
    if (held) partition.hold_commits(true, out);
    if (opened_) partition.require(broker.now, required_, out);
    partition.set_successor(successor_, out);
    partition.set_last_copy(last_copy());
  });
  routes_.insert(hosted.route);
}

void LedGroup::refresh(kafka::Broker& broker) {
  const State& state = broker.control.state();
  const Leadership& held = state.leadership(term_.group);
  if (held.epoch != term_.epoch) return;
  // What was acknowledged since copies lack, but before that was noted, is in no count.
  exposure_.follow(broker, term_, routes_, /*late=*/unnoted_);
  unnoted_ = held.open && !control::is_state_noted(state, term_.group);
  if (held.open || planted(PlantedBug::kAckBeforeOpen)) {
    std::vector<NodeId> required = nodes_of(state, held.sync);
    if (held.joining) required.push_back(counted_as(state, *held.joining));
    if (!opened_ || required != required_) require(broker, std::move(required));
  }
  const auto& draining = held.draining;
  set_successor(broker, draining ? std::optional(draining->target) : std::nullopt);
  replication::Term term;
  term.epoch = held.epoch;
  term.open = held.open;
  term.sync = nodes_of(state, held.sync);
  if (held.joining) term.joining = counted_as(state, *held.joining);
  term.members = control::followers(state, term_.group, term_.leader.node, /*leaving=*/false);
  term.leaving = control::followers(state, term_.group, term_.leader.node, /*leaving=*/true);
  members_ = term.members;
  replication::SyncPolicy policy = sync_policy(state, held, term_.group);
  lag_limit_ = control::wanted_lag_limit(state, term_.group, held);
  if (lag_limit_) policy.max_lag = counted(state, *lag_limit_);
  for (const kafka::Route route : routes_) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted != nullptr) hosted->partition->set_last_copy(last_copy());
  }
  leader_.set_term(broker.now.instant, term, policy,
                   Partitions(state, broker.partitions, routes_, links_));
  look(broker);
}

std::optional<NodeId> LedGroup::last_copy() const {
  if (!lag_limit_ || lag_limit_->among.size() != 1) return std::nullopt;
  return lag_limit_->among.front().node;
}

void LedGroup::require(kafka::Broker& broker, std::vector<NodeId> members) {
  opened_ = true;
  required_ = std::move(members);
  for (const kafka::Route route : routes_) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted == nullptr) continue;
    broker.partitions.call(*hosted, broker.effects, [&](auto& partition, auto& out) {
      partition.require(broker.now, required_, out);
    });
  }
}

void LedGroup::set_successor(kafka::Broker& broker, std::optional<NodeId> successor) {
  if (successor_ == successor) return;
  successor_ = successor;
  for (const kafka::Route route : routes_) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted == nullptr) continue;
    broker.partitions.call(*hosted, broker.effects, [&](auto& partition, auto& out) {
      partition.set_successor(successor_, out);
    });
  }
}

bool LedGroup::wants_looks(const State& state) const {
  const Leadership& held = state.leadership(term_.group);
  return !held.open || held.joining || (held.draining && !held.draining->drained);
}

void LedGroup::look(kafka::Broker& broker) {
  const Leadership& held = broker.control.state().leadership(term_.group);
  if (held.epoch != term_.epoch) return;
  const Partitions partitions(broker.control.state(), broker.partitions, routes_, links_);
  const auto wish = leader_.look(broker.now.instant, partitions);
  set_blocked(broker, stopped_writes_ || leader_.blocked() || held.draining.has_value());
  // Whoever may yet stay in the cluster has to pass them, too.
  const bool may_go = leader_.all_caught_up() && !somebody_leaves(broker.control.state());
  if (std::exchange(tombstones_may_go_, may_go) != may_go) {
    for (const kafka::Route route : routes_) {
      kafka::HostedPartition* hosted = broker.partitions.find(route);
      if (hosted != nullptr) hosted->partition->set_tombstones_may_go(tombstones_may_go_);
    }
  }
  reserve(broker);
  exposure_.look(broker, term_);
  if (pending_->change) return;
  if (held.open && held.draining) {
    const NodeId target = held.draining->target;
    if (successor_ != target) return;  // the partitions were not told of it yet
    // Who has become another member since holds it as that one.
    const control::Members now = members_of(broker.control.state(), {target});
    const bool named = !now.empty() && control::contains(held.sync, now.front());
    const bool done = held.draining->drained && named;
    if (!done && partitions.committed_all() && partitions.held_by(target)) {
      finish_draining(broker, held);
    }
    return;
  }
  if (wish) return carry_out(broker, *wish);
  if (unnoted_) {
    return propose(broker, [term = term_, now = broker.now.wall](const State& state) {
      return control::decide_note_state(state, term, now);
    });
  }
  promise_lag(broker, held);
}

// The limit that was looked at, and not the one of the state in which the proposal is decided.
void LedGroup::promise_lag(kafka::Broker& broker, const Leadership& held) {
  if (!held.open || held.lag_limit == lag_limit_ || !leader_.keeps_max_lag()) return;
  propose(broker, [term = term_, limit = lag_limit_](const State& state) {
    return control::decide_promise_lag(state, term, limit);
  });
}

void LedGroup::stop_writes(kafka::Broker& broker, bool stopped) {
  if (std::exchange(stopped_writes_, stopped) == stopped) return;
  look(broker);
}

bool LedGroup::is_quiet(kafka::PartitionTable& partitions) const {
  return std::all_of(routes_.begin(), routes_.end(), [&](kafka::Route route) {
    const kafka::HostedPartition* hosted = partitions.find(route);
    return hosted == nullptr || hosted->partition->unsettled() == 0;
  });
}

bool LedGroup::is_unreadable(const kafka::Broker& broker, NodeId member) const {
  return Partitions(broker.control.state(), broker.partitions, routes_, links_)
      .is_unreadable(member);
}

bool LedGroup::holds_all(const kafka::Broker& broker, NodeId member) const {
  return Partitions(broker.control.state(), broker.partitions, routes_, links_).held_by(member);
}

admin::LedGroupStatus LedGroup::status(kafka::PartitionTable& partitions) const {
  admin::LedGroupStatus status;
  status.group = term_.group;
  status.epoch = term_.epoch;
  status.blocked = blocked_;
  status.exposure = leader_.exposure();
  status.short_for = exposure_.lasts();
  status.short_records = exposure_.records();
  status.short_bytes = exposure_.bytes();
  for (const NodeId member : members_) {
    status.members.push_back({member, links_.has_follower(member), int64_t{0}});
  }
  for (const kafka::Route route : routes_) {
    const kafka::HostedPartition* hosted = partitions.find(route);
    if (hosted == nullptr) continue;
    const partition::Partition& log = *hosted->partition;
    Offset best = log.log_start();
    for (admin::MemberStatus& member : status.members) {
      const Offset held = log.member_position(member.node);
      if (held.value < 0 || !member.lag_records) {
        member.lag_records.reset();
      } else {
        *member.lag_records += log.log_end() - held;
      }
      best = std::max(best, held);
    }
    const int64_t exposed = std::max<int64_t>(log.high_watermark() - best, 0);
    const int64_t records = std::max<int64_t>(log.log_end() - log.log_start(), 1);
    const auto mean = static_cast<int64_t>(log.size_bytes()) / records;
    status.exposed_records += exposed;
    status.exposed_bytes += exposed * mean;
  }
  return status;
}

// --- proposals -----------------------------------------------------------------------------------

template <typename Decide>
void LedGroup::propose(kafka::Broker& broker, Decide decide) {
  pending_->change = true;
  kafka::propose<Leadership>(
      broker, std::move(decide),
      [pending = pending_, group = term_.group, epoch = term_.epoch](
          kafka::Broker& late, const tl::expected<Leadership, control::Refusal>& done) {
        pending->change = false;
        if (done) return;
        // It is tried again at the next look, with what holds then.
        late.effects.add(port::LogLine{port::Severity::kWarning, "sync_set_not_changed",
                                       fmt::format("failover group '{}' in epoch {}: {}", group,
                                                   epoch.value, done.error().message)});
      });
}

control::Members LedGroup::members_of(const State& state, const std::vector<NodeId>& nodes) const {
  control::Members members;
  for (const NodeId node : nodes) {
    if (const control::Node* known = state.find_node(node)) {
      members = control::with(std::move(members), {node, known->incarnation});
    }
  }
  return members;
}

void LedGroup::carry_out(kafka::Broker& broker, const replication::Wish& wish) {
  const State& now_held = broker.control.state();
  const WallTime now = broker.now.wall;
  const control::Term& term = term_;
  const auto member = [&](NodeId node) {
    const control::Members one = members_of(now_held, {node});
    return one.empty() ? control::Member{node, {}} : one.front();
  };
  if (const auto* open = std::get_if<replication::OpenEpoch>(&wish)) {
    return propose(broker,
                   [term, now, sync = members_of(now_held, open->sync)](const State& state) {
                     return control::decide_open_epoch(state, term, sync, now);
                   });
  }
  if (const auto* begin = std::get_if<replication::BeginJoining>(&wish)) {
    return propose(broker, [term, now, joining = member(begin->member)](const State& state) {
      return control::decide_begin_joining(state, term, joining, now);
    });
  }
  if (const auto* abandon = std::get_if<replication::AbandonJoining>(&wish)) {
    const auto& joining = now_held.leadership(term.group).joining;
    if (!joining || counted_as(now_held, *joining) != abandon->member) return;
    return propose(broker, [term, now, joining = *joining](const State& state) {
      return control::decide_shrink_sync(state, term, joining, now);
    });
  }
  const auto in_sync = [&](NodeId node) {
    for (const control::Member& each : now_held.leadership(term.group).sync) {
      if (counted_as(now_held, each) == node) return each;
    }
    return member(node);
  };
  if (const auto* shrink = std::get_if<replication::ShrinkSync>(&wish)) {
    if (planted(PlantedBug::kShrinkBeforeCommit)) {
      std::vector<NodeId> rest = required_;
      std::erase(rest, shrink->member);
      require(broker, std::move(rest));
    }
    return propose(broker, [term, now, leaving = in_sync(shrink->member)](const State& state) {
      return control::decide_shrink_sync(state, term, leaving, now);
    });
  }
  const auto& finish = std::get<replication::FinishJoining>(wish);
  if (!finish.instead_of) {
    return propose(broker, [term, now](const State& state) {
      return control::decide_finish_joining(state, term, now);
    });
  }
  propose(broker, [term, now, leaving = in_sync(*finish.instead_of)](const State& state) {
    return control::decide_exchange_sync(state, term, leaving, now);
  });
}

void LedGroup::finish_draining(kafka::Broker& broker, const Leadership& held) {
  const control::Node* node = broker.control.state().find_node(held.draining->target);
  if (node == nullptr) return;
  propose(broker, [term = term_, operation = held.draining->operation,
                   target = control::Member{node->id, node->incarnation}](const State& state) {
    return control::decide_finish_draining_to(state, term, operation, target);
  });
}

// --- what the partitions are told ----------------------------------------------------------------

void LedGroup::set_blocked(kafka::Broker& broker, bool blocked) {
  if (blocked_ == blocked) return;
  blocked_ = blocked;
  for (const kafka::Route route : routes_) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted != nullptr) hosted->partition->set_blocked(blocked);
  }
}

void LedGroup::hold_commits(kafka::Broker& broker, bool held) {
  for (const kafka::Route route : routes_) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted == nullptr) continue;
    broker.partitions.call(*hosted, broker.effects,
                           [&](auto& partition, auto& out) { partition.hold_commits(held, out); });
  }
}

void LedGroup::reserved(kafka::Broker& broker, const Uuid& topic) {
  const control::Ceilings& ceilings = broker.control.state().ceilings(term_.group, topic);
  for (const kafka::Route route : routes_) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted == nullptr || hosted->topic_id != topic) continue;
    hosted->partition->set_ceiling(ceilings.ceiling(hosted->index));
  }
}

// Asks for more offsets in time, for all partitions of a topic at once.
void LedGroup::reserve(kafka::Broker& broker) {
  std::map<Uuid, std::vector<control::CeilingRaise>> raises;
  for (const kafka::Route route : routes_) {
    const kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted == nullptr || pending_->reserving.contains(hosted->topic_id)) continue;
    const Offset next = hosted->partition->next_offset();
    if (next + kCeilingLow <= hosted->partition->ceiling()) continue;
    raises[hosted->topic_id].push_back({hosted->index, next + kCeilingBlock});
  }
  for (auto& [topic, list] : raises) {
    pending_->reserving.insert(topic);
    kafka::propose<control::Ceilings>(
        broker,
        [term = term_, id = topic,
         wanted = std::move(list)](const State& now_held) -> control::Decided<control::Ceilings> {
          const control::Topic* found = now_held.find_topic(id);
          if (found == nullptr) return control::Decision<control::Ceilings>{};  // deleted
          return control::decide_raise_ceilings(now_held, term, *found, wanted);
        },
        [pending = pending_, id = topic](kafka::Broker&,
                                         const tl::expected<control::Ceilings, control::Refusal>&) {
          pending->reserving.erase(id);
        });
  }
}

}  // namespace magpie::node
