#include "failover/failover_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/replication.h"

namespace magpie::failover::testing {
namespace {

constexpr int64_t kCeilingBlock = 50;
const char* const kGroups[] = {"pay", "logs"};

control::Node registered(int32_t id) {
  control::Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 1}, {}, "0.1"};
  node.incarnation.bytes.fill(static_cast<uint8_t>(id));
  return node;
}

Uuid topic_of(const std::string& group) {
  Uuid id;
  id.bytes.fill(static_cast<uint8_t>(group.front()));
  return id;
}

}  // namespace

World::World(uint64_t seed) : random(seed) {
  for (int32_t id = 1; id <= 3; ++id) {
    const control::Node node = registered(id);
    commit(control::decide_register_node(truth_, node));
    SimNode& sim = nodes_[NodeId{id}];
    sim.member = {node.id, node.incarnation};
    sim.region = node.region;
    restart(id);
  }
  commit(control::decide_register_region(truth_, {"w", control::RegionRole::kWitness}));
  for (const std::string name : kGroups) {
    control::FailoverGroup group = *control::preset(name == "pay" ? "standard" : "bulk");
    group.name = name;
    group.regions = {"r1", "r2", "r3"};
    group.priority = name == "pay" ? 1 : 2;
    commit(control::decide_create_group(truth_, group));
    commit(control::Transaction{
        {},
        {{control::topic_key("t-" + name),
          R"({"v":1,"id":")" + to_string(topic_of(name)) + R"(","placement":[1]})"},
         {control::topic_configs_key("t-" + name),
          R"({"v":1,"configs":{"magpie.failover.group":")" + name + R"("}})"}}});
    copies_[name] = {};
    commit(
        control::decide_take_leadership(truth_, name, nodes_[NodeId{1}].member, now.wall, false));
  }
  run(Duration::seconds(2));
  settled_ = true;
}

World::~World() = default;

template <typename Answer>
bool World::commit(const control::Decided<Answer>& decided) {
  if (!decided) return false;
  commit(decided->transaction);
  return true;
}

void World::commit(const control::Transaction& transaction) {
  if (transaction.empty()) return;
  const control::State before = truth_;
  ASSERT_TRUE(truth_.allows(transaction));
  const auto applied = truth_.apply(truth_.revision() + 1, transaction.changes);
  ASSERT_TRUE(applied) << applied.error().message;
  history_.push_back(transaction.changes);
  check_moves(before);
  if (after_commit) after_commit();
}

void World::check_moves(const control::State& before) {
  for (const std::string group : kGroups) {
    const control::Leadership& was = before.leadership(group);
    const control::Leadership& is = truth_.leadership(group);
    if (was.leader == is.leader || !was.exists()) continue;
    ++moves_[group];
    int said = 0;
    for (const auto& [id, operation] : truth_.operations()) {
      const auto* record = control::find_group(operation, group);
      if (record == nullptr || record->new_epoch != is.epoch) continue;
      ++said;
      EXPECT_EQ(record->new_leader, is.leader);
      EXPECT_EQ(record->old_leader, was.leader);
      EXPECT_EQ(record->fenced, was.promotable);
      check_loss(*record);
    }
    EXPECT_EQ(said, 1) << "a leadership moved without an operation's record";
    follow(group);
  }
}

void World::check_loss(const control::OperationGroup& record) {
  const int64_t held = nodes_.at(record.new_leader.node).ends[record.group];
  Copies& copies = copies_[record.group];
  const int64_t lost = std::max<int64_t>(0, copies.acknowledged - held);
  ASSERT_TRUE(record.loss);
  if (record.loss->kind == control::LossKind::kZero) {
    EXPECT_EQ(lost, 0) << record.group;
  }
  if (record.loss->records_min) {
    EXPECT_GE(lost, *record.loss->records_min);
  }
  if (record.loss->records_max) {
    EXPECT_LE(lost, *record.loss->records_max);
  }
  copies.acknowledged = std::min(copies.acknowledged, held);
}

// --- nodes ---------------------------------------------------------------------------------------

void World::crash(int32_t id) {
  SimNode& node = nodes_.at(NodeId{id});
  if (node.machine == nullptr) return;
  node.machine.reset();
  ++node.life;
  node.questions.clear();
  // What it had sent may arrive; what waited behind that is gone.
  if (node.proposals.size() > 1) node.proposals.resize(1);
  if (random.chance(1, 2)) node.proposals.clear();
  node.lease_ends = now.instant + Duration::milliseconds(random.between(2'000, 4'000));
}

void World::restart(int32_t id) {
  SimNode& node = nodes_.at(NodeId{id});
  if (node.machine != nullptr) return;
  node.lease_ends.reset();
  node.machine = std::make_unique<Operations>(node.member, config);
  commit(control::Transaction{
      {}, {{control::alive_key(NodeId{id}), control::encode_alive(node.member.incarnation)}}});
  for (const std::string group : kGroups) {
    if (!renews || truth_.leadership(group).leader != node.member) continue;
    commit(control::decide_renew_epoch(truth_, group, node.member, now.wall));
  }
  catch_up(node, truth_.revision());
}

void World::catch_up(SimNode& node, control::Revision revision) {
  while (node.view.revision() < revision) {
    const auto& changes = history_[static_cast<size_t>(node.view.revision())];
    ASSERT_TRUE(node.view.apply(node.view.revision() + 1, changes));
  }
}

void World::deliver(SimNode& node, const Event& event) {
  if (node.machine == nullptr) return;
  Output out;
  node.machine->step(now, node.view, event, out);
  take(node, out);
}

void World::take(SimNode& node, Output& out) {
  for (Proposal& proposal : out.proposals) node.proposals.push_back({node.life, proposal});
  for (Question& question : out.questions) {
    const Instant due = now.instant + Duration::milliseconds(random.between(10, 200));
    node.questions.push_back({node.life, std::move(question), due});
  }
  for (port::LogLine& line : out.lines) lines.push_back(std::move(line));
}

// The first proposal of a node, decided again until nobody was faster.
void World::carry_out(SimNode& node) {
  if (node.proposals.empty()) return;
  const Pending pending = std::move(node.proposals.front());
  node.proposals.pop_front();
  auto decided = pending.proposal.decide(node.view);
  if (decided && !truth_.allows(*decided)) {
    catch_up(node, truth_.revision());
    decided = pending.proposal.decide(node.view);
  }
  const uint64_t life = node.life;
  if (decided) commit(*decided);
  if (pending.life != node.life || life != node.life) return;  // it was crashed meanwhile
  catch_up(node, truth_.revision());
  ProposalSettled settled{pending.proposal.ticket, std::nullopt};
  if (!decided) settled.refusal = decided.error();
  deliver(node, settled);
}

Answer World::answer_of(const Question& question) {
  if (question.node.value < 0) {
    const auto* accept = std::get_if<wire::LinkAccept>(&question.ask);
    if (accept == nullptr) return Unreachable{};
    return wire::LinkAcceptAnswer{accept->number, true, accept->epoch, 0};
  }
  SimNode& asked = nodes_.at(question.node);
  if (asked.machine == nullptr || silent == question.node.value) return Unreachable{};
  if (const auto* accept = std::get_if<wire::LinkAccept>(&question.ask)) {
    LeaderEpoch& accepted = asked.accepted.try_emplace(accept->group, kNoLeaderEpoch).first->second;
    const bool good = accept->epoch >= accepted.value;
    accepted.value = std::max(accepted.value, accept->epoch);
    return wire::LinkAcceptAnswer{accept->number, good, accepted.value, 0};
  }
  if (says_nothing_of_its_logs == question.node.value) return Unreachable{};
  const auto& look = std::get<wire::LinkInspect>(question.ask);
  wire::LinkInspectAnswer answer;
  answer.number = look.number;
  answer.group = look.group;
  wire::LinkInspectAnswerPartition partition;
  partition.topic_id = topic_of(look.group);
  partition.durable_end = asked.ends[look.group];
  partition.high_watermark =
      std::min(partition.durable_end, copies_[look.group].acknowledged) +
      (exaggerates.contains(question.node.value) ? exaggerates[question.node.value] : 0);
  answer.partitions.push_back(partition);
  return answer;
}

void World::answer(SimNode& node) {
  for (size_t i = 0; i < node.questions.size(); ++i) {
    if (node.questions[i].due > now.instant) continue;
    const Asked asked = std::move(node.questions[i]);
    node.questions.erase(node.questions.begin() + static_cast<ptrdiff_t>(i));
    if (asked.life != node.life) return;
    deliver(node, Answered{asked.question.ticket, answer_of(asked.question)});
    return;
  }
}

// --- what leaders, followers and clients do ------------------------------------------------------

void World::lead(const std::string& group) {
  const control::Leadership& led = truth_.leadership(group);
  SimNode& leader = nodes_.at(led.leader.node);
  if (leader.machine == nullptr) return;
  const control::Term term{group, led.epoch, led.leader};
  control::Members others;
  for (const auto& [id, node] : nodes_) {
    if (node.machine != nullptr && id != led.leader.node) others = with(others, node.member);
  }
  const size_t wanted = group == "pay" ? 1 : 0;
  if (!led.open) {
    if (never_open) return;
    if (others.size() > wanted) others.resize(wanted);
    // Whoever is to be in sync holds what the leader does when the epoch opens.
    for (const auto& member : others) nodes_.at(member.node).ends[group] = leader.ends[group];
    commit(control::decide_open_epoch(truth_, term, others, now.wall));
    return;
  }
  for (const control::Member& member : led.sync) {
    if (nodes_.at(member.node).machine != nullptr) continue;
    commit(control::decide_shrink_sync(truth_, term, member, now.wall));
    return;
  }
  if (led.draining && !led.draining->drained && !never_drained) {
    const control::Draining draining = *led.draining;
    SimNode& target = nodes_.at(draining.target);
    if (target.machine == nullptr) return;
    target.ends[group] = leader.ends[group];
    commit(control::decide_finish_draining_to(truth_, term, draining.operation, target.member));
    return;
  }
  if (led.joining) {
    nodes_.at(led.joining->node).ends[group] = leader.ends[group];
    commit(control::decide_finish_joining(truth_, term, now.wall));
  } else if (led.sync.size() < wanted && !others.empty()) {
    commit(control::decide_begin_joining(truth_, term, others.front(), now.wall));
  }
}

void World::write(const std::string& group) {
  const control::Leadership& led = truth_.leadership(group);
  SimNode& leader = nodes_.at(led.leader.node);
  if (leader.machine == nullptr || !led.open || led.draining) return;
  Copies& copies = copies_[group];
  const control::Topic& topic = *truth_.find_topic("t-" + group);
  const control::Term term{group, led.epoch, led.leader};
  int64_t& end = leader.ends[group];
  if (end >= copies.ceiling) {
    copies.ceiling = end + kCeilingBlock;
    commit(control::decide_raise_ceilings(truth_, term, topic,
                                          {{PartitionIndex{0}, Offset{copies.ceiling}}}));
    return;
  }
  ++end;
  bool all = true;
  for (const control::Member& member : led.sync) {
    SimNode& other = nodes_.at(member.node);
    all = all && other.machine != nullptr;
    if (other.machine != nullptr) other.ends[group] = end;
  }
  if (led.joining && nodes_.at(led.joining->node).machine == nullptr) all = false;
  if (all) copies.acknowledged = end;
}

// Those that are not in sync get what the leader holds after a while.
void World::follow(const std::string& group) {
  const control::Leadership& led = truth_.leadership(group);
  if (!is_up(led.leader.node.value)) return;
  const int64_t end = nodes_.at(led.leader.node).ends[group];
  for (auto& [id, node] : nodes_) {
    if (node.machine == nullptr) continue;
    int64_t& own = node.ends[group];
    own = own > end
              ? end
              : own + static_cast<int64_t>(random.below(static_cast<uint64_t>(end - own + 1)));
  }
}

// --- time ----------------------------------------------------------------------------------------

void World::act() {
  const auto step = Duration::milliseconds(random.between(1, 40));
  now.instant = now.instant + step;
  now.wall.millis += step.to_milliseconds();
  for (auto& [id, node] : nodes_) {
    if (!node.lease_ends || *node.lease_ends > now.instant) continue;
    node.lease_ends.reset();
    commit(control::Transaction{{}, {{control::alive_key(id), std::nullopt}}});
  }
  for (auto& [id, node] : nodes_) {
    if (random.chance(1, 2)) carry_out(node);
    if (random.chance(1, 2)) answer(node);
    if (node.machine == nullptr) continue;
    if (random.chance(1, 2)) catch_up(node, truth_.revision());
    if (random.chance(1, 2) || node.machine->next_deadline() <= now.instant) deliver(node, Look{});
  }
  for (const std::string group : kGroups) {
    if (random.chance(1, 3)) write(group);
    if (random.chance(1, 4)) lead(group);
    if (random.chance(1, 10)) follow(group);
  }
}

void World::run(Duration time) {
  const Instant end = now.instant + time;
  while (now.instant < end) act();
}

bool World::run_until_over(Duration time) {
  const Instant end = now.instant + time;
  const auto over = [&] {
    const auto& all = truth_.operations();
    return std::all_of(all.begin(), all.end(),
                       [](const auto& entry) { return control::is_over(entry.second); });
  };
  while (now.instant < end && !over()) act();
  if (over()) run(Duration::seconds(1));  // the ends are logged
  return over();
}

std::string World::begin(int32_t node, const control::OperationRequest& request) {
  const control::Member& executor = nodes_.at(NodeId{node}).member;
  const auto decided = control::decide_begin_operation(truth_, request, executor, now.wall);
  if (!decided) return decided.error().message;
  commit(decided->transaction);
  return "";
}

void World::abandon(control::OperationId id) {
  commit(control::decide_abandon_operation(truth_, id, "test", now.wall));
}

const control::OperationGroup& World::group(control::OperationId id,
                                            const std::string& name) const {
  return *control::find_group(truth_.operations().at(id), name);
}

int World::moves(const std::string& group) const {
  const auto found = moves_.find(group);
  return found == moves_.end() ? 0 : found->second;
}

int64_t World::held(int32_t node, const std::string& group) const {
  return nodes_.at(NodeId{node}).ends.at(group);
}

}  // namespace magpie::failover::testing
