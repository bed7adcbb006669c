#include "control/deleted_topic.h"

#include <gtest/gtest.h>

#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/operation_values.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

class DeletedTopics : public ::testing::Test {
 protected:
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  Uuid create(const std::string& name, std::vector<WantedConfig> configs = {}) {
    CreateTopic request;
    request.name = name;
    request.partitions = 2;
    request.configs = std::move(configs);
    commit(decide_create_topic(state_, policy_, request, random_));
    const Uuid id = state_.find_topic(name)->id;
    commit(decide_mark_created(state_, {NodeId{1}}, id, 2));
    return id;
  }
  void remove(const std::string& name, int64_t at = 1'000) {
    commit(decide_delete_topic(state_, {name, std::nullopt, Duration::seconds(60), {at}}));
  }
  std::string why_not(const std::string& which) {
    const auto decided = decide_restore_topic(state_, policy_, which);
    return decided ? "" : decided.error().message;
  }
  static bool says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  State state_;
  Policy policy_ = testing::one_node();
  Random random_{1};
};

TEST_F(DeletedTopics, ATopicComesBackAsItWas) {
  const Uuid id = create("a", {{"retention.ms", "1000"}});
  remove("a");
  EXPECT_EQ(state_.find_topic("a"), nullptr);
  EXPECT_EQ(state_.partition_count(), 0);
  EXPECT_TRUE(state_.topic_configs("a").empty());
  EXPECT_TRUE(is_kept(state_, id));
  const DeletedTopic kept = deleted_topics(state_).at(id);
  EXPECT_EQ(kept.deleted_at, WallTime{1'000});
  EXPECT_EQ(kept.kept_until, WallTime{61'000});
  EXPECT_TRUE(kept.holders.empty());
  commit(decide_restore_topic(state_, policy_, "a"));
  EXPECT_EQ(state_.find_topic("a")->id, id);
  EXPECT_EQ(state_.topic_configs("a").at("retention.ms"), "1000");
  EXPECT_TRUE(state_.is_created({NodeId{1}}, id, 1)) << "its partitions are opened, not created";
  EXPECT_FALSE(is_kept(state_, id));
  EXPECT_TRUE(says(why_not("a"), "no deleted topic"));
}

TEST_F(DeletedTopics, WithoutATimeATopicGoesAtOnce) {
  const Uuid id = create("a");
  commit(decide_delete_topic(state_, {"a", std::nullopt}));
  EXPECT_FALSE(is_kept(state_, id));
  EXPECT_FALSE(state_.is_created({NodeId{1}}, id, 0));
}

TEST_F(DeletedTopics, PurgedNothingIsLeft) {
  const Uuid id = create("a");
  remove("a");
  commit(decide_purge_topic(state_, to_string(id)));
  EXPECT_TRUE(state_.entries().empty());
  EXPECT_TRUE(says(why_not("a"), "no deleted topic"));
}

TEST_F(DeletedTopics, ANewTopicStandsInTheWayOfTheOldOne) {
  const Uuid old = create("a.b");
  remove("a.b");
  create("a.b");
  EXPECT_TRUE(says(why_not("a.b"), "created anew"));
  EXPECT_TRUE(says(why_not("a.b"), to_string(old)));
  const Uuid later = state_.find_topic("a.b")->id;
  remove("a.b");
  EXPECT_TRUE(says(why_not("a.b"), "2 deleted topics"));
  EXPECT_TRUE(says(why_not("a.b"), to_string(later)));
  create("a_b");
  EXPECT_TRUE(says(why_not(to_string(old)), "collides"));
  commit(decide_delete_topic(state_, {"a_b", std::nullopt}));
  commit(decide_restore_topic(state_, policy_, to_string(old)));
  EXPECT_EQ(state_.find_topic("a.b")->id, old);
}

TEST_F(DeletedTopics, OfTooManyTheOldestGoes) {
  const Uuid first = create("first");
  remove("first", 1'000);
  for (size_t i = 1; i < kDeletedTopicsMax; ++i) {
    create("t");
    remove("t", 2'000);
  }
  EXPECT_EQ(deleted_topics(state_).size(), kDeletedTopicsMax);
  EXPECT_TRUE(is_kept(state_, first));
  const Uuid last = create("last");
  remove("last", 3'000);
  EXPECT_EQ(deleted_topics(state_).size(), kDeletedTopicsMax);
  EXPECT_FALSE(is_kept(state_, first));
  EXPECT_FALSE(state_.is_created({NodeId{1}}, first, 0));
  EXPECT_TRUE(is_kept(state_, last));
}

TEST_F(DeletedTopics, LimitsHoldForWhatComesBack) {
  create("a");
  remove("a");
  policy_.partitions_per_node = 1;
  EXPECT_TRUE(says(why_not("a"), "more than 1"));
}

TEST_F(DeletedTopics, ValuesAreRead) {
  DeletedTopic deleted;
  deleted.topic = testing::topic("a", 1, {1, 2});
  deleted.configs = {{"retention.ms", "1000"}};
  deleted.deleted_at = {1'000};
  deleted.kept_until = {2'000};
  Member member{NodeId{1}, {}};
  member.incarnation.bytes.fill(1);
  deleted.holders = {{"default", {member}}};
  deleted.bytes = 7;
  deleted.restored = {{"default", LeaderEpoch{5}}};
  deleted.problem = "p";
  const std::string text = encode_deleted_topic(deleted);
  EXPECT_EQ(
      text,
      R"({"bytes":7,"configs":{"retention.ms":"1000"},"deleted_at":1000,"holders":{"default":[{)"
      R"("incarnation":"AQEBAQEBAQEBAQEBAQEBAQ","node":1}]},"kept_until":2000,"name":"a",)"
      R"("placement":[1,2],"problem":"p","restored":{"default":5},"v":1})");
  EXPECT_EQ(*decode_deleted_topic("k", deleted.topic.id, text), deleted);
  for (const char* bad : {"{}", R"({"v":1,"name":"a"})", R"({"v":2})"}) {
    EXPECT_FALSE(decode_deleted_topic("k", deleted.topic.id, bad)) << bad;
  }
}

// --- with several regions ------------------------------------------------------------------------

class DeletedInRegions : public DeletedTopics {
 protected:
  DeletedInRegions() {
    for (int32_t id = 1; id <= 3; ++id) {
      commit(decide_register_node(state_, node(id)));
    }
    policy_.nodes = {NodeId{1}};
    commit(decide_take_leadership(state_, "default", member(1), {10}, true));
    commit(decide_open_epoch(state_, term(), {member(2)}, {20}));
  }
  static Node node(int32_t id, uint8_t incarnation = 1) {
    Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(incarnation);
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id).incarnation}; }
  RestoreStep step(int32_t node) {
    return restore_step(state_, deleted_topics(state_).begin()->second, NodeId{node});
  }
  Term term() const {
    const Leadership& held = state_.leadership("default");
    return {"default", held.epoch, held.leader};
  }
};

TEST_F(DeletedInRegions, ARestoredTopicBeginsATermOfThoseWhoHadItsRecords) {
  create("a");
  remove("a");
  EXPECT_EQ(deleted_topics(state_).begin()->second.holders.at("default"),
            (Members{member(1), member(2)}));
  // Node 3 comes into the sync set while the topic is away.
  commit(decide_begin_joining(state_, term(), member(3), {30}));
  commit(decide_exchange_sync(state_, term(), member(2), {40}));
  const LeaderEpoch before = state_.leadership("default").epoch;
  commit(decide_restore_topic(state_, policy_, "a"));
  const Leadership& led = state_.leadership("default");
  EXPECT_GT(led.epoch, before);
  EXPECT_EQ(led.leader, member(1));
  EXPECT_FALSE(led.open);
  EXPECT_EQ(led.promotable, Members{member(1)}) << "node 3 may lack records of the topic";
}

TEST_F(DeletedInRegions, ALeaderThatMayLackRecordsRestoresNothing) {
  create("a");
  remove("a");
  commit(decide_begin_joining(state_, term(), member(3), {30}));
  commit(decide_exchange_sync(state_, term(), member(2), {40}));
  commit(decide_promote_without_loss(state_, "default", NodeId{3}, {50}));
  EXPECT_TRUE(says(why_not("a"), "may lack records")) << why_not("a");
  EXPECT_TRUE(says(why_not("a"), "region 'r1'")) << why_not("a");
  commit(decide_open_epoch(state_, term(), {member(1)}, {60}));
  commit(decide_promote_without_loss(state_, "default", NodeId{1}, {70}));
  commit(decide_restore_topic(state_, policy_, "a"));
  EXPECT_EQ(state_.leadership("default").promotable, Members{member(1)});
}

TEST_F(DeletedInRegions, ARestoreIsOverWhenItsGroupsAreLedWithIt) {
  const Uuid id = create("a");
  remove("a");
  commit(decide_restore_topic(state_, policy_, "a"));
  EXPECT_TRUE(is_being_restored(state_, id));
  EXPECT_FALSE(is_kept(state_, id));
  EXPECT_TRUE(says(why_not("a"), "no deleted topic"));
  EXPECT_EQ(step(1), RestoreStep::kOpening);
  EXPECT_EQ(step(2), RestoreStep::kNothing);
  EXPECT_FALSE(decide_finish_restore(state_, id, NodeId{1}));
  commit(decide_open_epoch(state_, term(), {member(2)}, {40}));
  EXPECT_EQ(step(1), RestoreStep::kFinished);
  EXPECT_FALSE(decide_give_back_topic(state_, id, NodeId{1}, "late", {50}));
  commit(decide_finish_restore(state_, id, NodeId{1}));
  EXPECT_TRUE(deleted_topics(state_).empty());
  EXPECT_NE(state_.find_topic(id), nullptr);
}

TEST_F(DeletedInRegions, ATopicThatItsLeaderCannotOpenIsTakenAwayAgain) {
  const Uuid id = create("a", {{"retention.ms", "1000"}});
  remove("a");
  commit(decide_restore_topic(state_, policy_, "a"));
  EXPECT_FALSE(decide_give_back_topic(state_, id, NodeId{2}, "not the leader", {50}));
  commit(decide_give_back_topic(state_, id, NodeId{1}, "it is damaged", {60'000}));
  EXPECT_EQ(state_.find_topic("a"), nullptr);
  EXPECT_TRUE(state_.topic_configs("a").empty());
  const DeletedTopic kept = deleted_topics(state_).at(id);
  EXPECT_EQ(kept.problem, "it is damaged");
  EXPECT_EQ(kept.holders.at("default"), (Members{member(1), member(2)})) << "as before";
  EXPECT_EQ(kept.deleted_at, WallTime{60'000}) << "committed positions are sorted by it";
  EXPECT_EQ(kept.kept_until, WallTime{60'000 + kGivenBackKept.to_milliseconds()});
  // Somebody else who had everything can lead with it.
  commit(decide_open_epoch(state_, term(), {member(2)}, {70}));
  commit(decide_promote_without_loss(state_, "default", NodeId{2}, {80}));
  commit(decide_restore_topic(state_, policy_, "a"));
  EXPECT_EQ(state_.topic_configs("a").at("retention.ms"), "1000");
  EXPECT_TRUE(deleted_topics(state_).at(id).problem.empty());
  // Deleted before that is over, and for good: nothing is left.
  remove("a", 90'000);
  EXPECT_EQ(deleted_topics(state_).at(id).holders.at("default"), (Members{member(1), member(2)}));
  commit(decide_restore_topic(state_, policy_, "a"));
  commit(decide_delete_topic(state_, {"a", std::nullopt}));
  EXPECT_TRUE(deleted_topics(state_).empty());
}

TEST_F(DeletedInRegions, WhoTakesOverDuringARestoreFinishesItOrGivesTheTopicBack) {
  const Uuid id = create("a");
  remove("a");
  commit(decide_restore_topic(state_, policy_, "a"));
  commit(decide_promote_without_loss(state_, "default", NodeId{2}, {50}));
  EXPECT_EQ(step(1), RestoreStep::kNothing);
  EXPECT_EQ(step(2), RestoreStep::kOpening);
  EXPECT_FALSE(decide_finish_restore(state_, id, NodeId{2}));
  commit(decide_give_back_topic(state_, id, NodeId{2}, "it is damaged", {60'000}));
  EXPECT_EQ(deleted_topics(state_).at(id).holders.at("default"), (Members{member(1), member(2)}));
}

TEST_F(DeletedInRegions, NotWhileAnOperationMovesTheGroup) {
  create("a");
  remove("a");
  Operation operation;
  operation.id = 7;
  operation.kind = OperationKind::kFailover;
  operation.executor = member(2);
  operation.requested_by = "somebody";
  operation.groups.emplace_back().group = "default";
  operation.groups[0].step = OperationStep::kFencing;
  operation.groups[0].old_leader = member(1);
  ASSERT_TRUE(
      state_.apply(state_.revision() + 1, {{operation_key(7), encode_operation(operation)}}));
  ASSERT_EQ(state_.operations().size(), 1u);
  EXPECT_TRUE(says(why_not("a"), "operation 7")) << why_not("a");
  operation.groups[0].step = OperationStep::kAbandoned;
  ASSERT_TRUE(
      state_.apply(state_.revision() + 1, {{operation_key(7), encode_operation(operation)}}));
  EXPECT_EQ(why_not("a"), "");
}

TEST_F(DeletedInRegions, DeletedWhileItsGroupMovesItComesBackWhenThatIsOver) {
  create("a");
  commit(decide_begin_draining(state_, "default", "7", NodeId{2}, false));
  remove("a");
  EXPECT_EQ(deleted_topics(state_).begin()->second.holders.at("default"),
            (Members{member(1), member(2)}));
  EXPECT_TRUE(says(why_not("a"), "a switchover is under way")) << why_not("a");
  commit(decide_promote_without_loss(state_, "default", NodeId{2}, {50}));
  commit(decide_restore_topic(state_, policy_, "a"));
  EXPECT_EQ(state_.leadership("default").leader, member(2));
}

TEST_F(DeletedInRegions, APurgeTakesReservedOffsetsWithIt) {
  const Uuid id = create("a");
  const Topic topic = *state_.find_topic("a");
  commit(decide_raise_ceilings(state_, term(), topic, {{PartitionIndex{0}, Offset{100}}}));
  remove("a");
  EXPECT_NE(state_.ceilings("default", id), Ceilings{}) << "they count when it comes back";
  commit(decide_purge_topic(state_, "a"));
  EXPECT_EQ(state_.ceilings("default", id), Ceilings{});
}

TEST_F(DeletedInRegions, IfNobodyIsLeftWhoHadEverythingItSaysSo) {
  create("a");
  remove("a");
  commit(decide_begin_joining(state_, term(), member(3), {30}));
  commit(decide_exchange_sync(state_, term(), member(2), {40}));
  commit(decide_promote_without_loss(state_, "default", NodeId{3}, {50}));
  commit(decide_register_node(state_, node(1, 9)));
  commit(decide_register_node(state_, node(2, 9)));
  EXPECT_TRUE(says(why_not("a"), "no node is left")) << why_not("a");
}

TEST_F(DeletedInRegions, AGroupThatIsGoneMustBeThereFirst) {
  FailoverGroup group = *preset("standard");
  group.name = "logs";
  commit(decide_create_group(state_, group));
  create("a", {{"magpie.failover.group", "logs"}});
  remove("a");
  commit(decide_delete_group(state_, "logs"));
  EXPECT_TRUE(says(why_not("a"), "no failover group 'logs'"));
  commit(decide_create_group(state_, group));
  commit(decide_restore_topic(state_, policy_, "a"));
}

}  // namespace
}  // namespace magpie::control
