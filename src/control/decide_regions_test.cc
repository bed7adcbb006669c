#include "control/decide_regions.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/absent_nodes.h"
#include "control/decide_groups.h"
#include "control/decide_operations.h"
#include "control/deleted_topic.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

constexpr WallTime kNow{1'000'000};
constexpr Duration kLease = Duration::seconds(10);

// Nodes 1 to 3 in bj, sh and gz; node 1 leads `default` and `system` with node 2 in sync.
class RegionRemovals : public ::testing::Test {
 protected:
  RegionRemovals() {
    const std::vector<std::string> names = {"bj", "sh", "gz"};
    for (int32_t id = 1; id <= 3; ++id) {
      commit(decide_register_node(state_, node(id, names[static_cast<size_t>(id - 1)])));
      set_alive(id, true);
    }
    for (const char* group : {"default", "system"}) {
      commit(decide_take_leadership(state_, group, member(1), kNow, true));
      commit(decide_open_epoch(state_, term(group), {member(2)}, kNow));
    }
  }
  static Node node(int32_t id, std::string region) {
    Node node{NodeId{id}, std::move(region), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(static_cast<uint8_t>(id));
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id, "").incarnation}; }
  Term term(const std::string& group) const {
    return {group, state_.leadership(group).epoch, member(1)};
  }
  void set_alive(int32_t id, bool alive) {
    const auto value = alive ? std::optional(encode_alive(member(id).incarnation)) : std::nullopt;
    ASSERT_TRUE(state_.apply(state_.revision() + 1, {{alive_key(NodeId{id}), value}}));
  }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    if (decided->transaction.empty()) return;
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  // The step is taken if it can be.
  RegionRemoval remove(const std::string& region, WallTime now = kNow) {
    const auto decided = decide_remove_region(state_, region, now, kLease);
    commit(decided);
    return decided ? decided->answer : RegionRemoval{};
  }
  std::string refusal(const std::string& region, WallTime now = kNow) {
    const auto decided = decide_remove_region(state_, region, now, kLease);
    return decided ? "accepted" : decided.error().message;
  }

  State state_;
};

TEST_F(RegionRemovals, NobodyReliesOnARegionWhenItGoes) {
  RegionRemoval step = remove("sh");
  EXPECT_FALSE(step.removed);
  EXPECT_TRUE(is_leaving(state_, "sh"));
  ASSERT_EQ(step.waits_for.size(), 2u);
  EXPECT_EQ(step.waits_for[0], "failover group 'default' to be acknowledged without it");
  EXPECT_TRUE(decide_remove_region(state_, "sh", kNow, kLease)->transaction.empty()) << "not yet";
  EXPECT_FALSE(decide_register_node(state_, node(4, "sh"))) << "no new nodes";
  EXPECT_TRUE(decide_register_node(state_, node(2, "sh"))) << "those that are there may restart";
  for (const char* group : {"default", "system"}) {
    commit(decide_begin_joining(state_, term(group), member(3), kNow));
    commit(decide_exchange_sync(state_, term(group), member(2), kNow));
  }
  step = remove("sh");
  EXPECT_TRUE(step.removed);
  EXPECT_FALSE(state_.regions().contains("sh"));
  EXPECT_EQ(state_.find_node(NodeId{2}), nullptr);
  EXPECT_TRUE(is_removed(state_, "sh"));
  EXPECT_EQ(acceptance_quorum(state_, "default").sites, std::vector<std::string>{"gz"});
  EXPECT_TRUE(remove("sh").removed) << "asking again changes nothing";
  const auto back = decide_register_node(state_, node(2, "sh"));
  ASSERT_FALSE(back);
  EXPECT_NE(back.error().message.find("magpie region readmit sh"), std::string::npos);
  EXPECT_FALSE(decide_register_region(state_, {"sh"}));
}

// Whoever counts on the region between two steps makes the second one fail.
TEST_F(RegionRemovals, AMemberThatEntersMeanwhileIsSeen) {
  remove("gz");
  const auto last = decide_remove_region(state_, "gz", kNow, kLease);
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->answer.removed);
  commit(decide_begin_joining(state_, term("default"), member(3), kNow));
  EXPECT_FALSE(state_.allows(last->transaction));
  EXPECT_EQ(
      remove("gz").waits_for,
      std::vector<std::string>{"failover group 'default' to give it up as a copy that joins"});
}

TEST_F(RegionRemovals, RefusedWhileTheRegionIsNeeded) {
  EXPECT_NE(refusal("bj").find("leads default, system"), std::string::npos) << refusal("bj");
  EXPECT_NE(refusal("bj").find("magpie switchover"), std::string::npos);
  EXPECT_NE(refusal("xx").find("there is no region"), std::string::npos);
  FailoverGroup group = *preset("critical");
  group.name = "pay";
  group.regions = {"bj", "sh"};
  group.after_failover = TooFewCopies::kBlock;
  commit(decide_create_group(state_, group));
  EXPECT_NE(refusal("sh").find("'pay' cannot do without region 'sh'"), std::string::npos)
      << refusal("sh");
  group.regions = {"bj", "sh", "gz"};
  group.after_failover.reset();
  commit(decide_alter_group(state_, group));
  EXPECT_NE(refusal("sh").find("after_failover"), std::string::npos) << "two regions are left";
  group.after_failover = TooFewCopies::kDegrade;
  commit(decide_alter_group(state_, group));
  EXPECT_EQ(refusal("sh"), "accepted");
  commit(decide_take_leadership(state_, "pay", member(1), kNow, true));
  commit(decide_open_epoch(state_, term("pay"), {member(2)}, kNow));
  set_alive(3, false);
  EXPECT_NE(refusal("sh").find("takes no writes"), std::string::npos) << refusal("sh");
  set_alive(3, true);
  EXPECT_EQ(refusal("sh"), "accepted");
}

TEST_F(RegionRemovals, RefusedWhileAnOperationMovesAGroupThere) {
  OperationRequest request;
  request.groups = {"default"};
  request.to = "sh";
  commit(decide_begin_operation(state_, request, member(3), kNow));
  EXPECT_NE(refusal("sh").find("operation 1"), std::string::npos) << refusal("sh");
  commit(decide_abandon_operation(state_, 1, "anna", kNow));
  EXPECT_EQ(refusal("sh"), "accepted");
  remove("sh");
  request.groups = {"system"};
  EXPECT_FALSE(decide_begin_operation(state_, request, member(3), kNow)) << "nobody moves there";
}

// Each would count on the other's nodes, and the leader be left with nobody.
TEST_F(RegionRemovals, OfTwoAtTheSameTimeOneFails) {
  const auto one = decide_remove_region(state_, "gz", kNow, kLease);
  const auto other = decide_remove_region(state_, "sh", kNow, kLease);
  ASSERT_TRUE(one && other);
  ASSERT_TRUE(state_.allows(other->transaction));
  remove("gz");
  EXPECT_FALSE(state_.allows(other->transaction));
}

TEST_F(RegionRemovals, OneAtATimeAndNotTheLastOne) {
  commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
  commit(decide_register_region(state_, {"w2", RegionRole::kWitness}));
  remove("w");
  EXPECT_NE(refusal("w2").find("region 'w' is being removed"), std::string::npos);
  EXPECT_TRUE(remove("w").removed) << "nothing rests on a witness";
  EXPECT_NE(refusal("w2", {kNow.millis + 59'000}).find("59 seconds ago"), std::string::npos);
  EXPECT_EQ(refusal("w2", {kNow.millis + 60'000}), "accepted");
  State lone;
  ASSERT_TRUE(lone.apply(1, {{region_key("a"), encode_region({"a"})},
                             {region_key("w"), encode_region({"w", RegionRole::kWitness})}}));
  EXPECT_NE(decide_remove_region(lone, "a", kNow, kLease).error().message.find("last one"),
            std::string::npos);
}

TEST_F(RegionRemovals, PoliciesThatNameItAreChangedAndTheirConsequencesSaid) {
  FailoverGroup group = *preset("standard");
  group.name = "pay";
  group.regions = {"bj", "sh", "gz"};
  group.copies = kAllCopies;
  commit(decide_create_group(state_, group));
  const RegionRemoval step = remove("gz");
  std::string said;
  for (const std::string& each : step.consequences) said += each + "\n";
  EXPECT_NE(said.find("'pay' no longer names it; its regions are bj, sh"), std::string::npos)
      << said;
  EXPECT_NE(said.find("'pay' has 1 copies besides the leader's instead of 2"), std::string::npos)
      << said;
  EXPECT_NE(said.find("2 sites are left"), std::string::npos) << said;
  EXPECT_EQ(said.find("node that lives"), std::string::npos) << said;
  EXPECT_TRUE(remove("gz").removed);
  EXPECT_EQ(state_.find_group("pay")->regions, (std::vector<std::string>{"bj", "sh"}));
}

TEST_F(RegionRemovals, ItIsSaidThatNobodyElseIsThere) {
  set_alive(2, false);
  const RegionRemoval step = remove("gz");
  ASSERT_FALSE(step.consequences.empty());
  EXPECT_EQ(step.consequences.front(),
            "failover group 'default' goes on with 0 of 1 copies: of its other regions no more "
            "have a node that lives");
}

TEST_F(RegionRemovals, WhatCannotBeRestoredWithoutItIsSaid) {
  DeletedTopic deleted;
  deleted.topic.name = "orders";
  deleted.topic.id = {1, 2};
  deleted.topic.placement = {NodeId{1}};
  const auto says = [&](const Members& holders) {
    deleted.holders = {{"default", holders}};
    const Change change{deleted_topic_key(deleted.topic.id), encode_deleted_topic(deleted)};
    EXPECT_TRUE(state_.apply(state_.revision() + 1, {change}));
    const auto step = decide_remove_region(state_, "gz", kNow, kLease);
    return step && step->answer.consequences.front().find("'orders'") != std::string::npos;
  };
  EXPECT_TRUE(says({member(3)}));
  EXPECT_FALSE(says({member(1), member(3)}));
}

TEST_F(RegionRemovals, ARegionCanBeTakenInAgain) {
  EXPECT_FALSE(decide_readmit_region(state_, "gz", kNow, kLease)) << "it was not removed";
  remove("gz");
  commit(decide_readmit_region(state_, "gz", kNow, kLease));
  EXPECT_FALSE(is_leaving(state_, "gz"));
  remove("gz");
  remove("gz");
  ASSERT_TRUE(is_removed(state_, "gz"));
  commit(decide_readmit_region(state_, "gz", kNow, kLease));
  EXPECT_FALSE(is_removed(state_, "gz"));
  EXPECT_EQ(state_.regions().at("gz").role, RegionRole::kData);
  commit(decide_register_node(state_, node(3, "gz")));
  EXPECT_FALSE(decide_readmit_region(state_, "xx", kNow, kLease));
}

// Seed 110616. A leader that read the whole state anew was not told, and relied on nobody there.
TEST_F(RegionRemovals, WhoReadsTheWholeStateAnewHearsThatARegionStays) {
  remove("sh");
  State behind = state_;
  commit(decide_readmit_region(state_, "sh", kNow, kLease));
  const auto differences = behind.replace(state_.revision(), state_.entries());
  ASSERT_TRUE(differences) << differences.error().message;
  const bool told =
      std::any_of(differences->begin(), differences->end(), [](const Difference& each) {
        const auto* changed = std::get_if<RegionChanged>(&each);
        return changed != nullptr && changed->region == "sh";
      });
  EXPECT_TRUE(told);
}

// What a node of it carried out is taken over.
TEST_F(RegionRemovals, ItsNodesAreNotAliveAnyMore) {
  remove("gz");
  EXPECT_TRUE(state_.alive(NodeId{3}));
  remove("gz");
  EXPECT_FALSE(state_.alive(NodeId{3}));
}

// The state that was looked at may be an old one.
TEST_F(RegionRemovals, ALeaseThatEndsMeanwhileIsSeen) {
  remove("gz");
  const auto last = decide_remove_region(state_, "gz", kNow, kLease);
  ASSERT_TRUE(last);
  EXPECT_TRUE(state_.allows(last->transaction));
  set_alive(1, false);
  EXPECT_FALSE(state_.allows(last->transaction));
}

// What rests on the region was looked at before.
TEST_F(RegionRemovals, NoGroupComesMeanwhile) {
  FailoverGroup group = *preset("standard");
  group.name = "new";
  const auto created = decide_create_group(state_, group);
  ASSERT_TRUE(created);
  FailoverGroup named = *state_.find_group("default");
  named.regions = {"bj", "gz"};
  const auto altered = decide_alter_group(state_, named);
  ASSERT_TRUE(altered);
  remove("gz");
  EXPECT_FALSE(state_.allows(created->transaction));
  EXPECT_FALSE(state_.allows(altered->transaction));
  const auto refused = decide_create_group(state_, group);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("region 'gz' is being removed"), std::string::npos);
  EXPECT_FALSE(decide_alter_group(state_, named));
  named.regions = {"bj", "sh"};
  EXPECT_TRUE(decide_alter_group(state_, named));
  commit(decide_readmit_region(state_, "gz", kNow, kLease));
  EXPECT_TRUE(decide_create_group(state_, group));
}

// A copy of a group without copies in sync can be the only one when its leader is gone.
TEST_F(RegionRemovals, RefusedWhileAGroupIsLedByNobodyWhoLives) {
  set_alive(1, false);
  for (const char* region : {"sh", "gz"}) {
    EXPECT_NE(refusal(region).find("may hold the only copy"), std::string::npos) << refusal(region);
  }
  set_alive(1, true);
  remove("gz");
  set_alive(1, false);
  EXPECT_NE(refusal("gz").find("fail the group over"), std::string::npos) << "also in between";
  EXPECT_TRUE(decide_readmit_region(state_, "gz", kNow, kLease)) << "it can always be kept";
}

// A leader that is cut off may know the regions as they were two changes ago.
TEST_F(RegionRemovals, OnlyTheLastOneToGoComesBackWhileAGroupIsLedByNobody) {
  commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
  remove("w");
  remove("w");
  const WallTime later{kNow.millis + 60'000};
  remove("gz", later);
  remove("gz", later);
  const WallTime much_later{kNow.millis + 3'600'000};
  const auto in_time = decide_readmit_region(state_, "w", much_later, kLease);
  ASSERT_TRUE(in_time);
  set_alive(1, false);
  EXPECT_FALSE(state_.allows(in_time->transaction));
  const auto refused = decide_readmit_region(state_, "w", much_later, kLease);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("node 1, which led"), std::string::npos);
  commit(decide_readmit_region(state_, "gz", much_later, kLease));
}

TEST_F(RegionRemovals, ANewRegionIsAChangeToo) {
  const WallTime later{kNow.millis + 60'000};
  const auto add = [&](const std::string& name, WallTime now) {
    return decide_register_region(state_, {name, RegionRole::kWitness}, now, kLease);
  };
  const auto early = add("early", kNow);
  commit(add("w", kNow));
  EXPECT_FALSE(state_.allows(early->transaction)) << "they are counted";
  EXPECT_NE(refusal("gz").find("region 'w' has come 0 seconds ago"), std::string::npos)
      << refusal("gz");
  EXPECT_TRUE(add("w2", kNow)) << "a cluster begins with several";
  remove("gz", later);
  remove("gz", later);
  const auto soon = add("w2", {later.millis + 59'000});
  ASSERT_FALSE(soon);
  EXPECT_NE(soon.error().message.find("'gz' was removed"), std::string::npos);
  Node other = node(4, "sz");
  EXPECT_FALSE(decide_register_node(state_, other, RegionRole::kData, later, kLease));
  const auto in_time = add("w2", {later.millis + 60'000});
  ASSERT_TRUE(in_time);
  set_alive(1, false);
  EXPECT_FALSE(state_.allows(in_time->transaction));
  EXPECT_FALSE(add("w2", {later.millis + 60'000})) << "a leader may know of neither change";
}

TEST_F(RegionRemovals, ThePauseIsThatOfALease) {
  commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
  remove("w");
  remove("w");
  const WallTime later{kNow.millis + 61'000};
  EXPECT_TRUE(decide_remove_region(state_, "gz", later, kLease));
  EXPECT_FALSE(decide_remove_region(state_, "gz", later, Duration::seconds(600)));
  EXPECT_TRUE(decide_remove_region(state_, "gz", {kNow.millis + 12'000}, Duration::seconds(2)));
  // By a clock that is far behind nothing can be said.
  EXPECT_NE(refusal("gz", {kNow.millis - 100'000}).find("100 seconds from now"), std::string::npos);
}

// One site that comes and one that goes: most of those before and most of those after need not
// meet.
TEST_F(RegionRemovals, AnotherRegionWaitsWhenOneHasGoneOrComeBack) {
  commit(decide_register_region(state_, {"w", RegionRole::kWitness}));
  remove("w");
  remove("w");
  remove("gz", {kNow.millis + 60'000});
  remove("gz", {kNow.millis + 60'000});
  ASSERT_TRUE(is_removed(state_, "gz"));
  const auto early = decide_readmit_region(state_, "w", {kNow.millis + 61'000}, kLease);
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("'gz' was removed or readmitted 1 seconds ago"),
            std::string::npos);
  EXPECT_FALSE(decide_readmit_region(state_, "w", {kNow.millis + 59'000}, kLease))
      << "a clock behind";
  commit(decide_readmit_region(state_, "gz", {kNow.millis + 62'000}, kLease));
  EXPECT_NE(refusal("sh", {kNow.millis + 63'000}).find("1 seconds ago"), std::string::npos);
  EXPECT_FALSE(decide_readmit_region(state_, "w", {kNow.millis + 121'000}, kLease));
  EXPECT_TRUE(decide_readmit_region(state_, "w", {kNow.millis + 122'000}, kLease));
  ASSERT_TRUE(state_.apply(state_.revision() + 1, {{"removed_regions/w", R"({"at":1,"v":9})"}}));
  EXPECT_FALSE(decide_readmit_region(state_, "w", {kNow.millis + 122'000}, kLease))
      << "of what role?";
}

TEST_F(RegionRemovals, RefusedWhereATransactionCannotCompareAllGroups) {
  std::vector<Change> groups;
  for (int i = 0; i < 117; ++i) {
    FailoverGroup group = *preset("standard");
    group.name = "g" + std::to_string(i);
    groups.push_back({group_key(group.name), encode_group(group)});
  }
  ASSERT_TRUE(state_.apply(state_.revision() + 1, groups));
  EXPECT_EQ(refusal("sh"), "accepted") << "119 leaderships, 7 keys of the region, a lease";
  FailoverGroup one_more = *preset("standard");
  one_more.name = "h";
  commit(decide_create_group(state_, one_more));
  one_more.name = "i";
  commit(decide_create_group(state_, one_more));
  EXPECT_NE(refusal("sh").find("with 121 groups it would be 129"), std::string::npos)
      << refusal("sh");
}

TEST_F(RegionRemovals, ANodeThatWasAwayForTooLongComesBackEmpty) {
  remove("gz");
  remove("gz");
  commit(decide_readmit_region(state_, "gz", kNow, kLease));
  const auto problem = [&](const Uuid& incarnation, int64_t hours, const ConfigValues& defaults) {
    const auto found = absence_problem(state_, NodeId{3}, incarnation, defaults,
                                       {kNow.millis + hours * 3'600'000});
    return found ? found->message : "";
  };
  const Uuid before = member(3).incarnation;
  Random random(1);
  CreateTopic request;
  request.name = "logs";
  request.partitions = 1;
  commit(decide_create_topic(state_, testing::one_node(), request, random));
  EXPECT_EQ(problem(before, 100, {}), "") << "nothing is compacted";
  EXPECT_NE(problem(before, 100, {{"cleanup.policy", "compact"}}), "");
  request.name = "keys";
  request.configs = {{"cleanup.policy", "compact"}};
  commit(decide_create_topic(state_, testing::one_node(), request, random));
  EXPECT_EQ(problem(before, 23, {}), "");
  EXPECT_NE(problem(before, 23, {{"delete.retention.ms", "1000"}}), "");
  EXPECT_NE(problem(before, 24, {}).find("topic 'keys'"), std::string::npos);
  EXPECT_EQ(problem(before, -1, {}), "") << "a clock that is behind that of the remover";
  EXPECT_NE(problem(before, -24, {}), "");
  EXPECT_EQ(problem(member(9).incarnation, 100, {}), "") << "an empty directory";
  // Which goes again: the one before may still come.
  Node empty = node(3, "gz");
  empty.incarnation = member(9).incarnation;
  commit(decide_register_node(state_, empty));
  EXPECT_NE(problem(before, 100, {}), "");
  // As a later incarnation it still holds what it held.
  Node renewed = node(3, "gz");
  renewed.directory = before;
  renewed.incarnation = member(8).incarnation;
  EXPECT_NE(problem(renewed.first_incarnation(), 100, {}), "");
  commit(decide_register_node(state_, renewed));
  EXPECT_EQ(problem(before, 100, {}), "") << "it is back";
  const AbsentNode absent{before, {7}};
  EXPECT_EQ(decode_absent_node(encode_absent_node(absent)), absent);
  EXPECT_FALSE(decode_absent_node("{}"));
}

TEST(RegionValues, WhatIsLeftOfARegionCanBeReadAgain) {
  const RemovedRegion removed{RegionRole::kWitness, {5}};
  EXPECT_EQ(encode_removed_region(removed), R"({"at":5,"role":"witness","v":1})");
  EXPECT_EQ(decode_removed_region(encode_removed_region(removed)), removed);
  EXPECT_FALSE(decode_removed_region("{}"));
  const RegionChange change{"gz", {5}, false};
  EXPECT_EQ(encode_region_change(change), R"({"at":5,"region":"gz","v":1})");
  EXPECT_EQ(decode_region_change(encode_region_change(change)), change);
  EXPECT_FALSE(decode_region_change("{}"));
  const RegionChange added{"gz", {5}, true};
  EXPECT_EQ(encode_region_change(added), R"({"at":5,"new":true,"region":"gz","v":1})");
  EXPECT_EQ(decode_region_change(encode_region_change(added)), added);
  EXPECT_FALSE(decode_removed_region(R"({"at":"x","role":"data","v":1})"));
}

}  // namespace
}  // namespace magpie::control
