#include "control/state.h"

#include <gtest/gtest.h>

#include "control/keys.h"
#include "control/values.h"

namespace magpie::control {
namespace {

Topic topic(std::string name, uint8_t id, std::vector<int32_t> nodes) {
  Topic made{std::move(name), {}, {}};
  made.id.bytes.fill(id);
  for (const int32_t node : nodes) made.placement.push_back(NodeId{node});
  return made;
}

Change put(const Topic& topic) {
  return {topic_key(topic.name), encode_topic(topic)};
}
Change remove(const std::string& name) {
  return {topic_key(name), std::nullopt};
}

TEST(State, ShowsTopicsSortedAndByNameAndId) {
  State state;
  ASSERT_TRUE(state.apply(1, {put(topic("b", 2, {1})), put(topic("a", 1, {1, 2}))}));
  EXPECT_EQ(state.topics().begin()->first, "a");
  EXPECT_EQ(state.find_topic("b")->partition_count(), 1);
  EXPECT_EQ(state.find_topic(topic("", 1, {}).id)->name, "a");
  EXPECT_EQ(state.partition_count(), 3);
  EXPECT_EQ(state.partition_count(NodeId{1}), 2);
  EXPECT_EQ(state.modified("topics/a"), 1);
  EXPECT_EQ(state.modified("topics/c"), 0);
}

TEST(State, SaysWhatChanged) {
  State state;
  ASSERT_TRUE(state.apply(1, {put(topic("a", 1, {1}))}));
  auto grown = state.apply(2, {put(topic("a", 1, {1, 1}))});
  ASSERT_TRUE(grown && grown->size() == 1);
  EXPECT_EQ(std::get<PartitionsAdded>(grown->front()).first_new, PartitionIndex{1});
  auto replaced = state.apply(3, {put(topic("a", 2, {1}))});
  ASSERT_TRUE(replaced && replaced->size() == 2);
  EXPECT_EQ(std::get<TopicRemoved>((*replaced)[0]).topic.partition_count(), 2);
  EXPECT_EQ(std::get<TopicAdded>((*replaced)[1]).name, "a");
  auto removed = state.apply(4, {remove("a")});
  ASSERT_TRUE(removed && removed->size() == 1);
  EXPECT_EQ(std::get<TopicRemoved>(removed->front()).topic.name, "a");
  EXPECT_EQ(state.partition_count(), 0);
}

}  // namespace
}  // namespace magpie::control
