#include "sim/operator.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "control/keys.h"
#include "control/promotion.h"
#include "control/replication.h"

namespace magpie::sim {
namespace {

constexpr Duration kLookPause = Duration::milliseconds(100);
constexpr Duration kSwitchoverLimit = Duration::seconds(15);
// How long a person waits for a group whose new leader does not lead.
constexpr Duration kUnopenedLimit = Duration::seconds(30);

template <typename Decided>
tl::expected<control::Transaction, control::Refusal> transaction_of(Decided decided) {
  if (!decided) return tl::unexpected<control::Refusal>(decided.error());
  return std::move(decided->transaction);
}

}  // namespace

Operator::Operator(Scene& scene, const RegionKnobs& knobs, Cluster& cluster)
    : scene_(scene),
      knobs_(knobs),
      cluster_(cluster),
      random_(scene.random.fork()),
      requester_(scene, knobs, cluster) {}

void Operator::start() {
  act_now_and_then();
  look_after();
}

void Operator::act_now_and_then() {
  const int64_t rate = knobs_.operation_every.nanos;
  scene_.queue.after(Duration::nanoseconds(random_.between(rate / 4, rate * 7 / 4)), [this] {
    if (scene_.healed) return;
    // Nobody changes anything in a store that has gone back.
    if (!cluster_.store().is_rolled_back()) {
      const control::State state = cluster_.state();
      std::vector<std::string> groups;
      std::vector<std::string> lost;
      if (knobs_.lone_leader_every != Duration{} && fail_over_lone_leader(state)) {
        return act_now_and_then();
      }
      for (const auto& [name, group] : state.groups()) {
        const control::Leadership& term = state.leadership(name);
        if (!term.exists()) continue;
        groups.push_back(name);
        if (!cluster_.is_alive(state, term.leader.node)) lost.push_back(name);
      }
      // People look first after what does not work.
      if (!lost.empty() && random_.chance(2, 3)) groups = std::move(lost);
      if (!groups.empty()) act(groups[random_.below(groups.size())], state);
    }
    act_now_and_then();
  });
}

// A group whose leader alone held what is acknowledged, and is gone or out of reach.
bool Operator::fail_over_lone_leader(const control::State& state) {
  for (const auto& [name, group] : state.groups()) {
    const control::Leadership& term = state.leadership(name);
    if (group.copies > 0 || !term.exists()) continue;
    if (cluster_.is_alive(state, term.leader.node)) continue;
    ++operations_;
    requester_.fail_over_with_loss(name);
    return true;
  }
  return false;
}

void Operator::look_after() {
  scene_.queue.after(kLookPause, [this] {
    if (scene_.healed && ++looks_ % 5 == 0) settle();
    if (!cluster_.store().is_rolled_back()) {
      for (auto it = switchovers_.begin(); it != switchovers_.end();) {
        const auto here = it++;
        continue_switchover(here->first, here->second);
      }
      if (knobs_.requests) requester_.look_after(control::State(cluster_.state()));
    }
    look_after();
  });
}

void Operator::act(const std::string& group, const control::State& state) {
  const control::Leadership& term = state.leadership(group);
  const bool well = cluster_.is_alive(state, term.leader.node);
  const bool planned = well && (!knobs_.hasty_operator || random_.chance(1, 2));
  if (knobs_.requests) {
    ++operations_;
    return planned ? requester_.switch_over(group, state) : requester_.fail_over(group, state);
  }
  if (planned) return switch_over(group, state);
  fail_over(group, state);
}

// --- planned -------------------------------------------------------------------------------------

void Operator::switch_over(const std::string& group, const control::State& state) {
  const control::Leadership& term = state.leadership(group);
  if (term.sync.empty() || switchovers_.contains(group)) return;
  const NodeId target = term.sync[random_.below(term.sync.size())].node;
  const std::string operation = fmt::format("op-{}", ++operations_);
  const auto refused = cluster_.store().commit(Cluster::kId, [&](const control::State& now) {
    return transaction_of(control::decide_begin_draining(now, group, operation, target));
  });
  if (refused) return;
  scene_.trace.say(scene_.now(), fmt::format("switchover of {} to node {}", group, target.value));
  scene_.probe("switchover_begun");
  switchovers_[group] = {operation, target, scene_.now()};
}

void Operator::continue_switchover(const std::string& group, Switchover& switchover) {
  const control::State state = cluster_.state();
  const auto& draining = state.leadership(group).draining;
  if (!draining || draining->operation != switchover.operation) {
    scene_.probe("switchover_overtaken");
    switchovers_.erase(group);
    return;
  }
  if (draining->drained && promote(group, switchover.target)) {
    scene_.probe("switchover_done");
    switchovers_.erase(group);
    return;
  }
  const bool impatient = random_.chance(1, 400);
  if (!impatient && !scene_.healed && scene_.now() < switchover.begun + kSwitchoverLimit) return;
  abandon(group, switchover);
  switchovers_.erase(group);
}

void Operator::abandon(const std::string& group, const Switchover& switchover) {
  const auto refused = cluster_.store().commit(Cluster::kId, [&](const control::State& now) {
    return transaction_of(control::decide_abandon_draining(now, group, switchover.operation));
  });
  if (!refused) scene_.probe("switchover_abandoned");
}

// --- forced --------------------------------------------------------------------------------------

bool Operator::promote(const std::string& group, NodeId target) {
  const auto refused = cluster_.store().commit(Cluster::kId, [&](const control::State& now) {
    return transaction_of(control::decide_promote_without_loss(now, group, target, scene_.wall()));
  });
  scene_.trace.say(scene_.now(), fmt::format("promote node {} for {}: {}", target.value, group,
                                             refused ? refused->message : "done"));
  return !refused;
}

void Operator::fail_over(const std::string& group, const control::State& state) {
  const control::Leadership& term = state.leadership(group);
  std::vector<NodeId> targets;
  for (const control::Member& member : term.promotable) {
    if (member.node != term.leader.node) targets.push_back(member.node);
  }
  if (random_.chance(1, 4)) {
    // Somebody tries a node that may lack records, and has to be refused.
    targets = {cluster_.region(random_.below(cluster_.size())).host->id()};
  }
  if (targets.empty()) return;
  ++operations_;
  if (promote(group, targets[random_.below(targets.size())])) {
    scene_.probe("failover_without_loss");
  }
}

void Operator::settle() {
  const control::State state = cluster_.state();
  for (const auto& [name, group] : state.groups()) {
    const control::Leadership& term = state.leadership(name);
    if (!term.exists()) continue;
    const control::Node* leader = state.find_node(term.leader.node);
    const bool there = leader != nullptr && leader->incarnation == term.leader.incarnation;
    if (there && !stays_unopened(name, term)) continue;
    if (is_stranded(state, name)) {
      scene_.probe("group_stranded");
      requester_.fail_over_with_loss(name);
    } else {
      fail_over(name, state);
    }
  }
}

bool Operator::stays_unopened(const std::string& group, const control::Leadership& term) {
  if (term.open || knobs_.damage_every == Duration{}) return false;
  const auto [seen, is_new] = unopened_.try_emplace(group, term.epoch, scene_.now());
  if (seen->second.first != term.epoch) seen->second = {term.epoch, scene_.now()};
  return scene_.now() - seen->second.second > kUnopenedLimit;
}

void Operator::disk_lost(NodeId node) {
  const control::State state = cluster_.state();
  const control::Node* known = state.find_node(node);
  if (known != nullptr) lost_disks_.emplace(known->incarnation, state.revision());
}

// A leader's last request reached the store when its directory was gone: it may have gone on
// without those that were in sync until then.
bool Operator::spoke_late(const control::State& state, const std::string& group) const {
  const auto lost = lost_disks_.find(state.leadership(group).leader.incarnation);
  return lost != lost_disks_.end() && state.modified(control::leadership_key(group)) > lost->second;
}

// Everybody who could lead without loss may have lost what it said it holds.
bool Operator::is_stranded(const control::State& state, const std::string& group) const {
  if (knobs_.fsync.empty() && !spoke_late(state, group)) return false;
  const control::Leadership& term = state.leadership(group);
  return std::none_of(term.promotable.begin(), term.promotable.end(),
                      [&](const control::Member& member) {
                        const control::Node* node = state.find_node(member.node);
                        return node != nullptr && node->incarnation == member.incarnation;
                      });
}

}  // namespace magpie::sim
