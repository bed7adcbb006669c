#include "control/decide_configs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::one_node;
using Op = AlterOperation;

class DecideConfigs : public ::testing::Test {
 protected:
  void SetUp() override {
    CreateTopic request;
    request.name = "a";
    commit(decide_create_topic(state_, policy_, request, random_)->transaction);
  }
  void commit(const Transaction& transaction) {
    ASSERT_TRUE(state_.allows(transaction));
    if (transaction.empty()) return;
    ASSERT_TRUE(state_.apply(state_.revision() + 1, transaction.changes));
  }
  // Alters topic "a"; the message of a refusal, or nothing if it was committed.
  std::string alter(std::vector<ConfigAlteration> alterations) {
    const auto decided =
        decide_incremental_alter_configs(state_, policy_, {"a", std::move(alterations), false});
    if (!decided) return decided.error().message;
    commit(decided->transaction);
    return {};
  }
  RefusalCode code(std::vector<ConfigAlteration> alterations) {
    const auto decided =
        decide_incremental_alter_configs(state_, policy_, {"a", std::move(alterations), false});
    return decided ? RefusalCode::kUnavailable : decided.error().code;
  }
  const ConfigValues& configs() { return state_.topic_configs("a"); }

  State state_;
  Policy policy_ = one_node();
  Random random_{1};
};

TEST_F(DecideConfigs, SetsAndDeletesSingleKeys) {
  EXPECT_EQ(alter({{"retention.ms", Op::kSet, "5"}, {"segment.ms", Op::kSet, " 6 "}}), "");
  EXPECT_EQ(configs(), (ConfigValues{{"retention.ms", "5"}, {"segment.ms", "6"}}));
  EXPECT_EQ(alter({{"retention.ms", Op::kDelete, std::nullopt}}), "");
  EXPECT_EQ(configs(), (ConfigValues{{"segment.ms", "6"}}));
  EXPECT_EQ(alter({{"segment.ms", Op::kDelete, std::nullopt}}), "");
  EXPECT_EQ(state_.modified("configs/topics/a"), 0) << "an empty set of values is no key";
  EXPECT_EQ(alter({{"segment.ms", Op::kDelete, std::nullopt}}), "") << "nothing to delete is fine";
}

TEST_F(DecideConfigs, ReplacesAll) {
  ASSERT_EQ(alter({{"retention.ms", Op::kSet, "5"}}), "");
  const auto decided = decide_alter_configs(state_, policy_, {"a", {{"segment.ms", "7"}}, false});
  ASSERT_TRUE(decided);
  commit(decided->transaction);
  EXPECT_EQ(configs(), (ConfigValues{{"segment.ms", "7"}}));
  const auto twice = decide_alter_configs(state_, policy_,
                                          {"a", {{"segment.ms", "7"}, {"segment.ms", "8"}}, false});
  EXPECT_EQ(twice.error().code, RefusalCode::kInvalidRequest);
  const auto null = decide_alter_configs(state_, policy_, {"a", {{"segment.ms", {}}}, false});
  EXPECT_EQ(null.error().code, RefusalCode::kInvalidRequest);
}

TEST_F(DecideConfigs, AppendsToAndSubtractsFromTheListInForce) {
  EXPECT_EQ(alter({{"cleanup.policy", Op::kAppend, "compact"}}), "");
  EXPECT_EQ(configs().at("cleanup.policy"), "delete,compact") << "the default is appended to";
  EXPECT_EQ(alter({{"cleanup.policy", Op::kAppend, "compact"}}), "");
  EXPECT_EQ(configs().at("cleanup.policy"), "delete,compact");
  EXPECT_EQ(alter({{"cleanup.policy", Op::kSubtract, "delete"}}), "");
  EXPECT_EQ(configs().at("cleanup.policy"), "compact");
  EXPECT_EQ(alter({{"cleanup.policy", Op::kSubtract, "compact,delete"}}), "");
  EXPECT_EQ(configs().at("cleanup.policy"), "");
  EXPECT_NE(alter({{"retention.ms", Op::kAppend, "5"}}), "");
  EXPECT_EQ(code({{"retention.ms", Op::kSubtract, "5"}}), RefusalCode::kInvalidConfig);
  EXPECT_EQ(code({{"no.such.key", Op::kAppend, "5"}}), RefusalCode::kInvalidConfig);
}

TEST_F(DecideConfigs, StartsListsFromTheNodesDefault) {
  policy_.topic_defaults = {{"cleanup.policy", "compact"}};
  EXPECT_EQ(alter({{"cleanup.policy", Op::kAppend, "delete"}}), "");
  EXPECT_EQ(configs().at("cleanup.policy"), "compact,delete");
}

TEST_F(DecideConfigs, RefusesWithASentenceThatHelps) {
  EXPECT_EQ(alter({{"retention.m", Op::kSet, "5"}}),
            "unknown topic config 'retention.m'; did you mean 'retention.ms'?");
  EXPECT_EQ(alter({{"retention.ms", Op::kSet, "week"}}),
            "invalid value 'week' for topic config 'retention.ms': it must be a whole number");
  EXPECT_NE(alter({{"magpie.failover.group", Op::kSet, "critical"}}).find("create it first"),
            std::string::npos);
  EXPECT_NE(
      alter({{"min.compaction.lag.ms", Op::kSet, "10"}, {"max.compaction.lag.ms", Op::kSet, "9"}})
          .find("min.compaction.lag.ms (10)"),
      std::string::npos);
  EXPECT_TRUE(configs().empty()) << "a refused request changed something";
}

TEST_F(DecideConfigs, RefusesMalformedRequests) {
  EXPECT_EQ(code({{"retention.ms", Op::kSet, std::nullopt}}), RefusalCode::kInvalidRequest);
  EXPECT_EQ(code({{"retention.ms", Op::kSet, "1"}, {"retention.ms", Op::kDelete, {}}}),
            RefusalCode::kInvalidRequest);
  EXPECT_EQ(code({{"retention.ms", static_cast<Op>(9), "1"}}), RefusalCode::kInvalidRequest);
  const auto nowhere = decide_incremental_alter_configs(state_, policy_, {"b", {}, false});
  EXPECT_EQ(nowhere.error().code, RefusalCode::kUnknownTopicOrPartition);
}

TEST_F(DecideConfigs, MakesAllAlterationsOrNone) {
  EXPECT_NE(alter({{"retention.ms", Op::kSet, "5"}, {"segment.ms", Op::kSet, "0"}}), "");
  EXPECT_TRUE(configs().empty());
}

TEST_F(DecideConfigs, OnlyValidates) {
  const auto decided = decide_incremental_alter_configs(
      state_, policy_, {"a", {{"retention.ms", Op::kSet, "5"}}, true});
  ASSERT_TRUE(decided);
  EXPECT_TRUE(decided->transaction.empty());
}

TEST_F(DecideConfigs, WritesNothingWhereNothingChanges) {
  ASSERT_EQ(alter({{"retention.ms", Op::kSet, "5"}}), "");
  const auto again = decide_incremental_alter_configs(
      state_, policy_, {"a", {{"retention.ms", Op::kSet, "5"}}, false});
  EXPECT_TRUE(again->transaction.empty());
}

// Set by a newer version: other keys can still be altered, and the key can be deleted.
TEST_F(DecideConfigs, ToleratesHeldValuesItDoesNotKnow) {
  ASSERT_TRUE(state_.apply(state_.revision() + 1,
                           {{"configs/topics/a", R"({"v":1,"configs":{"new.key":"x"}})"}}));
  EXPECT_EQ(alter({{"retention.ms", Op::kSet, "5"}}), "");
  EXPECT_EQ(configs().size(), 2u);
  EXPECT_EQ(alter({{"new.key", Op::kDelete, std::nullopt}}), "");
  EXPECT_EQ(configs(), (ConfigValues{{"retention.ms", "5"}}));
}

TEST_F(DecideConfigs, DoesNotConfigureATopicThatIsBeingDeleted) {
  const auto decided = decide_incremental_alter_configs(
      state_, policy_, {"a", {{"retention.ms", Op::kSet, "5"}}, false});
  commit(decide_delete_topic(state_, {"a", std::nullopt})->transaction);
  EXPECT_FALSE(state_.allows(decided->transaction));
}

TEST_F(DecideConfigs, KeepsInternalTopicsCompacted) {
  CreateTopic request;
  request.name = "__consumer_offsets";
  request.by_node = true;
  EXPECT_FALSE(decide_create_topic(state_, policy_, request, random_)) << "not compacted";
  request.configs = {{"cleanup.policy", "compact"}};
  commit(decide_create_topic(state_, policy_, request, random_)->transaction);
  const auto refused = decide_incremental_alter_configs(
      state_, policy_, {request.name, {{"cleanup.policy", Op::kSet, "delete"}}, false});
  EXPECT_EQ(refused.error().code, RefusalCode::kPolicyViolation);
  EXPECT_TRUE(decide_incremental_alter_configs(
      state_, policy_, {request.name, {{"segment.bytes", Op::kSet, "2000000"}}, false}));
}

TEST_F(DecideConfigs, ChecksTheNodesDefaults) {
  EXPECT_EQ(topic_defaults_problem({}), std::nullopt);
  EXPECT_EQ(topic_defaults_problem({{"retention.ms", "5"}}), std::nullopt);
  EXPECT_EQ(topic_defaults_problem({{"retention.ms", "x"}})->key, "retention.ms");
  EXPECT_EQ(topic_defaults_problem({{"retenton.ms", "5"}})->message,
            "unknown topic config 'retenton.ms'; did you mean 'retention.ms'?");
  EXPECT_TRUE(
      topic_defaults_problem({{"min.compaction.lag.ms", "5"}, {"max.compaction.lag.ms", "4"}}));
}

// The naive twin keeps the elements of the list in a vector and knows nothing of text.
TEST_F(DecideConfigs, ListOperationsAgreeWithANaiveTwin) {
  const std::vector<std::string> elements = {"0:1", "1:1", "2:1", "3:2"};
  std::vector<std::string> twin;
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    const std::string& element = elements[random.below(elements.size())];
    const bool append = random.chance(1, 2);
    const auto found = std::find(twin.begin(), twin.end(), element);
    if (append && found == twin.end()) twin.push_back(element);
    if (!append && found != twin.end()) twin.erase(found);
    ASSERT_EQ(alter({{"leader.replication.throttled.replicas", append ? Op::kAppend : Op::kSubtract,
                      element}}),
              "");
    std::string expected;
    for (const std::string& each : twin) expected += (expected.empty() ? "" : ",") + each;
    const auto held = configs().find("leader.replication.throttled.replicas");
    ASSERT_EQ(held == configs().end() ? "" : held->second, expected);
  }
}

}  // namespace
}  // namespace magpie::control
