#include "control/decide_topic.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "control/created_partitions.h"
#include "control/placement.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::one_node;

class DecideTopic : public ::testing::Test {
 protected:
  Decided<TopicCreated> decide(const CreateTopic& request) {
    return decide_create_topic(state_, policy_, request, random_);
  }
  void commit(const Transaction& transaction) {
    ASSERT_TRUE(state_.allows(transaction));
    ASSERT_TRUE(state_.apply(state_.revision() + 1, transaction.changes));
  }
  void create(const std::string& name, int32_t partitions) {
    CreateTopic request;
    request.name = name;
    request.partitions = partitions;
    const auto decided = decide(request);
    ASSERT_TRUE(decided) << decided.error().message;
    commit(decided->transaction);
  }
  RefusalCode refusal(const CreateTopic& request) {
    const auto decided = decide(request);
    EXPECT_FALSE(decided);
    if (decided) return RefusalCode::kUnavailable;
    EXPECT_FALSE(decided.error().message.empty());
    return decided.error().code;
  }
  RefusalCode refusal_of_partitions(const CreatePartitions& request) {
    const auto decided = decide_create_partitions(state_, policy_, request);
    EXPECT_FALSE(decided);
    return decided ? RefusalCode::kUnavailable : decided.error().code;
  }

  State state_;
  Policy policy_ = one_node();
  Random random_{1};
};

CreateTopic named(std::string name) {
  CreateTopic request;
  request.name = std::move(name);
  return request;
}

CreateTopic assigned(std::vector<ReplicaAssignment> assignments) {
  CreateTopic request = named("a");
  request.assignments = std::move(assignments);
  return request;
}

TEST_F(DecideTopic, CreatesWithDefaults) {
  policy_.default_partitions = 4;
  const auto decided = decide(named("orders"));
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->answer.partitions, 4);
  EXPECT_EQ(decided->answer.replication_factor, 1);
  EXPECT_FALSE(decided->answer.id.is_zero());
  EXPECT_TRUE(state_.topics().empty()) << "deciding changed the state";
  commit(decided->transaction);
  EXPECT_EQ(state_.find_topic(decided->answer.id)->name, "orders");
}

TEST_F(DecideTopic, KeepsConfigsGivenAtCreation) {
  CreateTopic request = named("orders");
  request.configs = {{"retention.ms", " 5 "}, {"cleanup.policy", "compact,delete"}};
  const auto decided = decide(request);
  ASSERT_TRUE(decided) << decided.error().message;
  commit(decided->transaction);
  EXPECT_EQ(state_.topic_configs("orders").at("retention.ms"), "5");
  EXPECT_EQ(decided->answer.configs, state_.topic_configs("orders"));
}

TEST_F(DecideTopic, OnlyValidates) {
  CreateTopic request = named("orders");
  request.validate_only = true;
  const auto decided = decide(request);
  ASSERT_TRUE(decided);
  EXPECT_TRUE(decided->transaction.empty());
  request.partitions = 0;
  EXPECT_EQ(refusal(request), RefusalCode::kInvalidPartitions);
}

TEST_F(DecideTopic, RefusesNames) {
  create("a.b", 1);
  EXPECT_EQ(refusal(named("")), RefusalCode::kInvalidTopic);
  EXPECT_EQ(refusal(named("a b")), RefusalCode::kInvalidTopic);
  EXPECT_EQ(refusal(named("a.b")), RefusalCode::kTopicAlreadyExists);
  EXPECT_EQ(refusal(named("a_b")), RefusalCode::kInvalidTopic);
  EXPECT_NE(decide(named("a_b")).error().message.find("'a.b'"), std::string::npos);
  EXPECT_TRUE(decide(named("a-b")));
}

TEST_F(DecideTopic, LetsOnlyTheNodeCreateInternalTopics) {
  CreateTopic request = named("__consumer_offsets");
  request.configs = {{"cleanup.policy", "compact"}};
  EXPECT_EQ(refusal(request), RefusalCode::kInvalidTopic);
  request.by_node = true;
  const auto decided = decide(request);
  ASSERT_TRUE(decided) << decided.error().message;
  commit(decided->transaction);
  const auto deleted = decide_delete_topic(state_, {"__consumer_offsets", std::nullopt});
  ASSERT_FALSE(deleted);
  EXPECT_EQ(deleted.error().code, RefusalCode::kPolicyViolation);
  EXPECT_EQ(refusal_of_partitions({"__consumer_offsets", 9, {}, false, false}),
            RefusalCode::kPolicyViolation);
}

TEST_F(DecideTopic, RefusesPartitionCountsAndReplicationFactors) {
  CreateTopic request = named("a");
  for (const int32_t bad : {0, -2, limits::kPartitionsPerTopic + 1, INT32_MAX, INT32_MIN}) {
    request.partitions = bad;
    EXPECT_EQ(refusal(request), RefusalCode::kInvalidPartitions) << bad;
  }
  request.partitions = limits::kPartitionsPerTopic;
  EXPECT_TRUE(decide(request));
  request.partitions = 1;
  for (const int16_t bad : {0, -2, -32768}) {
    request.replication_factor = bad;
    EXPECT_EQ(refusal(request), RefusalCode::kInvalidReplicationFactor) << bad;
  }
  for (const int16_t good : {-1, 1, 3}) {
    request.replication_factor = good;
    EXPECT_TRUE(decide(request)) << good;
  }
}

TEST_F(DecideTopic, HoldsToTheNodesPartitionLimit) {
  policy_.partitions_per_node = 5;
  create("a", 3);
  CreateTopic request = named("b");
  request.partitions = 3;
  EXPECT_EQ(refusal(request), RefusalCode::kInvalidPartitions);
  EXPECT_EQ(refusal(assigned({{0, {1}}, {1, {1}}, {2, {1}}})), RefusalCode::kTopicAlreadyExists);
  CreateTopic by_hand = assigned({{0, {1}}, {1, {1}}, {2, {1}}});
  by_hand.name = "b";
  EXPECT_EQ(refusal(by_hand), RefusalCode::kInvalidPartitions);
  request.partitions = 2;
  EXPECT_TRUE(decide(request));
  EXPECT_EQ(refusal_of_partitions({"a", 6, {}, false, false}), RefusalCode::kInvalidPartitions);
}

TEST_F(DecideTopic, PutsPartitionsWhereThereAreFewest) {
  policy_.nodes = {NodeId{1}, NodeId{2}, NodeId{3}};
  create("a", 4);
  const Placement expected = {NodeId{1}, NodeId{2}, NodeId{3}, NodeId{1}};
  EXPECT_EQ(state_.find_topic("a")->placement, expected);
  create("b", 2);
  EXPECT_EQ(state_.partition_count(NodeId{1}), 2);
  EXPECT_EQ(state_.partition_count(NodeId{2}), 2);
}

TEST_F(DecideTopic, TakesManualAssignments) {
  policy_.nodes = {NodeId{1}, NodeId{2}};
  const auto decided = decide(assigned({{1, {2, 1}}, {0, {1, 2}}}));
  ASSERT_TRUE(decided) << decided.error().message;
  commit(decided->transaction);
  EXPECT_EQ(state_.find_topic("a")->placement, (Placement{NodeId{1}, NodeId{2}}));
}

TEST_F(DecideTopic, RefusesManualAssignments) {
  policy_.nodes = {NodeId{1}, NodeId{2}};
  const auto bad = RefusalCode::kInvalidReplicaAssignment;
  EXPECT_EQ(refusal(assigned({{1, {1}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {1}}, {2, {1}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {1}}, {0, {1}}})), bad);
  EXPECT_EQ(refusal(assigned({{-1, {1}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {3}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {-1}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {1, 1}}})), bad);
  EXPECT_EQ(refusal(assigned({{0, {1}}, {1, {1, 2}}})), bad);
  CreateTopic both = assigned({{0, {1}}});
  both.partitions = 1;
  EXPECT_EQ(refusal(both), RefusalCode::kInvalidRequest);
  both.partitions = -1;
  both.replication_factor = 1;
  EXPECT_EQ(refusal(both), RefusalCode::kInvalidRequest);
}

TEST_F(DecideTopic, DeletesByNameAndByIdWithEverythingThatBelongsToTheTopic) {
  CreateTopic request = named("a");
  request.configs = {{"retention.ms", "1"}};
  const auto created = decide(request);
  commit(created->transaction);
  commit(decide_mark_created(state_, {NodeId{1}}, created->answer.id, 1)->transaction);
  EXPECT_EQ(state_.entries().size(), 3u);
  const auto by_id = decide_delete_topic(state_, {"", created->answer.id});
  ASSERT_TRUE(by_id);
  EXPECT_EQ(by_id->answer.name, "a");
  const auto by_name = decide_delete_topic(state_, {"a", std::nullopt});
  EXPECT_EQ(by_name->transaction, by_id->transaction);
  commit(by_name->transaction);
  EXPECT_TRUE(state_.entries().empty());

  EXPECT_EQ(decide_delete_topic(state_, {"a", std::nullopt}).error().code,
            RefusalCode::kUnknownTopicOrPartition);
  EXPECT_EQ(decide_delete_topic(state_, {"", created->answer.id}).error().code,
            RefusalCode::kUnknownTopicId);
  EXPECT_FALSE(state_.allows(by_name->transaction)) << "committed twice";
}

TEST_F(DecideTopic, GivesATopicCreatedAgainAnotherId) {
  create("a", 1);
  const Uuid first = state_.find_topic("a")->id;
  commit(decide_delete_topic(state_, {"a", std::nullopt})->transaction);
  create("a", 1);
  EXPECT_NE(state_.find_topic("a")->id, first);
}

TEST_F(DecideTopic, AddsPartitions) {
  create("a", 2);
  const Uuid id = state_.find_topic("a")->id;
  const auto decided = decide_create_partitions(state_, policy_, {"a", 5, {}, false, false});
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->answer.count, 5);
  commit(decided->transaction);
  EXPECT_EQ(state_.find_topic("a")->partition_count(), 5);
  EXPECT_EQ(state_.find_topic("a")->id, id);
  const auto checked = decide_create_partitions(state_, policy_, {"a", 6, {}, true, false});
  EXPECT_TRUE(checked && checked->transaction.empty());
}

TEST_F(DecideTopic, RefusesToAddPartitions) {
  create("a", 2);
  using Assignments = std::vector<std::vector<int32_t>>;
  EXPECT_EQ(refusal_of_partitions({"b", 3, {}, false, false}),
            RefusalCode::kUnknownTopicOrPartition);
  for (const int32_t bad : {2, 1, 0, -1, limits::kPartitionsPerTopic + 1}) {
    EXPECT_EQ(refusal_of_partitions({"a", bad, {}, false, false}), RefusalCode::kInvalidPartitions);
  }
  EXPECT_EQ(refusal_of_partitions({"a", 3, Assignments{}, false, false}),
            RefusalCode::kInvalidReplicaAssignment);
  EXPECT_EQ(refusal_of_partitions({"a", 3, Assignments{{1}, {1}}, false, false}),
            RefusalCode::kInvalidReplicaAssignment);
  EXPECT_EQ(refusal_of_partitions({"a", 3, Assignments{{7}}, false, false}),
            RefusalCode::kInvalidReplicaAssignment);
  EXPECT_TRUE(decide_create_partitions(state_, policy_, {"a", 3, Assignments{{1}}, false, false}));
}

// Two requests decided against the same state: only one can be committed.
TEST_F(DecideTopic, LosesARaceInsteadOfOverwriting) {
  create("a", 1);
  const auto grow = decide_create_partitions(state_, policy_, {"a", 2, {}, false, false});
  const auto drop = decide_delete_topic(state_, {"a", std::nullopt});
  const auto one = decide(named("b"));
  const auto other = decide(named("b"));
  commit(drop->transaction);
  EXPECT_FALSE(state_.allows(grow->transaction));
  commit(one->transaction);
  EXPECT_FALSE(state_.allows(other->transaction));
}

TEST_F(DecideTopic, MarksPartitionsThatExistOnDisk) {
  create("a", 3);
  const Uuid id = state_.find_topic("a")->id;
  EXPECT_EQ(state_.created_partitions({NodeId{1}}, id), 0);
  commit(decide_mark_created(state_, {NodeId{1}}, id, 2)->transaction);
  EXPECT_EQ(state_.created_partitions({NodeId{1}}, id), 2);
  EXPECT_EQ(state_.created_partitions({NodeId{2}}, id), 0);
  EXPECT_TRUE(decide_mark_created(state_, {NodeId{1}}, id, 1)->transaction.empty());
  EXPECT_EQ(decide_mark_created(state_, {NodeId{1}}, Uuid{}, 1).error().code,
            RefusalCode::kUnknownTopicId);
  // Those of other nodes do not exist here before they come; what exists stays so.
  commit(decide_mark_created(state_, {NodeId{3}}, id, 3, {0, 2})->transaction);
  EXPECT_FALSE(state_.is_created({NodeId{3}}, id, 0));
  EXPECT_TRUE(state_.is_created({NodeId{3}}, id, 1));
  EXPECT_TRUE(decide_mark_created(state_, {NodeId{3}}, id, 3, {0, 2})->transaction.empty());
  commit(decide_mark_created(state_, {NodeId{3}}, id, 3, {1, 2})->transaction);
  EXPECT_TRUE(state_.is_created({NodeId{3}}, id, 0));
  EXPECT_TRUE(state_.is_created({NodeId{3}}, id, 1));
  EXPECT_FALSE(state_.is_created({NodeId{3}}, id, 2));
  const auto late = decide_mark_created(state_, {NodeId{1}}, id, 3);
  commit(decide_delete_topic(state_, {"a", std::nullopt})->transaction);
  EXPECT_FALSE(state_.allows(late->transaction)) << "the topic is gone";
}

}  // namespace
}  // namespace magpie::control
