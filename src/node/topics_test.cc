// CreateTopics, DeleteTopics, CreatePartitions and DescribeLogDirs.
#include <gtest/gtest.h>

#include <set>

#include "node/testing/topics.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"
#include "wire/describe_log_dirs.h"
#include "wire/metadata.h"

namespace magpie::node::testing {
namespace {

using wire::CreateTopicsRequest;
using wire::CreateTopicsResponse;
using wire::ErrorCode;

class TopicsTest : public ::testing::Test {
 protected:
  TopicsTest() {
    harness_.config.auto_create_topics = false;
    harness_.config.default_partitions = 2;
    harness_.boot();
  }

  static CreateTopicsRequest::Topic topic(const std::string& name, int32_t partitions = 1,
                                          int16_t replication_factor = 1) {
    CreateTopicsRequest::Topic asked;
    asked.name = name;
    asked.num_partitions = partitions;
    asked.replication_factor = replication_factor;
    return asked;
  }
  CreateTopicsResponse create(std::vector<CreateTopicsRequest::Topic> topics, int version = 7,
                              bool validate_only = false) {
    CreateTopicsRequest request;
    request.topics = std::move(topics);
    request.validate_only = validate_only;
    return client_.call<CreateTopicsResponse>(request, version);
  }
  ErrorCode error_of(const CreateTopicsRequest::Topic& asked) {
    return create({asked}).topics.at(0).error_code;
  }
  // Number of partitions; -1 if there is no such topic.
  int partitions_of(const std::string& name) {
    wire::MetadataRequest request;
    request.topics.emplace().push_back({{}, name});
    const auto found = client_.call<wire::MetadataResponse>(request).topics.at(0);
    return found.error_code == ErrorCode::kNone ? static_cast<int>(found.partitions.size()) : -1;
  }
  wire::DeleteTopicsResponse remove(const std::vector<std::string>& names, int version = 5) {
    wire::DeleteTopicsRequest request;
    request.topic_names = names;
    return client_.call<wire::DeleteTopicsResponse>(request, version);
  }
  wire::CreatePartitionsResponse grow(
      const std::vector<wire::CreatePartitionsRequest::Topic>& topics, int version = 3,
      bool validate_only = false) {
    wire::CreatePartitionsRequest request;
    request.topics = topics;
    request.validate_only = validate_only;
    return client_.call<wire::CreatePartitionsResponse>(request, version);
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(TopicsTest, EveryVersionCreates) {
  for (int version = 2; version <= 7; ++version) {
    const std::string name = "v" + std::to_string(version);
    const auto answer = create({topic(name, 3)}, version).topics.at(0);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
    EXPECT_EQ(answer.num_partitions, version >= 5 ? 3 : -1) << version;
    EXPECT_EQ(answer.topic_id.is_zero(), version < 7) << version;
    EXPECT_EQ(partitions_of(name), 3) << version;
  }
}

TEST_F(TopicsTest, AnswersOnceThePartitionsCanBeUsed) {
  harness_.disk.hold(true);
  CreateTopicsRequest request;
  request.topics = {topic("t")};
  client_.send(request, 7);
  harness_.settle();
  EXPECT_FALSE(client_.take_frame());
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_TRUE(client_.take<CreateTopicsResponse>(7));
  EXPECT_EQ(produce(client_, "t", 0, batch_of({"a"})).error_code, ErrorCode::kNone);
}

TEST_F(TopicsTest, DefaultsStandInForMinusOne) {
  const auto answer = create({topic("t", -1, -1)}).topics.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.num_partitions, 2);
  EXPECT_EQ(answer.replication_factor, 1);
  ASSERT_TRUE(answer.configs);
  EXPECT_GT(answer.configs->size(), 20u) << "the answer shows every setting the topic has";
}

TEST_F(TopicsTest, ValidateOnlyCreatesNothing) {
  EXPECT_EQ(create({topic("t")}, 7, true).topics.at(0).error_code, ErrorCode::kNone);
  EXPECT_EQ(partitions_of("t"), -1);
  EXPECT_EQ(create({topic("a b")}, 7, true).topics.at(0).error_code,
            ErrorCode::kInvalidTopicException);
}

TEST_F(TopicsTest, ANameThatStandsTwiceInARequestIsRefusedBothTimes) {
  const auto answer = create({topic("twice"), topic("once"), topic("twice", 2)});
  ASSERT_EQ(answer.topics.size(), 3u);
  EXPECT_EQ(answer.topics[0].error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(answer.topics[1].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.topics[2].error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(partitions_of("twice"), -1);
}

TEST_F(TopicsTest, WhatCannotBeIsRefusedWithItsCode) {
  EXPECT_EQ(error_of(topic("there")), ErrorCode::kNone);
  EXPECT_EQ(error_of(topic("there")), ErrorCode::kTopicAlreadyExists);
  EXPECT_EQ(error_of(topic("")), ErrorCode::kInvalidTopicException);
  EXPECT_EQ(error_of(topic("a/b")), ErrorCode::kInvalidTopicException);
  EXPECT_EQ(error_of(topic(std::string(250, 'x'))), ErrorCode::kInvalidTopicException);
  EXPECT_EQ(error_of(topic("__consumer_offsets")), ErrorCode::kTopicAlreadyExists);
  EXPECT_EQ(error_of(topic("t", 0)), ErrorCode::kInvalidPartitions);
  EXPECT_EQ(error_of(topic("t", -2)), ErrorCode::kInvalidPartitions);
  EXPECT_EQ(error_of(topic("t", INT32_MAX)), ErrorCode::kInvalidPartitions);
  EXPECT_EQ(error_of(topic("t", 1, 0)), ErrorCode::kInvalidReplicationFactor);
  auto unknown_key = topic("t");
  unknown_key.configs = {{"no.such.key", "1"}};
  EXPECT_EQ(error_of(unknown_key), ErrorCode::kInvalidConfig);
  auto bad_value = topic("t");
  bad_value.configs = {{"retention.ms", "soon"}};
  EXPECT_EQ(error_of(bad_value), ErrorCode::kInvalidConfig);
}

TEST_F(TopicsTest, EveryRefusalSaysWhy) {
  for (const auto& asked : {topic("a b"), topic("t", 0), topic("t", 1, 0)}) {
    const auto answer = create({asked}).topics.at(0);
    EXPECT_NE(answer.error_code, ErrorCode::kNone);
    EXPECT_NE(answer.error_message.value_or(""), "") << asked.name;
    EXPECT_EQ(answer.name, asked.name);
  }
}

TEST_F(TopicsTest, ManualAssignmentsMustNameThisNodeForEveryPartition) {
  auto assigned = topic("t", -1, -1);
  assigned.assignments = {{0, {1}}, {1, {1}}};
  EXPECT_EQ(error_of(assigned), ErrorCode::kNone);
  EXPECT_EQ(partitions_of("t"), 2);
  auto elsewhere = topic("u", -1, -1);
  elsewhere.assignments = {{0, {2}}};
  EXPECT_EQ(error_of(elsewhere), ErrorCode::kInvalidReplicaAssignment);
  auto hole = topic("u", -1, -1);
  hole.assignments = {{0, {1}}, {2, {1}}};
  EXPECT_EQ(error_of(hole), ErrorCode::kInvalidReplicaAssignment);
}

TEST_F(TopicsTest, AFailingDiskRefusesTheCreation) {
  harness_.disk.set_write_error(Error{ErrorKind::kNoSpace, "no space left"});
  EXPECT_EQ(error_of(topic("t")), ErrorCode::kKafkaStorageError);
  EXPECT_EQ(partitions_of("t"), -1);
}

// --- DeleteTopics --------------------------------------------------------------------------------

TEST_F(TopicsTest, EveryVersionDeletesByName) {
  for (int version = 1; version <= 6; ++version) {
    const Uuid id = create({topic("t")}).topics.at(0).topic_id;
    wire::DeleteTopicsRequest request;
    if (version >= 6) {
      request.topics.push_back({"t", {}});
    } else {
      request.topic_names = {"t"};
    }
    const auto answer = client_.call<wire::DeleteTopicsResponse>(request, version);
    ASSERT_EQ(answer.responses.size(), 1u);
    EXPECT_EQ(answer.responses[0].error_code, ErrorCode::kNone) << version;
    EXPECT_EQ(answer.responses[0].name, "t") << version;
    EXPECT_EQ(answer.responses[0].topic_id, version >= 6 ? id : Uuid()) << version;
    EXPECT_EQ(partitions_of("t"), -1) << version;
  }
}

TEST_F(TopicsTest, ATopicIsDeletedByItsIdOnly) {
  const Uuid id = create({topic("t")}).topics.at(0).topic_id;
  remove({"t"});
  create_topic(client_, "t");
  wire::DeleteTopicsRequest request;
  request.topics.push_back({std::nullopt, id});
  const auto answer = client_.call<wire::DeleteTopicsResponse>(request).responses.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::kUnknownTopicId) << "the new topic has another id";
  EXPECT_EQ(answer.topic_id, id);
  EXPECT_EQ(partitions_of("t"), 1);
}

TEST_F(TopicsTest, EveryTopicOfADeletionIsAnswered) {
  create_topic(client_, "t");
  const auto answer = remove({"missing", "t", "t"});
  ASSERT_EQ(answer.responses.size(), 3u);
  EXPECT_EQ(answer.responses[0].name, "missing");
  EXPECT_EQ(answer.responses[0].error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(answer.responses[1].error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.responses[2].error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(TopicsTest, ATopicCreatedAgainIsEmpty) {
  create_topic(client_, "t");
  produce(client_, "t", 0, batch_of({"old"}));
  remove({"t"});
  create_topic(client_, "t");
  EXPECT_EQ(fetch(client_, "t", 0, 0).high_watermark, 0);
  harness_.crash();
  harness_.boot();
  client_.forget_connection();
  EXPECT_EQ(fetch(client_, "t", 0, 0).high_watermark, 0);
}

TEST_F(TopicsTest, ADeletedTopicLeavesNoFiles) {
  create_topic(client_, "t", 3);
  remove({"t"});
  for (const auto& [path, content] : harness_.disk.files()) {
    EXPECT_FALSE(path.starts_with("topics/t-")) << path;
  }
}

// --- CreatePartitions ----------------------------------------------------------------------------

TEST_F(TopicsTest, PartitionsAreAddedInEveryVersion) {
  create_topic(client_, "t");
  produce(client_, "t", 0, batch_of({"kept"}));
  for (int version = 0; version <= 3; ++version) {
    EXPECT_EQ(grow({{"t", version + 2, std::nullopt}}, version).results.at(0).error_code,
              ErrorCode::kNone);
    EXPECT_EQ(partitions_of("t"), version + 2);
  }
  EXPECT_EQ(produce(client_, "t", 4, batch_of({"a"})).error_code, ErrorCode::kNone);
  EXPECT_EQ(fetch(client_, "t", 0, 0).high_watermark, 1);
}

TEST_F(TopicsTest, EveryTopicThatIsToGrowIsAnswered) {
  create_topic(client_, "t", 2);
  const auto answer = grow({{"missing", 3, std::nullopt},
                            {"t", 2, std::nullopt},
                            {"t", 1, std::nullopt},
                            {"t", 0, std::nullopt},
                            {"t", 3, std::nullopt}});
  ASSERT_EQ(answer.results.size(), 5u);
  EXPECT_EQ(answer.results[0].name, "missing");
  EXPECT_EQ(answer.results[0].error_code, ErrorCode::kUnknownTopicOrPartition);
  for (size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(answer.results[i].error_code, ErrorCode::kInvalidPartitions) << i;
    EXPECT_NE(answer.results[i].error_message.value_or(""), "") << i;
  }
  EXPECT_EQ(answer.results[4].error_code, ErrorCode::kNone);
}

TEST_F(TopicsTest, GrowingCanBeOnlyValidated) {
  create_topic(client_, "t");
  EXPECT_EQ(grow({{"t", 5, std::nullopt}}, 3, true).results.at(0).error_code, ErrorCode::kNone);
  EXPECT_EQ(partitions_of("t"), 1);
}

// --- DescribeLogDirs -----------------------------------------------------------------------------

TEST_F(TopicsTest, LogDirectoriesTellWhatPartitionsTake) {
  create_topic(client_, "t", 2);
  const Buffer batch = batch_of({"a"});
  produce(client_, "t", 1, batch);
  wire::DescribeLogDirsRequest request;
  request.topics.emplace().push_back({"t", {0, 1, 5}});
  request.topics->push_back({"missing", {0}});
  for (int version = 1; version <= 4; ++version) {
    const auto answer = client_.call<wire::DescribeLogDirsResponse>(request, version);
    ASSERT_EQ(answer.results.size(), 1u) << version;
    ASSERT_EQ(answer.results[0].topics.size(), 1u) << version;
    const auto& partitions = answer.results[0].topics[0].partitions;
    ASSERT_EQ(partitions.size(), 2u) << version;
    EXPECT_EQ(partitions[0].partition_size, 0);
    EXPECT_EQ(partitions[1].partition_size, static_cast<int64_t>(batch.size()));
  }
  request.topics.reset();
  const auto all = client_.call<wire::DescribeLogDirsResponse>(request);
  EXPECT_EQ(all.results[0].topics.size(), 2u) << "the topic of the groups, and t";
}

}  // namespace
}  // namespace magpie::node::testing
