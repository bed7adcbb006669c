#include "control/decide_groups.h"

#include <gtest/gtest.h>

#include "control/group_values.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/replication.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

class Groups : public ::testing::Test {
 protected:
  static Node node(int32_t id, std::string region, uint8_t incarnation = 1) {
    Node node{NodeId{id}, std::move(region), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(incarnation);
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id, "").incarnation}; }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    if (decided->transaction.empty()) return;
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  template <typename Answer>
  static std::string refusal(const Decided<Answer>& decided) {
    return decided ? "accepted" : decided.error().message;
  }
  void three_regions() {
    commit(decide_register_node(state_, node(1, "bj")));
    commit(decide_register_node(state_, node(2, "sh")));
    commit(decide_register_node(state_, node(3, "gz")));
  }
  void create_group(const std::string& name, std::vector<std::string> regions) {
    FailoverGroup group;
    group.name = name;
    group.regions = std::move(regions);
    commit(decide_create_group(state_, group));
  }
  const Topic& create_topic(const std::string& name, const std::string& groups) {
    CreateTopic request;
    request.name = name;
    request.partitions = 4;
    request.configs = {{"magpie.failover.group", groups}};
    commit(decide_create_topic(state_, testing::one_node(), request, random_));
    return *state_.find_topic(name);
  }

  State state_;
  Random random_{4};
};

TEST_F(Groups, RegistersNodesAndTheirRegions) {
  three_regions();
  EXPECT_EQ(state_.regions().size(), 3u);
  EXPECT_TRUE(decide_register_node(state_, node(1, "bj"))->transaction.empty());
  const auto rebuilt = decide_register_node(state_, node(1, "bj", 2));
  ASSERT_TRUE(rebuilt);
  EXPECT_TRUE(rebuilt->answer.rebuilt);
  EXPECT_NE(refusal(decide_register_node(state_, node(1, "sh"))).find("of its own"),
            std::string::npos);
  commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
  EXPECT_NE(refusal(decide_register_node(state_, node(9, "w"))).find("witness"), std::string::npos);
  EXPECT_FALSE(decide_register_region(state_, {"bj", RegionRole::kWitness}));
}

// Every refusal says what to choose instead.
TEST_F(Groups, RefusesPoliciesThatCannotHold) {
  three_regions();
  commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
  const auto said = [&](const char* preset_name, auto change) {
    FailoverGroup group = *preset(preset_name);
    group.name = "g";
    group.regions = {"bj", "sh", "gz"};
    change(group);
    return refusal(decide_create_group(state_, group));
  };
  using G = FailoverGroup;
  const auto expect = [&](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  EXPECT_EQ(said("critical", [](G&) {}), "accepted");
  EXPECT_EQ(said("bulk", [](G&) {}), "accepted");
  expect(said("critical", [](G& g) { g.regions.pop_back(); }), "after_failover block");
  EXPECT_EQ(said("critical",
                 [](G& g) {
                   g.regions.pop_back();
                   g.after_failover = TooFewCopies::kDegrade;
                 }),
            "accepted");
  expect(said("standard", [](G& g) { g.copies = 3; }), "need 4 regions");
  expect(said("standard", [](G& g) { g.min = 2; }), "Lower min");
  const auto nowhere = [](int32_t copies) {
    return [copies](G& g) {
      g.regions.clear();
      g.copies = copies;
    };
  };
  EXPECT_EQ(said("critical", nowhere(2)), "accepted");
  expect(said("critical", nowhere(9)), "need 10 regions, but the cluster has 3");
  expect(said("standard", [](G& g) { g.mode = GroupMode::kMultiActive; }), "choose standby");
  expect(said("standard", [](G& g) { g.mode = GroupMode::kDualActive; }), "two standby groups");
  expect(said("standard", [](G& g) { g.failover = FailoverBy::kAutomatic; }), "semi-automatic");
  expect(said("standard", [](G& g) { g.view = View::kLocal; }), "choose leader");
  expect(said("standard", [](G& g) { g.max_lag_time = Duration::seconds(1); }), "set copies to 0");
  expect(said("bulk", [](G& g) { g.max_lag_records = 1; }), "Set max_lag_ms");
  expect(said("bulk", [](G& g) { g.consistency = Consistency::kStrong; }), "Raise copies");
  expect(said("bulk", [](G& g) { g.consistency = Consistency::kCausal; }), "strong or prefix");
  expect(said("bulk", [](G& g) { g.regions = {"mars"}; }), "no region 'mars'");
  expect(said("bulk", [](G& g) { g.regions = {"w"}; }), "witness");
  expect(said("bulk", [](G& g) { g.regions = {"bj", "bj"}; }), "twice");
  expect(said("bulk", [](G& g) { g.name = "a b"; }), "name");
  expect(said("bulk", [](G& g) { g.name = "default"; }), "already exists");
}

TEST_F(Groups, ABlockingGroupWaitsForCopiesInRegionsToCome) {
  commit(decide_register_node(state_, node(1, "bj")));
  FailoverGroup group = *preset("critical");
  group.name = "pay";
  EXPECT_EQ(refusal(decide_create_group(state_, group)), "accepted");
  EXPECT_EQ(wanted_copies(group, state_.regions()), 1);
  EXPECT_EQ(wanted_copies(*preset("standard"), state_.regions()), 0);
  group.copies = kAllCopies;
  EXPECT_EQ(wanted_copies(group, state_.regions()), 1);
  three_regions();
  EXPECT_EQ(wanted_copies(group, state_.regions()), 2);
}

TEST_F(Groups, TheTwoBuiltInGroupsAlwaysExist) {
  EXPECT_EQ(state_.find_group("default")->copies, 1);
  EXPECT_EQ(state_.find_group("system")->priority, 0);
  EXPECT_FALSE(decide_delete_group(state_, "system"));
  FailoverGroup group = default_group();
  group.copies = 0;
  group.min = 0;
  group.consistency = Consistency::kPrefix;
  commit(decide_alter_group(state_, group));
  EXPECT_EQ(state_.find_group("default")->copies, 0);
  ASSERT_TRUE(state_.apply(state_.revision() + 1, {{group_key("default"), std::nullopt}}));
  EXPECT_EQ(*state_.find_group("default"), default_group());
}

TEST_F(Groups, SpreadATopicOverSeveral) {
  three_regions();
  create_group("east", {"sh", "bj"});
  create_group("north", {"bj", "sh"});
  const Topic& topic = create_topic("orders", "east,north");
  EXPECT_EQ(state_.group_of(topic, PartitionIndex{0}), "east");
  EXPECT_EQ(state_.group_of(topic, PartitionIndex{3}), "north");
  commit(decide_take_leadership(state_, "east", member(2), {}, false));
  EXPECT_EQ(state_.leader_of(topic, PartitionIndex{2})->node, NodeId{2});
  EXPECT_FALSE(state_.leader_of(topic, PartitionIndex{1}));
  const auto places = state_.nodes_hosting(topic, PartitionIndex{0});
  EXPECT_EQ(places, (std::vector<Place>{{"sh", NodeId{2}}, {"bj", NodeId{1}}}));
  EXPECT_EQ(state_.partitions_of(NodeId{1}).size(), 4u);
  EXPECT_TRUE(state_.partitions_of(NodeId{3}).empty());
  EXPECT_FALSE(decide_delete_group(state_, "east")) << "it has partitions";
  EXPECT_NE(refusal(decide_place_in_group(state_, {"orders", {}, "mars"})).find("create it first"),
            std::string::npos);
}

TEST_F(Groups, PartitionsMoveOnlyBetweenGroupsOfOneLeader) {
  three_regions();
  create_group("a", {"bj", "sh", "gz"});
  create_group("b", {"bj", "sh", "gz"});
  create_topic("orders", "a");
  commit(decide_take_leadership(state_, "a", member(1), {}, false));
  commit(decide_open_epoch(state_, {"a", state_.leadership("a").epoch, member(1)},
                           {member(2), member(3)}, {}));
  EXPECT_NE(refusal(decide_place_in_group(state_, {"orders", {}, "b"})).find("no leader yet"),
            std::string::npos);
  commit(decide_take_leadership(state_, "b", member(1), {}, false));
  commit(
      decide_open_epoch(state_, {"b", state_.leadership("b").epoch, member(1)}, {member(3)}, {}));
  const LeaderEpoch before = state_.leadership("b").epoch;
  commit(decide_place_in_group(state_, {"orders", {1}, "b"}));
  const Topic& topic = *state_.find_topic("orders");
  EXPECT_EQ(state_.group_of(topic, PartitionIndex{1}), "b");
  EXPECT_EQ(state_.group_of(topic, PartitionIndex{2}), "a");
  const Leadership& led = state_.leadership("b");
  EXPECT_GT(led.epoch, before);
  EXPECT_FALSE(led.open);
  EXPECT_EQ(led.promotable, (Members{member(1), member(3)})) << "who holds both groups' records";

  commit(decide_promote_without_loss(state_, "b", NodeId{3}, {}));
  EXPECT_NE(refusal(decide_place_in_group(state_, {"orders", {}, "b"})).find("Switch one of them"),
            std::string::npos);
}

// The same leader goes on, so nothing was lost, and it can still acknowledge in the term before.
TEST_F(Groups, AMoveBeginsATermThatLosesNothing) {
  three_regions();
  create_group("a", {"bj", "sh", "gz"});
  create_group("b", {"bj", "sh", "gz"});
  create_topic("orders", "a");
  for (const char* group : {"a", "b"}) {
    commit(decide_take_leadership(state_, group, member(1), {}, false));
    commit(decide_open_epoch(state_, {group, state_.leadership(group).epoch, member(1)},
                             {member(2)}, {}));
  }
  Leadership lossy = state_.leadership("b");
  lossy.opened_with = OpenedWith::kLossy;
  ASSERT_TRUE(
      state_.apply(state_.revision() + 1, {{leadership_key("b"), encode_leadership(lossy)}}));
  commit(decide_place_in_group(state_, {"orders", {}, "b"}));
  const Leadership& led = state_.leadership("b");
  EXPECT_EQ(led.opened_with, OpenedWith::kLossless);
  ASSERT_TRUE(led.open_before);
  EXPECT_EQ(*led.open_before, member(1));
}

TEST_F(Groups, AlteringAConfigIsAMoveToo) {
  three_regions();
  create_group("a", {"bj", "sh", "gz"});
  create_group("b", {"bj", "sh", "gz"});
  create_topic("orders", "a");
  commit(decide_take_leadership(state_, "a", member(1), {}, false));
  commit(decide_take_leadership(state_, "b", member(2), {}, true));
  const auto alter = [&](const char* group) {
    return decide_incremental_alter_configs(
        state_, testing::one_node(),
        {"orders", {{"magpie.failover.group", AlterOperation::kSet, group}}, false});
  };
  EXPECT_NE(refusal(alter("b")).find("Switch one of them"), std::string::npos);
  EXPECT_NE(refusal(alter("mars")).find("create it first"), std::string::npos);
  EXPECT_EQ(refusal(alter("a")), "accepted");
}

// Loaded from a store in one piece, the state is the same as when it was built change by change.
TEST_F(Groups, ReplacingTheStateSaysWhatIsDifferent) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto [target, history] = testing::random_history(seed, 60);
    const auto [other, ignored] = testing::random_history(seed, 20);
    State state = other;
    const auto differences = state.replace(target.revision(), target.entries());
    ASSERT_TRUE(differences) << differences.error().message;
    EXPECT_EQ(state, target);
    EXPECT_EQ(state.topics(), target.topics());
    EXPECT_EQ(state.leadership(), target.leadership());
    EXPECT_EQ(state.next_epoch(), target.next_epoch());
    const auto again = state.replace(target.revision(), target.entries());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->empty());
    if (other.revision() < target.revision()) {
      EXPECT_FALSE(state.replace(other.revision(), other.entries())) << "the store went back";
    }
  }
}

}  // namespace
}  // namespace magpie::control
