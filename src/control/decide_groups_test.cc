#include "control/decide_groups.h"

#include <gtest/gtest.h>

#include "control/group_values.h"
#include "control/groups_fixture.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/replication.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

using Groups = GroupsFixture;

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
  expect(said("standard", [](G& g) { g.failover = FailoverBy::kAutomatic; }), "choose manual");
  expect(said("standard", [](G& g) { g.failover = FailoverBy::kSemiAutomatic; }), "choose manual");
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
