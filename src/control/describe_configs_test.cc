#include "control/describe_configs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/keys.h"
#include "control/test_support.h"
#include "control/topic_configs.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using testing::one_node;
using testing::topic;

const DescribedConfig& find(const std::vector<DescribedConfig>& configs, std::string_view name) {
  const auto found = std::find_if(configs.begin(), configs.end(),
                                  [&](const auto& config) { return config.name == name; });
  EXPECT_NE(found, configs.end()) << name;
  return *found;
}

bool is_sorted_by_name(const std::vector<DescribedConfig>& configs) {
  return std::is_sorted(configs.begin(), configs.end(),
                        [](const auto& a, const auto& b) { return a.name < b.name; });
}

State with_configs(const ConfigValues& configs) {
  State state;
  EXPECT_TRUE(state.apply(1, {{topic_key("a"), encode_topic(topic("a", 1, {1}))},
                              {topic_configs_key("a"), encode_configs(configs)}}));
  return state;
}

TEST(DescribeConfigs, ShowsEveryKeyWithItsSource) {
  Policy policy = one_node();
  policy.topic_defaults = {{"segment.ms", "7"}, {"retention.ms", "8"}};
  const State state = with_configs({{"retention.ms", "9"}});
  const auto configs = describe_topic_configs(state, policy, "a");
  ASSERT_TRUE(configs);
  EXPECT_EQ(configs->size(), topic_config_definitions().size() - 1) << "one key is hidden";
  EXPECT_TRUE(is_sorted_by_name(*configs));

  const DescribedConfig& own = find(*configs, "retention.ms");
  EXPECT_EQ(own.value, "9");
  EXPECT_EQ(own.source, ConfigSource::kTopic);
  EXPECT_EQ(own.type, ConfigType::kLong);
  ASSERT_EQ(own.synonyms.size(), 3u);
  EXPECT_EQ(own.synonyms[0].name, "retention.ms");
  EXPECT_EQ(own.synonyms[1].name, "log.retention.ms");
  EXPECT_EQ(own.synonyms[1].value, "8");
  EXPECT_EQ(own.synonyms[1].source, ConfigSource::kStaticBroker);
  EXPECT_EQ(own.synonyms[2].value, "604800000");
  EXPECT_EQ(own.synonyms[2].source, ConfigSource::kDefault);

  EXPECT_EQ(find(*configs, "segment.ms").source, ConfigSource::kStaticBroker);
  EXPECT_EQ(find(*configs, "segment.ms").value, "7");
  EXPECT_EQ(find(*configs, "flush.ms").source, ConfigSource::kDefault);
  EXPECT_FALSE(find(*configs, "flush.ms").read_only);
  EXPECT_FALSE(describe_topic_configs(state, policy, "b").has_value());
}

TEST(DescribeConfigs, ExplainsWhatIsNotHonoured) {
  const auto configs = describe_topic_configs(with_configs({}), one_node(), "a");
  EXPECT_NE(find(*configs, "min.insync.replicas").documentation.find("In Magpie: "),
            std::string::npos);
  EXPECT_EQ(find(*configs, "retention.ms").documentation.find("In Magpie"), std::string::npos);
}

TEST(DescribeConfigs, ShowsAHiddenKeyOnlyWhereItIsSet) {
  const auto configs =
      describe_topic_configs(with_configs({{"internal.segment.bytes", "9"}}), one_node(), "a");
  EXPECT_EQ(find(*configs, "internal.segment.bytes").value, "9");
}

TEST(DescribeConfigs, ShowsBrokersReadOnly) {
  Policy policy = one_node();
  policy.topic_defaults = {{"retention.ms", "8"}};
  const auto configs = describe_broker_configs(policy, {{"node.id", "1"}});
  EXPECT_TRUE(is_sorted_by_name(configs));
  for (const DescribedConfig& config : configs) EXPECT_TRUE(config.read_only) << config.name;
  EXPECT_EQ(find(configs, "node.id").value, "1");
  EXPECT_EQ(find(configs, "node.id").source, ConfigSource::kStaticBroker);
  EXPECT_EQ(find(configs, "log.retention.ms").value, "8");
  EXPECT_EQ(find(configs, "log.segment.bytes").value, "1073741824");
  EXPECT_EQ(find(configs, "log.segment.bytes").source, ConfigSource::kDefault);
  EXPECT_EQ(find(configs, "broker.rack").value, std::nullopt);
}

}  // namespace
}  // namespace magpie::control
