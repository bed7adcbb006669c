#include "control/state.h"

#include <gtest/gtest.h>

#include "control/group_values.h"
#include "control/keys.h"
#include "control/test_support.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using testing::alone;
using testing::random_history;
using testing::topic;

Change put(const Topic& topic) {
  return {topic_key(topic.name), encode_topic(topic)};
}
Change remove(const std::string& name) {
  return {topic_key(name), std::nullopt};
}

void expect_refused(const State& state, Revision revision, const std::vector<Change>& changes,
                    ErrorKind kind, const std::string& part) {
  State copy = state;
  const auto applied = copy.apply(revision, changes);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().kind, kind);
  EXPECT_NE(applied.error().message.find(part), std::string::npos) << applied.error().message;
  EXPECT_EQ(copy, state) << "a refused change left a trace";
  EXPECT_EQ(copy.topics(), state.topics());
}

TEST(State, ShowsTopicsSortedAndByNameAndId) {
  State state;
  ASSERT_TRUE(state.apply(1, {put(topic("b", 2, {1})), put(topic("a", 1, {1, 2}))}));
  EXPECT_EQ(state.topics().begin()->first, "a");
  EXPECT_EQ(state.find_topic("b")->partition_count(), 1);
  EXPECT_EQ(state.find_topic(topic("", 1, {}).id)->name, "a");
  EXPECT_EQ(state.find_topic("c"), nullptr);
  EXPECT_EQ(state.partition_count(), 3);
  EXPECT_EQ(state.partition_count(NodeId{1}), 2);
  EXPECT_EQ(state.partition_count(NodeId{3}), 0);
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
  auto removed = state.apply(4, {remove("a"), {topic_configs_key("a"), std::nullopt}});
  ASSERT_TRUE(removed && removed->size() == 2);
  EXPECT_EQ(std::get<TopicRemoved>((*removed)[0]).topic.name, "a");
  EXPECT_EQ(std::get<TopicConfigsChanged>((*removed)[1]).name, "a");
  EXPECT_EQ(state.partition_count(), 0);
  EXPECT_EQ(state.find_topic(topic("", 2, {}).id), nullptr);
}

TEST(State, RefusesContradictionsAndChangesNothing) {
  State state;
  ASSERT_TRUE(state.apply(5, {put(topic("a", 1, {1})),
                              {std::string(kEpochsKey), encode_counter(7)},
                              {std::string(kProducerIdsKey), encode_counter(3'000)},
                              {leadership_key(kDefaultGroup), encode_leadership(alone(6))}}));
  const std::string epochs(kEpochsKey);
  const std::string producer_ids(kProducerIdsKey);
  const std::string leadership = leadership_key(kDefaultGroup);
  const auto corrupt = ErrorKind::kCorrupt;
  expect_refused(state, 5, {}, corrupt, "revision 5 follows revision 5");
  expect_refused(state, 4, {}, corrupt, "revision 4 follows revision 5");
  expect_refused(state, 6, {put(topic("b", 2, {1})), put(topic("b", 3, {1}))}, corrupt, "topics/b");
  expect_refused(state, 6, {put(topic("b", 1, {1}))}, corrupt, "another topic has");
  expect_refused(state, 6, {put(topic("b", 2, {1})), put(topic("c", 2, {1}))}, corrupt, "topics/c");
  expect_refused(state, 6, {{epochs, encode_counter(6)}}, corrupt, "would go back from 7 to 6");
  expect_refused(state, 6, {{epochs, std::nullopt}}, corrupt, "epochs/next");
  expect_refused(state, 6, {{producer_ids, encode_counter(2'999)}}, corrupt, "producer_ids/next");
  expect_refused(state, 6, {{leadership, encode_leadership(alone(5))}}, corrupt, "from 6 to 5");
  expect_refused(state, 6, {{leadership, std::nullopt}}, corrupt, "leadership/default");
  expect_refused(state, 6, {put(topic("b", 2, {1})), {"topics/c", "not JSON"}}, corrupt,
                 "topics/c");
  expect_refused(state, 6, {{epochs, R"({"v":2,"next":9})"}}, ErrorKind::kUnsupported,
                 "epochs/next");
}

// The other topic gives its id up in the same transaction.
TEST(State, LetsAnIdMoveToAnotherName) {
  State state;
  ASSERT_TRUE(state.apply(1, {put(topic("a", 1, {1}))}));
  ASSERT_TRUE(state.apply(2, {put(topic("b", 1, {1})), remove("a")}));
  EXPECT_EQ(state.find_topic(topic("", 1, {}).id)->name, "b");
  EXPECT_EQ(state.topics().size(), 1u);
}

TEST(State, FindsTopicsThatCollide) {
  State state;
  ASSERT_TRUE(state.apply(1, {put(topic("a.b", 1, {1})), put(topic("a-b", 2, {1}))}));
  EXPECT_EQ(state.find_collision("a_b")->name, "a.b");
  EXPECT_EQ(state.find_collision("a.b"), nullptr) << "a topic does not collide with itself";
  EXPECT_EQ(state.find_collision("a_b_"), nullptr);
  EXPECT_EQ(state.find_collision("a_"), nullptr);
  ASSERT_TRUE(state.apply(2, {put(topic("a_b", 3, {1}))}));
  EXPECT_EQ(state.find_collision("a.b")->name, "a_b");
  ASSERT_TRUE(state.apply(3, {remove("a.b"), remove("a_b")}));
  EXPECT_EQ(state.find_collision("a_b"), nullptr);
}

TEST(State, KeepsKeysItDoesNotKnow) {
  State state;
  ASSERT_TRUE(state.apply(1, {{"planets/mars", "{\"v\":9}"}}));
  EXPECT_EQ(state.entries().at("planets/mars").value, "{\"v\":9}");
  ASSERT_TRUE(state.apply(2, {{"planets/mars", std::nullopt}}));
  EXPECT_TRUE(state.entries().empty());
}

TEST(State, ComparesRevisionsOfKeys) {
  State state;
  ASSERT_TRUE(state.apply(3, {put(topic("a", 1, {1}))}));
  EXPECT_TRUE(state.allows({{{"topics/a", 3}}, {}}));
  EXPECT_FALSE(state.allows({{{"topics/a", 0}}, {}}));
  EXPECT_TRUE(state.allows({{{"topics/b", 0}}, {}}));
  EXPECT_FALSE(state.allows({{{"topics/a", 3}, {"topics/b", 1}}, {}}));
}

// The naive twin: a map of keys to values and revisions, and views computed from scratch.
TEST(State, AgreesWithANaiveTwin) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto [state, history] = random_history(seed, 120);
    std::map<std::string, std::pair<std::string, Revision>> twin;
    Revision revision = 0;
    for (const Transaction& transaction : history) {
      ++revision;
      for (const Change& change : transaction.changes) {
        twin.erase(change.key);
        if (change.value) twin[change.key] = {*change.value, revision};
      }
    }
    ASSERT_EQ(state.entries().size(), twin.size());
    int64_t partitions = 0;
    size_t topics = 0;
    for (const auto& [key, entry] : twin) {
      ASSERT_EQ(state.entries().at(key).value, entry.first);
      ASSERT_EQ(state.modified(key), entry.second);
      const auto name = without_prefix(key, kTopicPrefix);
      if (!name) continue;
      const Topic decoded = *decode_topic(key, *name, entry.first);
      ASSERT_EQ(*state.find_topic(*name), decoded);
      ASSERT_EQ(state.find_topic(decoded.id), state.find_topic(*name));
      partitions += decoded.partition_count();
      ++topics;
    }
    EXPECT_EQ(state.topics().size(), topics);
    EXPECT_EQ(state.partition_count(), partitions);
    EXPECT_EQ(state.partition_count(NodeId{1}), partitions);
  }
}

}  // namespace
}  // namespace magpie::control
