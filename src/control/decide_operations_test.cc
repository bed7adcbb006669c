#include "control/decide_operations.h"

#include <gtest/gtest.h>

#include "control/adoption.h"
#include "control/decide_groups.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/operation_values.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

// Three regions with a node each, and a witness. `pay` has a copy in r2, `logs` has none; both are
// led by node 1.
class OperationDecisions : public ::testing::Test {
 protected:
  OperationDecisions() {
    for (int32_t id = 1; id <= 3; ++id) {
      commit(decide_register_node(state_, node(id)));
      set_alive(id, true);
    }
    commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
    create("pay", "critical", 10);
    create("logs", "bulk", 20);
    commit(decide_open_epoch(state_, term("pay"), {member(2)}, {}));
    commit(decide_open_epoch(state_, term("logs"), {}, {}));
  }
  static Node node(int32_t id, uint8_t incarnation = 1) {
    Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(incarnation);
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id).incarnation}; }
  Term term(const std::string& group) const {
    const Leadership& held = state_.leadership(group);
    return {group, held.epoch, held.leader};
  }
  void create(const std::string& name, const char* preset_name, int32_t priority) {
    FailoverGroup group = *preset(preset_name);
    group.name = name;
    group.regions = {"r1", "r2", "r3"};
    group.priority = priority;
    commit(decide_create_group(state_, group));
    commit(decide_take_leadership(state_, name, member(1), {}, false));
  }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    if (decided->transaction.empty()) return;
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  void set_alive(int32_t id, bool alive) {
    std::optional<std::string> value;
    if (alive) value = encode_alive(node(id).incarnation);
    ASSERT_TRUE(state_.apply(state_.revision() + 1, {{alive_key(NodeId{id}), value}}));
  }
  OperationRequest switchover(std::vector<std::string> groups, const char* to) {
    OperationRequest request;
    request.groups = std::move(groups);
    request.to = to;
    request.requested_by = "test";
    return request;
  }
  OperationRequest failover(std::vector<std::string> groups) {
    OperationRequest request = switchover(std::move(groups), "");
    request.kind = OperationKind::kFailover;
    return request;
  }
  Decided<Operation> begin(const OperationRequest& request, WallTime now = {1'000'000}) {
    return decide_begin_operation(state_, request, member(3), now);
  }
  const Operation& last() { return state_.operations().rbegin()->second; }
  StepClaim claim(const std::string& group) {
    return {last().id, last().attempt, last().executor, group, find_group(last(), group)->step};
  }
  const OperationGroup& at(const std::string& group) { return *find_group(last(), group); }
  // The rules and problems that speak against a request, without those that are overridden.
  std::vector<std::string> rules(const OperationRequest& request, WallTime now = {1'000'000}) {
    std::vector<std::string> names;
    for (const Objection& objection : plan_operation(state_, request, now).objections) {
      EXPECT_FALSE(objection.message.empty());
      names.push_back(objection.rule.empty() ? "problem" : objection.rule);
    }
    return names;
  }
  using Names = std::vector<std::string>;

  State state_;
};

TEST_F(OperationDecisions, ASwitchoverDrainsPromotesAndIsDone) {
  commit(begin(switchover({"pay"}, "r2")));
  EXPECT_EQ(last().id, 1);
  EXPECT_EQ(overall_step(last()), "planned");
  EXPECT_EQ(at("pay").target, NodeId{2});
  EXPECT_FALSE(decide_promote_step(state_, claim("pay"), NodeId{2}, {})) << "nothing was drained";
  commit(decide_drain_step(state_, claim("pay"), {2'000}));
  ASSERT_TRUE(state_.leadership("pay").draining);
  EXPECT_EQ(state_.leadership("pay").draining->operation, "1");
  EXPECT_FALSE(decide_promote_step(state_, claim("pay"), NodeId{2}, {})) << "nobody said so";
  commit(decide_finish_draining(state_, term("pay"), "1"));
  commit(decide_promote_step(state_, claim("pay"), NodeId{2}, {3'000}));
  EXPECT_EQ(state_.leadership("pay").leader, member(2));
  EXPECT_FALSE(state_.leadership("pay").failed_over);
  EXPECT_EQ(at("pay").step, OperationStep::kVerifying);
  EXPECT_EQ(at("pay").loss->kind, LossKind::kZero);
  EXPECT_EQ(at("pay").new_epoch, state_.leadership("pay").epoch);
  EXPECT_EQ(at("pay").fenced, (Members{member(1), member(2)}));
  EXPECT_FALSE(decide_fail_step(state_, claim("pay"), "x", {})) << "it cannot be undone";
  EXPECT_FALSE(decide_abandon_operation(state_, 1, "x", {}));
  const std::vector<HeldPartition> held = {
      {"orders", {}, PartitionIndex{0}, Offset{5}, Offset{20}, Offset{19}, false}};
  commit(decide_finish_step(state_, claim("pay"), {held, "", ""}, {4'000}));
  EXPECT_EQ(at("pay").held, (HeldTotals{1, 5, 20, 19}));
  EXPECT_EQ(
      state_.entries().at(certificate_key(1, "pay")).value,
      R"({"fenced":[{"incarnation":"AQEBAQEBAQEBAQEBAQEBAQ","node":1},{"incarnation":)"
      R"("AQEBAQEBAQEBAQEBAQEBAQ","node":2}],"group":"pay","kind":"switchover","moved_at":3000,)"
      R"("new":{"epoch":3,"leader":{"incarnation":"AQEBAQEBAQEBAQEBAQEBAQ","node":2}},)"
      R"("old":{"epoch":1,"leader":{"incarnation":"AQEBAQEBAQEBAQEBAQEBAQ","node":1}},)"
      R"("operation":1,"overrides":[],"partitions":[{"compacted":false,"high_watermark":19,)"
      R"("log_end":20,"log_start":5,"partition":0,"topic":"orders",)"
      R"("topic_id":"AAAAAAAAAAAAAAAAAAAAAA"}],)"
      R"("partitions_omitted":0,"requested_by":"test","statement":{"basis":)"
      R"("node 2 was one of those without whom nothing was acknowledged in epoch 1, as read in )"
      R"(the transaction that began epoch 3","loss":"zero-proven","records_max":0,)"
      R"("records_min":0,"time_max_ms":null},"unverified":null,"v":1,"verified_at":4000})");
  EXPECT_EQ(overall_step(last()), "done");
  std::string steps;
  for (const OperationEvent& event : last().timeline) steps += event.what + " ";
  EXPECT_EQ(steps, "planned draining verifying done ");
}

TEST_F(OperationDecisions, AFailoverThatLosesNothingMovesWithItsBeginning) {
  set_alive(1, false);
  commit(begin(failover({"pay"})));
  EXPECT_EQ(at("pay").step, OperationStep::kVerifying);
  EXPECT_EQ(state_.leadership("pay").leader, member(2));
  EXPECT_TRUE(state_.leadership("pay").failed_over);
  commit(decide_finish_step(state_, claim("pay"), {{}, "node 3 knows more", ""}, {}));
  EXPECT_EQ(at("pay").loss->kind, LossKind::kUnknown) << "it was contradicted";
  EXPECT_EQ(at("pay").error, "node 3 knows more");
}

TEST_F(OperationDecisions, LossMustBeAllowedAndIsStatedAsItIs) {
  set_alive(1, false);
  EXPECT_EQ(rules(failover({"logs"})), Names{"problem"});
  OperationRequest request = failover({"logs"});
  request.allow_loss = true;
  commit(begin(request));
  EXPECT_EQ(at("logs").step, OperationStep::kPlanned);
  EXPECT_EQ(at("logs").target.value, -1);
  commit(decide_fence_step(state_, claim("logs"), {}));
  EXPECT_GT(at("logs").fence_epoch, state_.leadership("logs").epoch);
  LossEstimate estimate;
  EXPECT_FALSE(decide_promote_with_loss_step(state_, claim("logs"), NodeId{2}, estimate, {}))
      << "no site has accepted";
  estimate.acceptances = {{"r2", at("logs").fence_epoch}, {"r3", at("logs").fence_epoch}};
  estimate.records_min = 4;
  estimate.basis = "asked";
  set_alive(1, true);
  EXPECT_FALSE(decide_promote_with_loss_step(state_, claim("logs"), NodeId{2}, estimate, {}))
      << "the old leader may acknowledge";
  set_alive(1, false);
  commit(decide_promote_with_loss_step(state_, claim("logs"), NodeId{2}, estimate, {}));
  EXPECT_EQ(at("logs").loss->kind, LossKind::kUnknown);
  EXPECT_EQ(at("logs").loss->records_min, 4);
  EXPECT_EQ(at("logs").new_leader, member(2));
}

TEST_F(OperationDecisions, OnlyWhatTheLeaderPromisedBoundsALoss) {
  const LagLimit promise{Duration::seconds(5), {member(2), member(3)}};
  commit(decide_promise_lag(state_, term("logs"), promise));
  set_alive(1, false);
  OperationRequest request = failover({"logs"});
  request.allow_loss = true;
  commit(begin(request));
  commit(decide_fence_step(state_, claim("logs"), {}));
  LossEstimate estimate;
  estimate.acceptances = {{"r2", at("logs").fence_epoch}, {"w", at("logs").fence_epoch}};
  const auto kind = [&](const std::optional<LagLimit>& limit) {
    estimate.lag_limit = limit;
    const auto decided =
        decide_promote_with_loss_step(state_, claim("logs"), NodeId{3}, estimate, {});
    return decided ? decided->answer.groups[0].loss->kind : LossKind::kZero;
  };
  EXPECT_EQ(kind(promise), LossKind::kBounded);
  EXPECT_EQ(kind({}), LossKind::kUnknown) << "another node may have been further, or was emptied";
  EXPECT_EQ(kind(LagLimit{Duration::seconds(5), {member(2)}}), LossKind::kUnknown)
      << "asked when it had promised something else";
  EXPECT_EQ(kind(LagLimit{Duration::seconds(4), promise.among}), LossKind::kUnknown);
  // After an adoption that could not tell who had led (adoption.h).
  State adopted = state_;
  Leadership nobody = state_.leadership("logs");
  nobody.leader.incarnation = kNobodysIncarnation;
  nobody.promotable = {nobody.leader};
  nobody.sync = {};
  nobody.open = false;
  nobody.lag_limit.reset();
  ASSERT_TRUE(
      adopted.apply(state_.revision() + 1, {{leadership_key("logs"), encode_leadership(nobody)}}));
  estimate.lag_limit = promise;
  const auto unseen =
      decide_promote_with_loss_step(adopted, claim("logs"), NodeId{3}, estimate, {});
  ASSERT_TRUE(unseen) << unseen.error().message;
  EXPECT_EQ(unseen->answer.groups[0].loss->kind, LossKind::kUnknown);
  // A copy that may have lost what it told the leader (directory_opening.h).
  State renewed = state_;
  Node weak = node(2, 2);
  weak.directory = node(2).incarnation;
  ASSERT_TRUE(renewed.apply(state_.revision() + 1, {{node_key(NodeId{2}), encode_node(weak)}}));
  const auto doubted =
      decide_promote_with_loss_step(renewed, claim("logs"), NodeId{3}, estimate, {});
  ASSERT_TRUE(doubted) << doubted.error().message;
  EXPECT_EQ(doubted->answer.groups[0].loss->kind, LossKind::kUnknown);

  commit(decide_promote_with_loss_step(state_, claim("logs"), NodeId{3}, estimate, {}));
  EXPECT_EQ(at("logs").loss->time_max, Duration::seconds(6)) << "a leader looks only now and then";
}

TEST_F(OperationDecisions, AFailoverThatDidNotHappenLeavesAnEpochThatSitesMayHaveAccepted) {
  set_alive(1, false);
  OperationRequest request = failover({"logs"});
  request.allow_loss = true;
  commit(begin(request));
  commit(decide_fence_step(state_, claim("logs"), {}));
  EXPECT_EQ(abandoned_fence(state_, "logs"), kNoLeaderEpoch) << "it may still happen";
  commit(decide_abandon_operation(state_, state_.operations().rbegin()->first, "anna", {}));
  EXPECT_GT(abandoned_fence(state_, "logs"), state_.leadership("logs").epoch);
  EXPECT_EQ(abandoned_fence(state_, "pay"), kNoLeaderEpoch);
  set_alive(1, true);
  commit(decide_renew_epoch(state_, "logs", member(1), {}));
  EXPECT_GE(state_.leadership("logs").epoch, abandoned_fence(state_, "logs"));
}

TEST_F(OperationDecisions, SafetyRulesRefuseAndCanBeOverriddenByName) {
  EXPECT_EQ(rules(switchover({"pay"}, "r2")), Names{});
  EXPECT_EQ(rules(switchover({"pay"}, "r3")), Names{}) << "how far it is behind is asked later";
  EXPECT_EQ(rules(switchover({"logs"}, "r3")), Names{}) << "groups without copies have no sync set";
  set_alive(2, false);
  EXPECT_EQ(rules(switchover({"pay"}, "r2")), Names{"last-healthy-region"});
  set_alive(2, true);

  set_alive(1, false);
  OperationRequest other = failover({"pay"});
  other.to = "r3";
  EXPECT_EQ(rules(other), Names{"problem"}) << "loss was not allowed";
  other.allow_loss = true;
  EXPECT_EQ(rules(other), Names{"not-in-sync"});
  const auto refused = begin(other);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("Override with: not-in-sync"), std::string::npos)
      << refused.error().message;
  other.overrides = {"not-in-sync"};
  commit(begin(other));
  EXPECT_EQ(rules(failover({"pay"})), Names{"operation-running"});

  OperationRequest instead = failover({"pay"});
  instead.overrides = {"operation-running"};
  commit(begin(instead));
  EXPECT_EQ(find_group(state_.operations().at(1), "pay")->step, OperationStep::kAbandoned);
  EXPECT_EQ(rules(failover({"pay"})), (Names{"problem", "operation-running"}))
      << "nobody else holds everything, and its new leader may never open its epoch";
  commit(decide_open_epoch(state_, term("pay"), {member(3)}, {}));
  EXPECT_EQ(rules(failover({"pay"})), Names{"problem"}) << "it is verified within seconds";
  commit(decide_finish_step(state_, claim("pay"), {}, {1'000'000}));
  EXPECT_EQ(rules(failover({"pay"}), {1'030'000}), Names{"cooldown"});
  EXPECT_EQ(rules(failover({"pay"}), {1'090'000}), Names{});
}

TEST_F(OperationDecisions, RequestsThatMakeNoSenseAreRefused) {
  EXPECT_EQ(rules(switchover({"mars"}, "r2")), Names{"problem"});
  EXPECT_EQ(rules(switchover({"pay"}, "mars")), Names{"problem"});
  EXPECT_EQ(rules(switchover({"pay"}, "")), Names{"problem"});
  EXPECT_EQ(rules(switchover({}, "r2")), Names{"problem"});
  EXPECT_EQ(rules(switchover({"pay"}, "r1")), Names{"problem"}) << "it is there already";
  EXPECT_EQ(rules(switchover({"pay"}, "w")), Names{"problem"}) << "a witness holds nothing";
  OperationRequest request = switchover({}, "r2");
  request.from = "r3";
  EXPECT_EQ(rules(request), Names{"problem"}) << "it leads nothing";
  request.from = "r1";
  EXPECT_EQ(plan_operation(state_, request, {}).groups.size(), 2u);
  EXPECT_EQ(plan_operation(state_, request, {}).groups[0].group, "pay") << "lower priority first";
  request.overrides = {"gravity"};
  EXPECT_EQ(rules(request), Names{"problem"});
  EXPECT_EQ(rules(switchover({"default"}, "r2")), Names{"problem"}) << "it was never led";
}

TEST_F(OperationDecisions, ADrainedLeaderTakesWritesAgainWhenItIsGivenUp) {
  commit(begin(switchover({"pay"}, "r2")));
  commit(decide_drain_step(state_, claim("pay"), {}));
  auto held = state_;
  commit(decide_abandon_operation(state_, 1, "op", {}));
  EXPECT_FALSE(state_.leadership("pay").draining);
  EXPECT_EQ(overall_step(last()), "abandoned");
  state_ = held;
  commit(decide_fail_step(state_, claim("pay"), "too slow", {}));
  EXPECT_FALSE(state_.leadership("pay").draining);
  EXPECT_EQ(at("pay").error, "too slow");
  EXPECT_EQ(overall_step(last()), "failed");
}

TEST_F(OperationDecisions, ATargetWithoutCopiesEntersTheSyncSetWhenItHasCaughtUp) {
  commit(begin(switchover({"logs"}, "r3")));
  commit(decide_drain_step(state_, claim("logs"), {}));
  EXPECT_FALSE(decide_finish_draining(state_, term("logs"), "1"));
  EXPECT_FALSE(decide_finish_draining_to(state_, term("logs"), "1", member(2)));
  commit(decide_finish_draining_to(state_, term("logs"), "1", member(3)));
  EXPECT_EQ(state_.leadership("logs").promotable, (Members{member(1), member(3)}));
  commit(decide_promote_step(state_, claim("logs"), NodeId{3}, {}));
  EXPECT_EQ(state_.leadership("logs").leader, member(3));
}

TEST_F(OperationDecisions, OnlyALostExecutorIsReplaced) {
  commit(begin(switchover({"pay"}, "r2")));
  const StepClaim before = claim("pay");
  EXPECT_FALSE(decide_take_over_operation(state_, 1, member(2), {}));
  set_alive(3, false);
  EXPECT_FALSE(decide_take_over_operation(state_, 1, {NodeId{2}, {{9}}}, {})) << "no lease";
  const auto mine = decide_take_over_operation(state_, 1, member(2), {});
  const auto other = decide_take_over_operation(state_, 1, member(1), {});
  commit(mine);
  EXPECT_FALSE(state_.allows(other->transaction));
  EXPECT_EQ(last().attempt, 2);
  EXPECT_EQ(last().executor, member(2));
  EXPECT_FALSE(decide_drain_step(state_, before, {})) << "the old attempt is over";
  commit(decide_drain_step(state_, claim("pay"), {}));
  EXPECT_FALSE(decide_take_over_operation(state_, 7, member(1), {}));
}

TEST_F(OperationDecisions, ALeaderThatStopsHandsItsGroupsOver) {
  create("shop", "critical", 30);
  commit(decide_open_epoch(state_, term("shop"), {member(2)}, {}));
  const HandOver pay{term("pay"), NodeId{2}, {1'000}, "which stops", true};
  const auto moved = decide_hand_over(state_, pay, {2'000});
  commit(moved);
  EXPECT_EQ(state_.leadership("pay").leader, member(2));
  EXPECT_FALSE(state_.leadership("pay").failed_over) << "it is no failover";
  EXPECT_EQ(overall_step(last()), "verifying");
  EXPECT_EQ(last().executor, member(2)) << "it outlives the stop";
  EXPECT_EQ(last().from, "r1");
  EXPECT_EQ(last().to, "r2");
  EXPECT_EQ(at("pay").loss->kind, LossKind::kZero);
  EXPECT_FALSE(decide_hand_over(state_, pay, {2'000})) << "the term is over";
  // The same stop is one operation, another one is another.
  commit(
      decide_hand_over(state_, {term("shop"), NodeId{2}, {1'000}, "which stops", true}, {3'000}));
  EXPECT_EQ(state_.operations().size(), 1u);
  EXPECT_EQ(last().groups.size(), 2u);
  create("late", "critical", 40);
  commit(decide_open_epoch(state_, term("late"), {member(2)}, {}));
  const HandOver late{term("late"), NodeId{2}, {9'000}, "which stops", true};
  const auto later = decide_hand_over(state_, late, {9'500});
  set_alive(2, false);
  EXPECT_FALSE(state_.allows(later->transaction)) << "the target may be stopping, too";
  set_alive(2, true);
  commit(decide_hand_over(state_, late, {9'500}));
  EXPECT_EQ(state_.operations().size(), 2u);
}

TEST_F(OperationDecisions, AStopHandsNothingOverThatWouldBeWorseOffElsewhere) {
  bool leaves = true;
  const auto why = [&](const std::string& group, int32_t target) {
    const auto decided =
        decide_hand_over(state_, {term(group), NodeId{target}, {}, "x", leaves}, {});
    return decided ? std::string() : decided.error().message;
  };
  EXPECT_EQ(why("pay", 2), "");
  EXPECT_EQ(why("pay", 3), "node 3 is not in its sync set");
  EXPECT_EQ(why("logs", 2), "node 2 is not in its sync set");
  set_alive(3, false);
  EXPECT_EQ(why("pay", 2),
            "led by node 2 and without this one it would have 0 copies, and its min "
            "is 1");
  leaves = false;
  EXPECT_EQ(why("pay", 2), "") << "the leader follows then";
  set_alive(2, false);
  EXPECT_EQ(why("pay", 2), "node 2 holds no lease");
  set_alive(2, true);
  set_alive(3, true);
  auto held = state_;
  commit(begin(switchover({"pay"}, "r3")));
  EXPECT_EQ(why("pay", 2), "operation 1 moves it");
  state_ = held;
  commit(decide_renew_epoch(state_, "pay", member(1), {}));
  EXPECT_EQ(why("pay", 2), "its epoch is not open yet");
}

TEST_F(OperationDecisions, AnApprovalIsWaitedFor) {
  OperationRequest request = failover({"pay"});
  request.await_approval = true;
  commit(begin(request));
  EXPECT_EQ(overall_step(last()), "awaiting-approval");
  EXPECT_FALSE(decide_promote_step(state_, claim("pay"), NodeId{2}, {}));
  commit(decide_approve_operation(state_, 1, "anna", {5}));
  EXPECT_EQ(last().timeline.back().what, "approved by anna");
  EXPECT_FALSE(decide_approve_operation(state_, 1, "anna", {5}));
  commit(decide_promote_step(state_, claim("pay"), NodeId{2}, {}));
}

TEST_F(OperationDecisions, NumbersAreNeverGivenOutTwiceAndOldOnesAreForgotten) {
  for (size_t i = 1; i <= kOperationsKept + 5; ++i) {
    commit(begin(switchover({"pay"}, "r2")));
    EXPECT_EQ(last().id, static_cast<OperationId>(i));
    const std::string key = certificate_key(last().id, "pay");
    ASSERT_TRUE(state_.apply(state_.revision() + 1, {{key, "x"}}));
    commit(decide_abandon_operation(state_, last().id, "test", {}));
  }
  EXPECT_EQ(state_.operations().size(), kOperationsKept);
  EXPECT_EQ(state_.operations().begin()->first, 6);
  EXPECT_FALSE(state_.entries().contains(certificate_key(5, "pay")));
  EXPECT_TRUE(state_.entries().contains(certificate_key(6, "pay")));
}

// --- the value -----------------------------------------------------------------------------------

Operation whole() {
  Operation operation;
  operation.id = 4;
  operation.kind = OperationKind::kFailover;
  operation.from = "bj";
  operation.to = "sh";
  operation.allow_loss = true;
  operation.overrides = {"cooldown"};
  operation.requested_by = "anna";
  operation.executor.node = NodeId{2};
  operation.executor.incarnation.bytes.fill(0x11);
  operation.attempt = 2;
  OperationGroup group;
  group.group = "logs";
  group.step = OperationStep::kDone;
  group.since = {2'000};
  group.target = NodeId{2};
  group.old_epoch = LeaderEpoch{7};
  group.old_leader = {NodeId{1}, operation.executor.incarnation};
  group.fenced = {group.old_leader};
  group.fence_epoch = LeaderEpoch{8};
  group.new_epoch = LeaderEpoch{8};
  group.new_leader = operation.executor;
  group.loss = Loss{LossKind::kBounded, Duration::seconds(5), 0, 12, "asked"};
  group.held = HeldTotals{1, 0, 100, 90};
  operation.groups = {group};
  operation.timeline = {{{1'000}, "planned", "logs"}, {{1'500}, "taken-over by node 2", ""}};
  return operation;
}

// The example in docs/formats/control-store.md.
TEST(OperationValue, IsAsDocumented) {
  EXPECT_EQ(
      encode_operation(whole()),
      R"({"allow_loss":true,"attempt":2,"executor":{"incarnation":"EREREREREREREREREREREQ",)"
      R"("node":2},"from":"bj","groups":[{"fence_epoch":8,"fenced":[{"incarnation":)"
      R"("EREREREREREREREREREREQ","node":1}],"group":"logs","held":{"high_watermark":90,)"
      R"("log_end":100,"log_start":0,"partitions":1},"loss":{"basis":"asked","kind":"bounded",)"
      R"("records_max":12,"records_min":0,"time_max_ms":5000},"new_epoch":8,"new_leader":)"
      R"({"incarnation":"EREREREREREREREREREREQ","node":2},"old_epoch":7,"old_leader":)"
      R"({"incarnation":"EREREREREREREREREREREQ","node":1},"since":2000,"step":"done",)"
      R"("target":2}],"kind":"failover","overrides":["cooldown"],"requested_by":"anna",)"
      R"("timeline":[{"at":1000,"group":"logs","what":"planned"},{"at":1500,"what":)"
      R"("taken-over by node 2"}],"to":"sh","v":1})");
}

TEST(OperationValue, ComesBackAsItWas) {
  Operation operation = whole();
  EXPECT_EQ(*decode_operation("k", 4, encode_operation(operation)), operation);
  operation.groups[0] = {};
  operation.groups[0].group = "a";
  operation.groups[0].waiting_for = "node 1";
  operation.groups[0].error = "no";
  operation.awaiting_approval = true;
  operation.kind = OperationKind::kSwitchover;
  EXPECT_EQ(*decode_operation("k", 4, encode_operation(operation)), operation);
}

TEST(OperationValue, RefusesWhatContradictsItself) {
  const auto refused = [](auto change) {
    Operation bad = whole();
    change(bad);
    const auto decoded = decode_operation("operations/4", 4, encode_operation(bad));
    return !decoded && decoded.error().kind == ErrorKind::kCorrupt;
  };
  EXPECT_FALSE(refused([](Operation&) {}));
  EXPECT_TRUE(refused([](Operation& bad) { bad.groups.push_back(bad.groups[0]); }));
  EXPECT_TRUE(refused([](Operation& bad) { bad.groups[0].new_epoch = kNoLeaderEpoch; }));
  EXPECT_TRUE(refused([](Operation& bad) { bad.groups[0].loss.reset(); }));
  EXPECT_TRUE(refused([](Operation& bad) { bad.groups[0].group = "a b"; }));
  EXPECT_TRUE(refused([](Operation& bad) { bad.attempt = 0; }));
  for (const char* bad : {"{}", R"({"v":1})", R"({"v":1,"kind":"drill"})", "[]",
                          R"({"v":1,"kind":"failover","requested_by":"","executor":{},)"
                          R"("attempt":1,"groups":[3],"timeline":[]})"}) {
    EXPECT_FALSE(decode_operation("operations/1", 1, bad)) << bad;
  }
  EXPECT_EQ(operation_in_key("operations/12"), 12);
  for (const char* bad : {"operations/", "operations/0", "operations/-1", "operations/01",
                          "operations/x", "operations/1/2"}) {
    EXPECT_FALSE(operation_in_key(bad)) << bad;
  }
}

}  // namespace
}  // namespace magpie::control
