// What the cluster state says, as clients hear it.
#include "kafka/regions_view.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/keys.h"
#include "control/region_values.h"
#include "kafka/testing/regions_bench.h"

namespace magpie::kafka {
namespace {

using testing::member;

class RegionsViewTest : public ::testing::Test {
 protected:
  RegionsViewTest() {
    bench_.create_topic("orders", 2);
    bench_.lead_in_state("default", 2, 5, {3});
    bench_.lead_in_state("system", 3, 6, {1});
  }

  PartitionDescription describe(int32_t index = 0) {
    return bench_.view.partition(*bench_.control.state().find_topic("orders"),
                                 PartitionIndex{index});
  }
  std::vector<int32_t> broker_ids() {
    std::vector<int32_t> ids;
    for (const auto& each : bench_.view.brokers({0})) ids.push_back(each.node.value);
    return ids;
  }
  static std::vector<NodeId> nodes(const std::vector<int32_t>& ids) {
    std::vector<NodeId> made;
    for (const int32_t id : ids) made.push_back(NodeId{id});
    return made;
  }
  void put_node(int32_t id, const std::string& region, std::vector<control::KafkaListener> where) {
    control::Node node;
    node.id = NodeId{id};
    node.region = region;
    node.incarnation = member(id).incarnation;
    node.listeners = std::move(where);
    bench_.control.put(control::node_key(node.id), control::encode_node(node));
  }

  testing::RegionsBench bench_;
};

TEST_F(RegionsViewTest, BrokersOfAllRegionsWithTheirRegionAsRack) {
  const auto brokers = bench_.view.brokers({0});
  ASSERT_EQ(brokers.size(), 3u);
  EXPECT_EQ(brokers[0].region, "bj");
  EXPECT_EQ(brokers[1].address.host, "sh.example");
  EXPECT_EQ(brokers[1].address.port, 9092);
  EXPECT_EQ(brokers[2].region, "gz");
}

TEST_F(RegionsViewTest, ADeadNodeIsNoBrokerButThisOneAlwaysIs) {
  bench_.set_alive(3, false);
  bench_.set_alive(1, false);
  EXPECT_EQ(broker_ids(), (std::vector<int32_t>{1, 2}));
}

TEST_F(RegionsViewTest, AddressesAreThoseOfTheListenerWithTheSameName) {
  bench_.config.addresses.push_back({"inside.bj", 9093});
  bench_.config.listeners.push_back("internal");
  put_node(2, "sh", {{"client", {"sh.example", 9092}}, {"internal", {"inside.sh", 9093}}});
  const auto brokers = bench_.view.brokers({1});
  ASSERT_EQ(brokers.size(), 2u) << "node 3 has no listener of that name";
  EXPECT_EQ(brokers[0].address.host, "inside.bj");
  EXPECT_EQ(brokers[1].address.host, "inside.sh");
}

TEST_F(RegionsViewTest, AWitnessIsNoBroker) {
  bench_.control.put(control::region_key("hk"),
                     control::encode_region({"hk", control::RegionRole::kWitness}));
  put_node(4, "hk", {{"client", {"hk.example", 9092}}});
  bench_.set_alive(4, true);
  EXPECT_EQ(broker_ids(), (std::vector<int32_t>{1, 2, 3}));
}

TEST_F(RegionsViewTest, ThisNodeIsABrokerBeforeItHasRegistered) {
  bench_.control.put(control::node_key(NodeId{1}), std::nullopt);
  EXPECT_EQ(broker_ids(), (std::vector<int32_t>{1, 2, 3}));
}

TEST_F(RegionsViewTest, TheLeaderIsTheGroupsAndComesFirstAmongTheReplicas) {
  bench_.host("orders");
  const PartitionDescription view = describe();
  EXPECT_EQ(view.leader, NodeId{2});
  EXPECT_EQ(view.epoch, LeaderEpoch{5});
  ASSERT_EQ(view.replicas.size(), 3u);
  EXPECT_EQ(view.replicas[0], NodeId{2});
  EXPECT_EQ(view.in_sync, nodes({2, 3}));
  EXPECT_TRUE(view.offline.empty());
}

TEST_F(RegionsViewTest, WithoutALeaderThatLivesThereIsNone) {
  bench_.set_alive(2, false);
  const PartitionDescription view = describe();
  EXPECT_EQ(view.leader, NodeId{-1});
  EXPECT_EQ(view.epoch, LeaderEpoch{5});
  EXPECT_EQ(view.in_sync, nodes({2, 3}));
  EXPECT_NE(std::find(view.offline.begin(), view.offline.end(), NodeId{2}), view.offline.end());
}

TEST_F(RegionsViewTest, ANodeThatWasRebuiltDoesNotLeadWhatItLedBefore) {
  bench_.control.put(control::alive_key(NodeId{2}), control::encode_alive(member(9).incarnation));
  EXPECT_EQ(describe().leader, NodeId{-1});
}

TEST_F(RegionsViewTest, ThisNodeDoesNotNameItselfForACopyThatItCannotServe) {
  bench_.lead_in_state("default", 1, 7);
  EXPECT_EQ(describe().leader, NodeId{-1}) << "not open yet";
  EXPECT_EQ(describe().offline, nodes({1}));
  bench_.host("orders");
  EXPECT_EQ(describe().leader, NodeId{1});
}

TEST_F(RegionsViewTest, AGroupThatWasNeverLedHasReplicasButNoLeader) {
  control::FailoverGroup group;
  group.name = "fresh";
  group.regions = {"gz", "sh"};
  bench_.set_group(group);
  bench_.create_topic("t", 1, "fresh");
  const auto view = bench_.view.partition(*bench_.control.state().find_topic("t"), {0});
  EXPECT_EQ(view.leader, NodeId{-1});
  EXPECT_EQ(view.epoch, kNoLeaderEpoch);
  EXPECT_EQ(view.replicas, nodes({3, 2}));
  EXPECT_TRUE(view.in_sync.empty());
}

TEST_F(RegionsViewTest, TheLeaderOfTheSystemGroupCoordinates) {
  EXPECT_EQ(bench_.view.coordinator(), NodeId{3});
  bench_.set_alive(3, false);
  EXPECT_FALSE(bench_.view.coordinator());
  bench_.lead_in_state("system", 1, 8);
  EXPECT_EQ(bench_.view.coordinator(), NodeId{1});
}

}  // namespace
}  // namespace magpie::kafka
