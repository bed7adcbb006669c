#include "control/topic_pattern.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace magpie::control {
namespace {

TEST(TopicPattern, AStarStandsForAnyCharacters) {
  EXPECT_TRUE(matches_topic("orders", "orders"));
  EXPECT_FALSE(matches_topic("orders", "orders2"));
  EXPECT_TRUE(matches_topic("ord*", "ord"));
  EXPECT_TRUE(matches_topic("ord*", "orders"));
  EXPECT_FALSE(matches_topic("ord*", "border"));
  EXPECT_TRUE(matches_topic("*.paid", "eu.orders.paid"));
  EXPECT_FALSE(matches_topic("*.paid", "eu.orders.paid.late"));
  EXPECT_TRUE(matches_topic("*a*b", "xaab.b"));
  EXPECT_TRUE(matches_topic("*", "anything"));
  EXPECT_FALSE(matches_topic("a", ""));
}

// The definition, word for word.
bool twin(std::string_view pattern, std::string_view topic) {
  if (pattern.empty()) return topic.empty();
  if (pattern.front() != '*') {
    return !topic.empty() && topic.front() == pattern.front() &&
           twin(pattern.substr(1), topic.substr(1));
  }
  return twin(pattern.substr(1), topic) || (!topic.empty() && twin(pattern, topic.substr(1)));
}

TEST(TopicPattern, MatchesAsTheDefinitionSays) {
  Random random(7);
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string pattern;
    std::string topic;
    for (int64_t n = random.between(0, 6); n > 0; --n) pattern += "ab*"[random.between(0, 2)];
    for (int64_t n = random.between(0, 7); n > 0; --n) topic += "ab"[random.between(0, 1)];
    ASSERT_EQ(matches_topic(pattern, topic), twin(pattern, topic)) << pattern << " " << topic;
    matched += matches_topic(pattern, topic) ? 1 : 0;
  }
  EXPECT_GT(matched, 1'000);
}

TEST(TopicPattern, WhatNoTopicCanBeCalledIsNoPattern) {
  EXPECT_FALSE(topic_pattern_problem("*").has_value());
  EXPECT_FALSE(topic_pattern_problem("eu.*_x-1").has_value());
  EXPECT_TRUE(topic_pattern_problem("").has_value());
  EXPECT_TRUE(topic_pattern_problem("ord?").has_value());
  EXPECT_TRUE(topic_pattern_problem("a b*").has_value());
  EXPECT_TRUE(topic_pattern_problem(std::string(250, '*')).has_value());
}

TEST(TopicPattern, MoreCharactersOfItsOwnSayMore) {
  EXPECT_GT(pattern_weight("orders"), pattern_weight("ord*"));
  EXPECT_EQ(pattern_weight("*"), 0U);
}

}  // namespace
}  // namespace magpie::control
