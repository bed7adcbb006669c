#include "control/decide_placing.h"

#include <gtest/gtest.h>

#include "control/decide_configs.h"
#include "control/group_values.h"
#include "control/groups_fixture.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/replication.h"

namespace magpie::control {
namespace {

using Placing = GroupsFixture;

TEST_F(Placing, PartitionsMoveOnlyBetweenGroupsOfOneLeader) {
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
TEST_F(Placing, AMoveBeginsATermThatLosesNothing) {
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

TEST_F(Placing, AlteringAConfigIsAMoveToo) {
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

TEST_F(Placing, AGroupMustExist) {
  three_regions();
  create_group("a", {"bj", "sh"});
  create_topic("orders", "a");
  EXPECT_NE(refusal(decide_place_in_group(state_, {"orders", {}, "mars"})).find("create it first"),
            std::string::npos);
}

TEST_F(Placing, APatternMovesAllThatItNames) {
  three_regions();
  create_group("a", {"bj", "sh"});
  create_group("b", {"bj", "sh"});
  create_topic("ord-1", "a");
  create_topic("ord-2", "b");
  create_topic("ord-3", "a,b");
  create_topic("pay", "a");
  const auto placed = decide_place_in_group(state_, {"ord*", {}, "b"});
  ASSERT_TRUE(placed) << placed.error().message;
  ASSERT_EQ(placed->answer.topics.size(), 2u) << "one is there already";
  EXPECT_EQ(placed->answer.topics[1].topic, "ord-3");
  EXPECT_EQ(placed->answer.left, 0u);
  commit(placed);
  for (const char* topic : {"ord-1", "ord-2", "ord-3"}) {
    EXPECT_EQ(state_.group_of(*state_.find_topic(topic), PartitionIndex{0}), "b") << topic;
  }
  EXPECT_EQ(state_.group_of(*state_.find_topic("pay"), PartitionIndex{0}), "a");
  EXPECT_TRUE(decide_place_in_group(state_, {"ord*", {}, "b"})->transaction.empty());
  EXPECT_NE(refusal(decide_place_in_group(state_, {"mars*", {}, "b"})).find("no topic matches"),
            std::string::npos);
  EXPECT_NE(refusal(decide_place_in_group(state_, {"ord*", {0}, "b"})).find("of one topic"),
            std::string::npos);
}

TEST_F(Placing, APatternMovesAsManyAtATimeAsATransactionHolds) {
  three_regions();
  create_group("a", {"bj", "sh"});
  for (size_t i = 0; i < 2 * kTopicsPlacedMax + 1; ++i) {
    create_topic("t-" + std::to_string(i), "default");
  }
  for (const size_t left : {kTopicsPlacedMax + 1, size_t{1}, size_t{0}}) {
    const auto placed = decide_place_in_group(state_, {"t-*", {}, "a"});
    ASSERT_TRUE(placed);
    EXPECT_EQ(placed->answer.left, left);
    EXPECT_LE(placed->transaction.compares.size(), 120u);
    EXPECT_LE(placed->transaction.changes.size(), 120u);
    commit(placed);
  }
}

// All or nothing: of a group that somebody else leads nothing moves.
TEST_F(Placing, APatternThatNamesWhatCannotMoveMovesNothing) {
  three_regions();
  for (const char* name : {"a", "b"}) create_group(name, {"bj", "sh"});
  create_group("c", {"sh", "bj"});
  create_topic("ord-1", "a");
  create_topic("ord-2", "c");
  commit(decide_take_leadership(state_, "a", member(1), {}, false));
  commit(decide_take_leadership(state_, "b", member(1), {}, false));
  commit(decide_take_leadership(state_, "c", member(2), {}, false));
  EXPECT_NE(refusal(decide_place_in_group(state_, {"ord*", {}, "b"})).find("Switch one of them"),
            std::string::npos);
}

TEST_F(Placing, ANewTopicComesIntoTheGroupThatSaysMostAboutItsName) {
  three_regions();
  FailoverGroup wide;
  wide.name = "a";
  wide.topics = {"*", "pay.*"};
  commit(decide_create_group(state_, wide));
  FailoverGroup narrow;
  narrow.name = "b";
  narrow.topics = {"pay.eu.*"};
  commit(decide_create_group(state_, narrow));
  const auto group_of_new = [&](const std::string& name) {
    CreateTopic request;
    request.name = name;
    request.partitions = 1;
    commit(decide_create_topic(state_, testing::one_node(), request, random_));
    return state_.group_of(*state_.find_topic(name), PartitionIndex{0});
  };
  EXPECT_EQ(group_of_new("pay.eu.1"), "b");
  EXPECT_EQ(group_of_new("pay.us.1"), "a");
  create_topic("pay.eu.2", "default");
  EXPECT_EQ(state_.group_of(*state_.find_topic("pay.eu.2"), PartitionIndex{0}), "default")
      << "what the request says counts";
  narrow.topics.clear();
  commit(decide_alter_group(state_, narrow));
  EXPECT_EQ(state_.group_of(*state_.find_topic("pay.eu.1"), PartitionIndex{0}), "b");
  EXPECT_EQ(group_of_new("pay.eu.3"), "a");
}

TEST_F(Placing, APatternBelongsToOneGroupAndMustNameTopics) {
  three_regions();
  FailoverGroup group;
  group.name = "a";
  group.topics = {"ord*"};
  commit(decide_create_group(state_, group));
  group.name = "b";
  EXPECT_NE(refusal(decide_create_group(state_, group)).find("group 'a' already"),
            std::string::npos);
  group.topics = {"or d*"};
  EXPECT_NE(refusal(decide_create_group(state_, group)).find("'or d*'"), std::string::npos);
  group.topics.assign(kTopicPatternsMax + 1, "x");
  EXPECT_NE(refusal(decide_create_group(state_, group)).find("at most 100"), std::string::npos);
}

}  // namespace
}  // namespace magpie::control
