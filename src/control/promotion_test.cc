#include "control/promotion.h"

#include <gtest/gtest.h>

#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

// Three regions with a node each, and a witness; group `pay` keeps one copy.
class Regions : public ::testing::Test {
 protected:
  Regions() {
    for (int32_t id = 1; id <= 3; ++id) {
      commit(decide_register_node(state_, node(id)));
      set_alive(id, true);
    }
    commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
    FailoverGroup group = *preset("critical");
    group.name = "pay";
    group.regions = {"r1", "r2", "r3"};
    commit(decide_create_group(state_, group));
  }
  static Node node(int32_t id, uint8_t incarnation = 1) {
    Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(incarnation);
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id).incarnation}; }
  Term term() const {
    const Leadership& held = state_.leadership("pay");
    return {"pay", held.epoch, held.leader};
  }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  void set_alive(int32_t id, bool alive) {
    std::optional<std::string> value;
    if (alive) value = encode_alive(node(id).incarnation);
    ASSERT_TRUE(state_.apply(state_.revision() + 1, {{alive_key(NodeId{id}), value}}));
  }
  void lead_and_open() {
    commit(decide_take_leadership(state_, "pay", member(1), {10}, false));
    commit(decide_open_epoch(state_, term(), {member(2)}, {20}));
  }
  template <typename Answer>
  static std::string refusal(const Decided<Answer>& decided) {
    return decided ? "" : decided.error().message;
  }
  static bool says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  State state_;
};

TEST_F(Regions, TheFirstTermIsTakenAtHome) {
  EXPECT_TRUE(says(refusal(decide_take_leadership(state_, "pay", member(2), {}, false)), "home"));
  lead_and_open();
  const Leadership& led = state_.leadership("pay");
  EXPECT_EQ(led.promotable, (Members{member(1), member(2)}));
  EXPECT_EQ(led.state, ReplicationState::kSync);
  EXPECT_FALSE(led.exposed_since);
  EXPECT_TRUE(says(refusal(decide_take_leadership(state_, "pay", member(1), {}, false)), "before"));
}

TEST_F(Regions, AnEpochDoesNotOpenWithTooFewCopies) {
  commit(decide_take_leadership(state_, "pay", member(1), {10}, false));
  EXPECT_TRUE(says(refusal(decide_open_epoch(state_, term(), {}, {})), "takes no writes"));
  EXPECT_TRUE(says(refusal(decide_open_epoch(state_, term(), {member(1)}, {})), "is the leader"));
}

TEST_F(Regions, WhoIsInSyncTakesOverWithoutLoss) {
  lead_and_open();
  EXPECT_TRUE(says(refusal(decide_promote_without_loss(state_, "pay", NodeId{3}, {})), "may lack"));
  const LeaderEpoch before = state_.leadership("pay").epoch;
  commit(decide_promote_without_loss(state_, "pay", NodeId{2}, {30}));
  const Leadership& led = state_.leadership("pay");
  EXPECT_GT(led.epoch, before);
  EXPECT_FALSE(led.open);
  EXPECT_EQ(led.leader, member(2));
  EXPECT_EQ(led.promotable, (Members{member(1), member(2)})) << "until the epoch is open";
  EXPECT_EQ(led.open_before, member(1));
  EXPECT_TRUE(led.failed_over);
  commit(decide_open_epoch(state_, term(), {member(3)}, {40}));
  EXPECT_EQ(state_.leadership("pay").promotable, (Members{member(2), member(3)}));
  EXPECT_FALSE(state_.leadership("pay").failed_over) << "there are as many copies as min";
}

TEST_F(Regions, ARebuiltDirectoryIsNotPromotable) {
  lead_and_open();
  set_alive(2, false);
  commit(decide_register_node(state_, node(2, 9)));
  EXPECT_TRUE(says(refusal(decide_promote_without_loss(state_, "pay", NodeId{2}, {})), "may lack"));
  set_alive(1, false);
  commit(decide_register_node(state_, node(1, 9)));
  EXPECT_FALSE(decide_renew_epoch(state_, "pay", {NodeId{1}, node(1, 9).incarnation}, {}));
}

TEST_F(Regions, OfTwoPromotionsOneIsCommitted) {
  lead_and_open();
  const auto second = decide_promote_without_loss(state_, "pay", NodeId{2}, {});
  const auto renewed = decide_renew_epoch(state_, "pay", member(1), {});
  const auto shrunk = decide_begin_joining(state_, term(), member(3), {});
  commit(second);
  EXPECT_FALSE(state_.allows(renewed->transaction));
  EXPECT_FALSE(state_.allows(shrunk->transaction));
}

TEST_F(Regions, LossNeedsTheEndOfTheLeaseAMajorityAndAnOverride) {
  lead_and_open();
  PromoteWithLoss request{"pay", NodeId{3}, {}, false};
  const auto decide = [&] { return decide_promote_with_loss(state_, request, {50}); };
  EXPECT_TRUE(says(refusal(decide()), "holds its lease"));
  set_alive(1, false);
  EXPECT_TRUE(says(refusal(decide()), "override"));
  request.give_up_promotable = true;
  EXPECT_TRUE(says(refusal(decide()), "only 0 of 3 sites"));
  const LeaderEpoch next{static_cast<int32_t>(state_.next_epoch())};
  request.acceptances = {{"r3", next}, {"r3", next}, {"r1", next}};
  EXPECT_TRUE(says(refusal(decide()), "only 1 of 3 sites")) << "not twice, not the old leader's";
  request.acceptances.push_back({"w", state_.leadership("pay").epoch});
  EXPECT_TRUE(says(refusal(decide()), "only 1 of 3 sites")) << "not for the old epoch";
  request.acceptances.push_back({"w", next});
  const auto decided = decide();
  set_alive(1, true);
  EXPECT_FALSE(state_.allows(decided->transaction)) << "the old leader is back";
  set_alive(1, false);
  const auto of_three = decide();
  ASSERT_TRUE(state_.allows(of_three->transaction));
  State larger = state_;
  const auto fifth = decide_register_region(larger, {"w2", RegionRole::kWitness});
  ASSERT_TRUE(larger.apply(larger.revision() + 1, fifth->transaction.changes));
  EXPECT_FALSE(larger.allows(of_three->transaction)) << "two of four are no majority";
  commit(decide());
  const Leadership& led = state_.leadership("pay");
  EXPECT_EQ(led.opened_with, OpenedWith::kLossy);
  EXPECT_EQ(led.promotable, Members{member(3)});
  EXPECT_TRUE(led.failed_over);
  EXPECT_TRUE(says(refusal(decide_promote_without_loss(state_, "pay", NodeId{2}, {})), "may lack"));
}

TEST_F(Regions, MembersJoinLeaveAndAreExchanged) {
  lead_and_open();
  EXPECT_TRUE(says(refusal(decide_shrink_sync(state_, term(), member(2), {})), "takes no writes"))
      << "the policy blocks";
  EXPECT_FALSE(decide_finish_joining(state_, term(), {}));
  commit(decide_begin_joining(state_, term(), member(3), {30}));
  EXPECT_FALSE(contains(state_.leadership("pay").promotable, member(3)));
  commit(decide_exchange_sync(state_, term(), member(2), {40}));
  EXPECT_EQ(state_.leadership("pay").sync, Members{member(3)});
  EXPECT_EQ(state_.leadership("pay").promotable, (Members{member(1), member(3)}));
  commit(decide_begin_joining(state_, term(), member(2), {50}));
  commit(decide_finish_joining(state_, term(), {60}));
  commit(decide_shrink_sync(state_, term(), member(3), {70}));
  EXPECT_EQ(state_.leadership("pay").sync, Members{member(2)});
}

TEST_F(Regions, ExposureIsRecordedFromItsBeginning) {
  FailoverGroup group = *state_.find_group("pay");
  group.below_min = TooFewCopies::kDegrade;
  commit(decide_alter_group(state_, group));
  lead_and_open();
  commit(decide_shrink_sync(state_, term(), member(2), {30}));
  EXPECT_EQ(state_.leadership("pay").state, ReplicationState::kDegraded);
  commit(decide_begin_joining(state_, term(), member(2), {40}));
  EXPECT_EQ(state_.leadership("pay").state, ReplicationState::kCatchingUp);
  EXPECT_EQ(state_.leadership("pay").state_since, WallTime{40});
  EXPECT_EQ(state_.leadership("pay").exposed_since, WallTime{30});
  commit(decide_finish_joining(state_, term(), {50}));
  EXPECT_EQ(state_.leadership("pay").state, ReplicationState::kSync);
  EXPECT_FALSE(state_.leadership("pay").exposed_since);
}

TEST_F(Regions, ASwitchoverDrainsFirst) {
  lead_and_open();
  EXPECT_FALSE(decide_begin_draining(state_, "pay", "op-1", NodeId{3}));
  commit(decide_begin_draining(state_, "pay", "op-1", NodeId{2}));
  EXPECT_TRUE(says(refusal(decide_begin_draining(state_, "pay", "op-2", NodeId{2})), "op-1"));
  commit(decide_abandon_draining(state_, "pay", "op-1"));
  EXPECT_FALSE(state_.leadership("pay").draining);
  commit(decide_begin_draining(state_, "pay", "op-2", NodeId{2}));
  commit(decide_finish_draining(state_, term(), "op-2"));
  commit(decide_promote_without_loss(state_, "pay", NodeId{2}, {}));
  EXPECT_FALSE(state_.leadership("pay").failed_over) << "it was planned";
  EXPECT_FALSE(state_.leadership("pay").draining);
}

TEST_F(Regions, CeilingsOnlyRiseAndOnlyInTheTerm) {
  lead_and_open();
  const Topic topic = testing::topic("a", 5, {1, 1});
  ASSERT_TRUE(state_.apply(
      state_.revision() + 1,
      {{topic_key("a"), R"({"id":")" + to_string(topic.id) + R"(","placement":[1,1],"v":1})"}}));
  const auto raise = [&](int64_t ceiling) {
    return decide_raise_ceilings(state_, term(), topic, {{PartitionIndex{1}, Offset{ceiling}}});
  };
  commit(raise(100));
  EXPECT_EQ(state_.ceilings("pay", topic.id), (Ceilings{{Offset{0}, Offset{100}}, {}}));
  EXPECT_TRUE(raise(50)->transaction.empty());
  const auto late = raise(200);
  commit(decide_promote_without_loss(state_, "pay", NodeId{2}, {}));
  EXPECT_FALSE(state_.allows(late->transaction));
}

// What a lost leader may have given out stays a floor, whatever is reserved later.
TEST_F(Regions, WhatWasReservedBeforeALossIsAFloor) {
  lead_and_open();
  const Topic topic = testing::topic("a", 5, {1, 1});
  ASSERT_TRUE(state_.apply(
      state_.revision() + 1,
      {{topic_key("a"), R"({"id":")" + to_string(topic.id) + R"(","placement":[1,1],"v":1})"}}));
  commit(decide_raise_ceilings(state_, term(), topic, {{PartitionIndex{1}, Offset{100}}}));
  EXPECT_TRUE(state_.floors(topic.id).empty());
  commit(decide_record_floors(state_, term(), topic));
  commit(decide_raise_ceilings(state_, term(), topic, {{PartitionIndex{1}, Offset{900}}}));
  EXPECT_EQ(state_.floors(topic.id), (std::vector<Offset>{Offset{0}, Offset{100}}));
}

// The group that a partition came from had reserved for it; the new one has not yet.
TEST_F(Regions, AFloorIsAlsoWhatWasReservedInTheGroupBefore) {
  lead_and_open();
  const Topic topic = testing::topic("a", 5, {1, 1});
  ASSERT_TRUE(state_.apply(
      state_.revision() + 1,
      {{topic_key("a"), R"({"id":")" + to_string(topic.id) + R"(","placement":[1,1],"v":1})"},
       {ceilings_key("elsewhere", topic.id), encode_ceilings({{Offset{70}, Offset{80}}, {}})},
       {topic_configs_key("a"), R"({"configs":{"magpie.failover.group":"pay"},"v":1})"}}));
  commit(decide_record_floors(state_, term(), topic));
  EXPECT_EQ(state_.floors(topic.id), (std::vector<Offset>{Offset{70}, Offset{80}}));
  // Those of partitions that are still there concern nobody else.
  ASSERT_TRUE(state_.apply(state_.revision() + 1,
                           {{ceilings_key("pay", topic.id), std::nullopt},
                            {topic_configs_key("a"),
                             R"({"configs":{"magpie.failover.group":"elsewhere,pay"},"v":1})"}}));
  commit(decide_record_floors(state_, term(), topic));
  EXPECT_EQ(state_.floors(topic.id), (std::vector<Offset>{Offset{0}, Offset{80}}));
}

}  // namespace
}  // namespace magpie::control
