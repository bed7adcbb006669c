#include "control/topic_configs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "control/broker_configs.h"
#include "control/describe_configs.h"
#include "source_tree/source_dir.h"

namespace magpie::control {
namespace {

// Topic-level keys of Kafka 4.2 with the defaults a broker without configuration has (Kafka
// documentation, "Topic Configs"). Written down apart from the table, so that a slip there shows.
const std::map<std::string, std::string> kKafkaDefaults = {
    {"cleanup.policy", "delete"},
    {"compression.gzip.level", "-1"},
    {"compression.lz4.level", "9"},
    {"compression.type", "producer"},
    {"compression.zstd.level", "3"},
    {"delete.retention.ms", "86400000"},
    {"file.delete.delay.ms", "60000"},
    {"flush.messages", "9223372036854775807"},
    {"flush.ms", "9223372036854775807"},
    {"follower.replication.throttled.replicas", ""},
    {"index.interval.bytes", "4096"},
    {"leader.replication.throttled.replicas", ""},
    {"local.retention.bytes", "-2"},
    {"local.retention.ms", "-2"},
    {"max.compaction.lag.ms", "9223372036854775807"},
    {"max.message.bytes", "1048588"},
    {"message.timestamp.after.max.ms", "3600000"},
    {"message.timestamp.before.max.ms", "9223372036854775807"},
    {"message.timestamp.type", "CreateTime"},
    {"min.cleanable.dirty.ratio", "0.5"},
    {"min.compaction.lag.ms", "0"},
    {"min.insync.replicas", "1"},
    {"preallocate", "false"},
    {"remote.log.copy.disable", "false"},
    {"remote.log.delete.on.disable", "false"},
    {"remote.storage.enable", "false"},
    {"retention.bytes", "-1"},
    {"retention.ms", "604800000"},
    {"segment.bytes", "1073741824"},
    {"segment.index.bytes", "10485760"},
    {"segment.jitter.ms", "0"},
    {"segment.ms", "604800000"},
    {"unclean.leader.election.enable", "false"},
};

// What a key may be set to, as the documentation shows it.
std::string allowed_values(const ConfigDefinition& definition) {
  switch (definition.rule) {
    case ConfigRule::kOneOf:
      return fmt::format("one of `{}`", definition.choices);
    case ConfigRule::kListOf:
      return fmt::format("list of `{}`", definition.choices);
    case ConfigRule::kReplicaList:
      return "`*` or list of partition:node";
    case ConfigRule::kGroupList:
      return "list of failover groups";
    case ConfigRule::kRange:
      break;
  }
  if (definition.type == ConfigType::kBoolean) return "`true`, `false`";
  const int64_t unit = definition.type == ConfigType::kDouble ? 1'000'000 : 1;
  if (definition.low == INT64_MIN) return "any";
  if (definition.high == INT64_MAX) return fmt::format("at least {}", definition.low / unit);
  return fmt::format("{} to {}", definition.low / unit, definition.high / unit);
}

std::string one_line(const ConfigDefinition& definition) {
  const char* support = definition.support == ConfigSupport::kHonoured ? "honoured" : "accepted";
  const std::string value =
      definition.default_value.empty() ? "(empty)" : fmt::format("`{}`", definition.default_value);
  return fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", definition.name,
                     to_string(definition.type), value, allowed_values(definition), support,
                     explain(definition));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(TopicConfigs, HasEveryKafkaKeyWithItsDefault) {
  for (const auto& [name, value] : kKafkaDefaults) {
    const ConfigDefinition* definition = find_topic_config(name);
    ASSERT_NE(definition, nullptr) << name;
    EXPECT_EQ(definition->default_value, value) << name;
    EXPECT_FALSE(definition->hidden) << name;
  }
}

TEST(TopicConfigs, AllowsItsOwnDefaults) {
  for (const auto definitions : {topic_config_definitions(), broker_config_definitions()}) {
    for (const ConfigDefinition& definition : definitions) {
      if (definition.default_value.empty() && definition.type != ConfigType::kList) continue;
      EXPECT_EQ(config_value_problem(definition, definition.default_value), std::nullopt)
          << definition.name;
    }
  }
}

TEST(TopicConfigs, ExplainsWhatItDoesNotHonour) {
  std::set<std::string_view> broker_names;
  for (const ConfigDefinition& definition : topic_config_definitions()) {
    EXPECT_FALSE(definition.documentation.empty()) << definition.name;
    if (definition.support == ConfigSupport::kAccepted) {
      EXPECT_FALSE(definition.effect.empty()) << definition.name;
    }
    if (definition.broker_name.empty()) continue;
    EXPECT_TRUE(broker_names.insert(definition.broker_name).second) << definition.broker_name;
    EXPECT_EQ(find_broker_config(definition.broker_name), nullptr) << "is in both tables";
  }
}

TEST(TopicConfigs, FindsEveryKeyAndNoOther) {
  for (const ConfigDefinition& definition : topic_config_definitions()) {
    EXPECT_EQ(find_topic_config(definition.name), &definition);
  }
  EXPECT_EQ(find_topic_config(""), nullptr);
  EXPECT_EQ(find_topic_config("retention"), nullptr);
  EXPECT_EQ(find_topic_config("zzz"), nullptr);
}

TEST(TopicConfigs, NamesTheNearestKey) {
  EXPECT_EQ(nearest_topic_config("retention.m"), "retention.ms");
  EXPECT_EQ(nearest_topic_config("retension.bytes"), "retention.bytes");
  EXPECT_EQ(nearest_topic_config("cleanup_policy"), "cleanup.policy");
  EXPECT_EQ(nearest_topic_config("this is something else entirely"), "");
  EXPECT_EQ(nearest_topic_config(std::string(10'000, 'x')), "");
}

// The table in the operators' documentation is this table. To rewrite it after a change:
//   MAGPIE_UPDATE_DOCS=1 build/debug/src/control/magpie_control_test --gtest_filter='*Documented*'
TEST(TopicConfigs, AreDocumented) {
  const std::string path = std::string(MAGPIE_SOURCE_DIR) + "/docs/operations/topic-configs.md";
  const std::string begin = "<!-- table: begin -->\n";
  const std::string end = "<!-- table: end -->\n";
  std::string table =
      "| config | type | default | values | support | what it does |\n|---|---|---|---|---|---|\n";
  for (const ConfigDefinition& definition : topic_config_definitions()) {
    if (!definition.hidden) table += one_line(definition);
  }
  std::string page = read_file(path);
  const size_t from = page.find(begin);
  const size_t to = page.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos && from < to) << path;
  const size_t table_from = from + begin.size();
  if (std::getenv("MAGPIE_UPDATE_DOCS") != nullptr) {
    std::ofstream(path) << page.replace(table_from, to - table_from, table);
    return;
  }
  EXPECT_EQ(page.substr(table_from, to - table_from), table);
}

}  // namespace
}  // namespace magpie::control
