#include "control/topic_name.h"

#include <gtest/gtest.h>

#include <string>

namespace magpie::control {
namespace {

TEST(TopicName, FollowsKafkasRules) {
  for (const std::string& good :
       {std::string("a"), std::string("A.b_c-9"), std::string("..."), std::string(249, 'x')}) {
    EXPECT_EQ(topic_name_problem(good), std::nullopt) << good;
  }
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."),
                                 std::string(250, 'x'), std::string("a b"), std::string("a/b"),
                                 std::string("caf\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_NE(topic_name_problem(bad), std::nullopt) << bad;
  }
}

TEST(TopicName, AllowsExactlyTheCharactersOfThePattern) {
  const std::string legal = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  for (int c = 0; c < 256; ++c) {
    const std::string name = std::string("x") + static_cast<char>(c);
    const bool allowed = legal.find(static_cast<char>(c)) != std::string::npos;
    EXPECT_EQ(topic_name_problem(name) == std::nullopt, allowed) << c;
  }
}

TEST(TopicName, UnifiesDotsAndUnderscores) {
  EXPECT_EQ(metric_topic_name("a.b_c-d"), "a_b_c-d");
  EXPECT_EQ(metric_topic_name("plain"), "plain");
}

TEST(TopicName, KnowsInternalTopics) {
  EXPECT_TRUE(is_internal_topic("__consumer_offsets"));
  EXPECT_TRUE(is_internal_topic("__transaction_state"));
  EXPECT_TRUE(is_internal_topic("__magpie_conflicts"));
  EXPECT_FALSE(is_internal_topic("__orders"));
  EXPECT_FALSE(is_internal_topic("orders"));
}

}  // namespace
}  // namespace magpie::control
