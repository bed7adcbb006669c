// DescribeConfigs, AlterConfigs and IncrementalAlterConfigs.
#include <gtest/gtest.h>

#include <set>

#include "node/testing/topics.h"
#include "wire/alter_configs.h"
#include "wire/describe_configs.h"
#include "wire/incremental_alter_configs.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;
using Described = wire::DescribeConfigsResponse::Config;

constexpr int8_t kTopic = 2;
constexpr int8_t kBroker = 4;
constexpr int8_t kGroup = 32;

enum Source : int8_t { kTopicSource = 1, kStaticBrokerSource = 4, kDefaultSource = 5 };
enum Operation : int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };

class ConfigsTest : public ::testing::Test {
 protected:
  ConfigsTest() {
    harness_.config.topic_defaults = {{"retention.ms", "1234567"}};
    harness_.boot();
    create_topic(client_, "t", 1, {{"max.message.bytes", "2000"}});
  }

  wire::DescribeConfigsResponse::Result describe(int8_t type, const std::string& name,
                                                 int version = 4) {
    wire::DescribeConfigsRequest request;
    request.resources.push_back({type, name, std::nullopt});
    request.include_synonyms = true;
    return client_.call<wire::DescribeConfigsResponse>(request, version).results.at(0);
  }
  Described described(const std::string& key) {
    for (const Described& config : describe(kTopic, "t").configs) {
      if (config.name == key) return config;
    }
    ADD_FAILURE() << key << " is not described";
    return {};
  }
  std::string value_of(const std::string& key) { return described(key).value.value_or("(null)"); }

  // One alteration of topic t.
  ErrorCode alter(const std::string& key, int8_t operation, std::optional<std::string> value,
                  bool validate_only = false, int version = 1) {
    wire::IncrementalAlterConfigsRequest request;
    request.resources.push_back({kTopic, "t", {{key, operation, std::move(value)}}});
    request.validate_only = validate_only;
    return client_.call<wire::IncrementalAlterConfigsResponse>(request, version)
        .responses.at(0)
        .error_code;
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(ConfigsTest, EveryKeyOfATopicIsListedInEveryVersion) {
  for (int version = 1; version <= 4; ++version) {
    const auto answer = describe(kTopic, "t", version);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
    std::set<std::string> keys;
    for (const Described& config : answer.configs) keys.insert(config.name);
    for (const char* key :
         {"cleanup.policy", "compression.type", "delete.retention.ms", "max.message.bytes",
          "message.timestamp.type", "min.insync.replicas", "retention.bytes", "retention.ms",
          "segment.bytes", "segment.ms", "unclean.leader.election.enable"}) {
      EXPECT_TRUE(keys.contains(key)) << key << " in version " << version;
    }
  }
}

TEST_F(ConfigsTest, TheSourceTellsWhatWasSetOnPurpose) {
  EXPECT_EQ(described("max.message.bytes").config_source, kTopicSource);
  EXPECT_EQ(described("max.message.bytes").value, "2000");
  EXPECT_EQ(described("retention.ms").config_source, kStaticBrokerSource);
  EXPECT_EQ(described("retention.ms").value, "1234567");
  EXPECT_EQ(described("cleanup.policy").config_source, kDefaultSource);
  EXPECT_EQ(described("cleanup.policy").value, "delete");
}

TEST_F(ConfigsTest, SynonymsListEveryPlaceThatHasAValue) {
  ASSERT_EQ(alter("retention.ms", kSet, "1"), ErrorCode::kNone);
  const auto synonyms = described("retention.ms").synonyms;
  ASSERT_EQ(synonyms.size(), 3u);
  EXPECT_EQ(synonyms[0].source, kTopicSource);
  EXPECT_EQ(synonyms[0].value, "1");
  EXPECT_EQ(synonyms[1].source, kStaticBrokerSource);
  EXPECT_EQ(synonyms[2].source, kDefaultSource);
}

TEST_F(ConfigsTest, OnlyTheKeysAskedForAreAnswered) {
  wire::DescribeConfigsRequest request;
  request.resources.push_back({kTopic, "t", std::vector<std::string>{"retention.ms", "missing"}});
  const auto answer = client_.call<wire::DescribeConfigsResponse>(request).results.at(0);
  ASSERT_EQ(answer.configs.size(), 1u);
  EXPECT_EQ(answer.configs[0].name, "retention.ms");
}

TEST_F(ConfigsTest, DocumentationComesOnlyIfAskedFor) {
  wire::DescribeConfigsRequest request;
  request.resources.push_back({kTopic, "t", std::vector<std::string>{"retention.ms"}});
  EXPECT_FALSE(
      client_.call<wire::DescribeConfigsResponse>(request).results.at(0).configs[0].documentation);
  request.include_documentation = true;
  EXPECT_TRUE(
      client_.call<wire::DescribeConfigsResponse>(request).results.at(0).configs[0].documentation);
}

TEST_F(ConfigsTest, TheBrokerShowsItsOwnConfigurationReadOnly) {
  const auto answer = describe(kBroker, "1");
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_GT(answer.configs.size(), 20u);
  for (const Described& config : answer.configs) EXPECT_TRUE(config.read_only) << config.name;
}

TEST_F(ConfigsTest, WhatHasNoConfigurationIsNamed) {
  EXPECT_EQ(describe(kTopic, "missing").error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(describe(kBroker, "2").error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(describe(kBroker, "one").error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(describe(kGroup, "g").error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(describe(kBroker, "").error_code, ErrorCode::kNone) << "cluster-wide defaults: none";
}

// --- IncrementalAlterConfigs ---------------------------------------------------------------------

TEST_F(ConfigsTest, SetAndDeleteInEveryVersion) {
  for (int version = 0; version <= 1; ++version) {
    EXPECT_EQ(alter("segment.ms", kSet, "60000", false, version), ErrorCode::kNone);
    EXPECT_EQ(value_of("segment.ms"), "60000");
    EXPECT_EQ(value_of("max.message.bytes"), "2000") << "other keys keep their values";
    EXPECT_EQ(alter("segment.ms", kDelete, std::nullopt, false, version), ErrorCode::kNone);
    EXPECT_EQ(described("segment.ms").config_source, kDefaultSource);
  }
}

TEST_F(ConfigsTest, AppendToAndSubtractFromLists) {
  EXPECT_EQ(alter("cleanup.policy", kAppend, "compact"), ErrorCode::kNone);
  EXPECT_EQ(value_of("cleanup.policy"), "delete,compact");
  EXPECT_EQ(alter("cleanup.policy", kSubtract, "delete"), ErrorCode::kNone);
  EXPECT_EQ(value_of("cleanup.policy"), "compact");
}

TEST_F(ConfigsTest, AppendToWhatIsNoListIsRefused) {
  EXPECT_EQ(alter("retention.ms", kAppend, "1"), ErrorCode::kInvalidConfig);
  EXPECT_EQ(value_of("retention.ms"), "1234567");
}

TEST_F(ConfigsTest, AnOperationThatDoesNotExistIsRefused) {
  for (const int8_t operation : {int8_t{4}, int8_t{-1}, int8_t{127}}) {
    EXPECT_EQ(alter("segment.ms", operation, "60000"), ErrorCode::kInvalidRequest);
  }
  EXPECT_EQ(described("segment.ms").config_source, kDefaultSource);
}

TEST_F(ConfigsTest, UnknownKeysAndBadValuesAreRefused) {
  EXPECT_EQ(alter("no.such.key", kSet, "1"), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter("retention.ms", kSet, "soon"), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter("max.message.bytes", kSet, "-1"), ErrorCode::kInvalidConfig);
  EXPECT_EQ(alter("retention.ms", kSet, std::nullopt), ErrorCode::kInvalidRequest);
}

TEST_F(ConfigsTest, TheLargestLongMeansNeverAndDoesNotOverflow) {
  const std::string forever = std::to_string(INT64_MAX);
  for (const char* key : {"retention.ms", "segment.ms", "delete.retention.ms",
                          "max.compaction.lag.ms", "min.compaction.lag.ms",
                          "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"}) {
    EXPECT_EQ(alter(key, kSet, forever), ErrorCode::kNone) << key;
    EXPECT_EQ(value_of(key), forever) << key;
  }
  EXPECT_EQ(produce(client_, "t", 0, batch_of({"a"})).error_code, ErrorCode::kNone);
  harness_.advance(Duration::seconds(30LL * 24 * 3'600));
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 1u);
}

TEST_F(ConfigsTest, ValidateOnlyChangesNothing) {
  EXPECT_EQ(alter("segment.ms", kSet, "60000", true), ErrorCode::kNone);
  EXPECT_EQ(alter("segment.ms", kSet, "soon", true), ErrorCode::kInvalidConfig);
  EXPECT_EQ(described("segment.ms").config_source, kDefaultSource);
}

TEST_F(ConfigsTest, AChangeAppliesAtOnce) {
  EXPECT_EQ(produce(client_, "t", 0, batch_of({std::string(2'000, 'x')})).error_code,
            ErrorCode::kMessageTooLarge);
  EXPECT_EQ(alter("max.message.bytes", kSet, "5000"), ErrorCode::kNone);
  EXPECT_EQ(produce(client_, "t", 0, batch_of({std::string(2'000, 'x')})).error_code,
            ErrorCode::kNone);
}

TEST_F(ConfigsTest, EveryResourceOfAnAlterationIsAnswered) {
  wire::IncrementalAlterConfigsRequest request;
  request.resources.push_back({kTopic, "missing", {{"retention.ms", kSet, "1"}}});
  request.resources.push_back({kBroker, "1", {{"log.retention.ms", kSet, "1"}}});
  request.resources.push_back({kGroup, "g", {{"anything", kSet, "1"}}});
  request.resources.push_back({kTopic, "t", {{"retention.ms", kSet, "1"}}});
  const auto answer = client_.call<wire::IncrementalAlterConfigsResponse>(request).responses;
  ASSERT_EQ(answer.size(), 4u);
  EXPECT_EQ(answer[0].error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(answer[1].error_code, ErrorCode::kInvalidRequest) << "brokers have their file";
  EXPECT_EQ(answer[2].error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(answer[3].error_code, ErrorCode::kNone);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answer[i].resource_name, request.resources[i].resource_name);
    EXPECT_EQ(answer[i].resource_type, request.resources[i].resource_type);
    EXPECT_EQ(answer[i].error_message.value_or("").empty(), i == 3) << i;
  }
}

// --- AlterConfigs --------------------------------------------------------------------------------

TEST_F(ConfigsTest, TheOldAlterationReplacesAllValues) {
  for (int version = 0; version <= 2; ++version) {
    wire::AlterConfigsRequest request;
    request.resources.push_back({kTopic, "t", {{"segment.ms", "60000"}}});
    EXPECT_EQ(client_.call<wire::AlterConfigsResponse>(request, version).responses.at(0).error_code,
              ErrorCode::kNone);
    EXPECT_EQ(value_of("segment.ms"), "60000");
    EXPECT_EQ(described("max.message.bytes").config_source, kDefaultSource);
    ASSERT_EQ(alter("max.message.bytes", kSet, "2000"), ErrorCode::kNone);
  }
}

TEST_F(ConfigsTest, TheOldAlterationIsAllOrNothing) {
  wire::AlterConfigsRequest request;
  request.resources.push_back({kTopic, "t", {{"segment.ms", "60000"}, {"retention.ms", "soon"}}});
  request.resources.push_back({kBroker, "1", {}});
  const auto answer = client_.call<wire::AlterConfigsResponse>(request).responses;
  EXPECT_EQ(answer.at(0).error_code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(answer.at(1).error_code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(described("segment.ms").config_source, kDefaultSource);
  EXPECT_EQ(value_of("max.message.bytes"), "2000");
}

}  // namespace
}  // namespace magpie::node::testing
