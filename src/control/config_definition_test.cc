#include "control/config_definition.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace magpie::control {
namespace {

bool allows(const ConfigDefinition& definition, std::string_view value) {
  return !config_value_problem(definition, value);
}

std::vector<std::string> elements(std::string_view list) {
  std::vector<std::string> found;
  for_each_element(list, [&](std::string_view element) { found.emplace_back(element); });
  return found;
}

TEST(ConfigDefinition, ReadsIntegersAsJavaDoes) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer(" -17\t"), -17);
  EXPECT_EQ(parse_integer("+4"), 4);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  for (const char* bad :
       {"", "-", "+", "+-1", "1.0", "1 2", "0x10", "1e3", "9223372036854775808"}) {
    EXPECT_EQ(parse_integer(bad), std::nullopt) << bad;
  }
}

TEST(ConfigDefinition, ReadsDecimalsInMillionths) {
  EXPECT_EQ(parse_millionths("0.5"), 500'000);
  EXPECT_EQ(parse_millionths("1"), 1'000'000);
  EXPECT_EQ(parse_millionths(".25"), 250'000);
  EXPECT_EQ(parse_millionths("2."), 2'000'000);
  EXPECT_EQ(parse_millionths("-0.1"), -100'000);
  EXPECT_EQ(parse_millionths("0.12345678"), 123'456);
  for (const char* bad :
       {"", ".", "-", "1e-3", "0.5x", "--1", "+1", "0.-5", "9223372036854775807"}) {
    EXPECT_EQ(parse_millionths(bad), std::nullopt) << bad;
  }
}

TEST(ConfigDefinition, SplitsListsAtCommas) {
  EXPECT_EQ(elements(""), std::vector<std::string>{});
  EXPECT_EQ(elements("  "), std::vector<std::string>{});
  EXPECT_EQ(elements("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(elements(" a , b"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(elements("a,,b"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(elements("a,"), (std::vector<std::string>{"a", ""}));
}

TEST(ConfigDefinition, HoldsNumbersToTheirRange) {
  const ConfigDefinition small = {.name = "n", .type = ConfigType::kInt, .low = 1};
  EXPECT_TRUE(allows(small, "1"));
  EXPECT_TRUE(allows(small, "2147483647"));
  EXPECT_FALSE(allows(small, "0"));
  EXPECT_FALSE(allows(small, "2147483648"));
  EXPECT_FALSE(allows(small, "many"));
  EXPECT_EQ(config_value_problem(small, "0"), "it must be at least 1");
  const ConfigDefinition ratio = {
      .name = "r", .type = ConfigType::kDouble, .low = 0, .high = 1'000'000};
  EXPECT_TRUE(allows(ratio, "0.999999"));
  EXPECT_EQ(config_value_problem(ratio, "1.5"), "it must be at most 1");
}

TEST(ConfigDefinition, TakesBooleansInAnyCase) {
  const ConfigDefinition flag = {.name = "b", .type = ConfigType::kBoolean};
  EXPECT_TRUE(allows(flag, "true"));
  EXPECT_TRUE(allows(flag, "False "));
  EXPECT_FALSE(allows(flag, "yes"));
  EXPECT_FALSE(allows(flag, "1"));
  EXPECT_FALSE(allows(flag, ""));
}

TEST(ConfigDefinition, ChecksListsAndChoices) {
  const ConfigDefinition list = {.name = "l",
                                 .type = ConfigType::kList,
                                 .rule = ConfigRule::kListOf,
                                 .choices = "compact,delete"};
  EXPECT_TRUE(allows(list, "compact, delete"));
  EXPECT_TRUE(allows(list, ""));
  EXPECT_FALSE(allows(list, "compact,compact"));
  EXPECT_FALSE(allows(list, "compact,"));
  EXPECT_FALSE(allows(list, "shred"));
  const ConfigDefinition one = {
      .name = "o", .rule = ConfigRule::kOneOf, .choices = "CreateTime,LogAppendTime"};
  EXPECT_TRUE(allows(one, "CreateTime"));
  EXPECT_FALSE(allows(one, "createtime"));
  EXPECT_FALSE(allows(one, ""));
  EXPECT_FALSE(allows(one, "CreateTime,LogAppendTime"));
}

TEST(ConfigDefinition, ChecksReplicaLists) {
  const ConfigDefinition replicas = {
      .name = "r", .type = ConfigType::kList, .rule = ConfigRule::kReplicaList};
  EXPECT_TRUE(allows(replicas, ""));
  EXPECT_TRUE(allows(replicas, "*"));
  EXPECT_TRUE(allows(replicas, "0:1, 1:2"));
  for (const char* bad : {"0", ":", "0:", ":1", "0:1,", "0:1:2", "a:b", "*,0:1"}) {
    EXPECT_FALSE(allows(replicas, bad)) << bad;
  }
}

TEST(ConfigDefinition, RefusesValuesThatAreTooLong) {
  const ConfigDefinition replicas = {
      .name = "r", .type = ConfigType::kList, .rule = ConfigRule::kReplicaList};
  std::string longest = "0:1";
  while (longest.size() + 4 <= kConfigValueBytesMax) longest += ",0:1";
  EXPECT_TRUE(allows(replicas, longest));
  EXPECT_FALSE(allows(replicas, longest + ",0:1"));
}

}  // namespace
}  // namespace magpie::control
