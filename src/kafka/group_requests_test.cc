// What becomes of positions when the topics they stand in were deleted or restored while nobody
// coordinated the groups. The rest is tested in src/node, against a whole node.
#include "kafka/group_requests.h"

#include <gtest/gtest.h>

#include <string>

#include "control/deleted_topic.h"
#include "control/keys.h"
#include "control/topic_name.h"
#include "kafka/positions_aside.h"
#include "kafka/testing/regions_bench.h"

namespace magpie::kafka {
namespace {

const std::string kGroups(control::kConsumerOffsetsTopic);

class GroupRequestsTest : public ::testing::Test {
 protected:
  GroupRequestsTest() {
    bench_.create_topic(kGroups, 1);
    bench_.lead_in_state("system", 1, 6);
    bench_.host(kGroups);
    bench_.lead(kGroups, 6);
    for (uint8_t i = 0; i < 2; ++i) (i == 0 ? first_ : second_).bytes.fill(i + 1);
  }

  void keep(const Uuid& id, int64_t deleted_at) {
    control::DeletedTopic deleted;
    deleted.topic = {"t", id, {NodeId{1}}};
    deleted.deleted_at = WallTime{deleted_at};
    deleted.kept_until = WallTime{deleted_at + 3'600'000};
    bench_.control.put(control::deleted_topic_key(id), control::encode_deleted_topic(deleted));
  }
  void stored(const std::string& topic, int32_t partition, int64_t offset, int64_t committed_at) {
    group::Position position;
    position.offset = Offset{offset};
    position.committed_at = WallTime{committed_at};
    const group::Change change{"g", group::PositionStored{{topic, partition}, position}};
    ASSERT_TRUE(bench_.coordinator.load(group::encode(change)));
  }
  void finish_loading() {
    Broker broker = bench_.broker();
    bench_.groups.begin_loading();
    bench_.groups.finish_loading(broker);
    bench_.run();
  }
  // While groups are loaded.
  template <typename Happens>
  void early(Happens happens) {
    Broker broker = bench_.broker();
    bench_.groups.begin_loading();
    happens(broker);
  }
  int64_t position(const std::string& topic, int32_t partition) {
    const group::Position* found =
        bench_.coordinator.durable().find_position("g", {topic, partition});
    return found == nullptr ? -1 : found->offset.value;
  }

  Uuid first_;
  Uuid second_;
  testing::RegionsBench bench_;
};

TEST_F(GroupRequestsTest, APositionBelongsToTheTopicThatWasThereWhenItWasCommitted) {
  keep(second_, 200);
  keep(first_, 100);
  bench_.create_topic("t", 3);
  stored("t", 0, 5, 90);
  stored("t", 1, 6, 150);
  stored("t", 2, 7, 250);
  finish_loading();
  EXPECT_EQ(position(aside_name(first_), 0), 5);
  EXPECT_EQ(position(aside_name(second_), 1), 6);
  EXPECT_EQ(position("t", 2), 7) << "that of the one that exists";
  EXPECT_EQ(bench_.coordinator.durable().position_count(), 3u);
}

TEST_F(GroupRequestsTest, WithoutATopicOfTheNameTheLastOneTakesWhatIsLeft) {
  keep(first_, 100);
  keep(second_, 200);
  stored("t", 0, 5, 90);
  stored("t", 1, 6, 250);
  finish_loading();
  EXPECT_EQ(position(aside_name(first_), 0), 5);
  EXPECT_EQ(position(aside_name(second_), 1), 6) << "the clocks of two nodes differ";
}

TEST_F(GroupRequestsTest, WhatIsLeftDoesNotReplaceWhatWasPutAside) {
  keep(first_, 100);
  stored(aside_name(first_), 0, 5, 90);
  stored("t", 0, 8, 250);
  stored("t", 1, 9, 250);
  finish_loading();
  EXPECT_EQ(position(aside_name(first_), 0), 5);
  EXPECT_EQ(position(aside_name(first_), 1), 9);
  EXPECT_EQ(bench_.coordinator.durable().position_count(), 2u);
}

TEST_F(GroupRequestsTest, WhatComesBackDoesNotReplaceWhatIsNewer) {
  bench_.create_topic("t", 2);
  const Uuid id = bench_.control.state().find_topic("t")->id;
  stored(aside_name(id), 0, 5, 90);
  stored(aside_name(id), 1, 6, 90);
  stored("t", 0, 8, 150);
  finish_loading();
  EXPECT_EQ(position("t", 0), 8);
  EXPECT_EQ(position("t", 1), 6);
  EXPECT_EQ(bench_.coordinator.durable().position_count(), 2u);
}

TEST_F(GroupRequestsTest, WhatAnotherTopicLeftDoesNotKeepAPositionFromComingBack) {
  bench_.create_topic("t", 1);
  const Uuid restored = bench_.control.state().find_topic("t")->id;
  keep(second_, 200);
  stored(aside_name(restored), 0, 5, 90);
  stored("t", 0, 8, 150);
  finish_loading();
  EXPECT_EQ(position("t", 0), 5);
  EXPECT_EQ(position(aside_name(second_), 0), 8);
}

TEST_F(GroupRequestsTest, ADeletionWhileGroupsAreLoadedTakesNothingOfAnEarlierTopic) {
  keep(first_, 100);
  stored("t", 0, 5, 90);
  stored("t", 1, 6, 150);
  early([&](Broker& broker) { bench_.groups.topic_put_aside(broker, "t", second_); });
  keep(second_, 200);
  finish_loading();
  EXPECT_EQ(position(aside_name(first_), 0), 5);
  EXPECT_EQ(position(aside_name(second_), 1), 6);
}

TEST_F(GroupRequestsTest, ARestoreWhileGroupsAreLoadedFindsItsNameCleared) {
  bench_.create_topic("t", 1);
  const Uuid restored = bench_.control.state().find_topic("t")->id;
  keep(second_, 200);
  stored(aside_name(restored), 0, 5, 90);
  stored("t", 0, 8, 150);
  early([&](Broker& broker) { bench_.groups.topic_restored(broker, "t", restored); });
  finish_loading();
  EXPECT_EQ(position("t", 0), 5);
  EXPECT_EQ(position(aside_name(second_), 0), 8);
}

TEST_F(GroupRequestsTest, WhatGoesForGoodWhileGroupsAreLoadedLeavesWhatIsKept) {
  keep(first_, 100);
  stored("t", 0, 5, 90);
  stored("t", 1, 6, 150);
  early([&](Broker& broker) { bench_.groups.topic_deleted(broker, "t"); });
  bench_.create_topic("t", 2);
  finish_loading();
  EXPECT_EQ(position(aside_name(first_), 0), 5);
  EXPECT_EQ(position("t", 1), -1) << "the new topic of the name has no positions yet";
  EXPECT_EQ(bench_.coordinator.durable().position_count(), 1u);
}

TEST_F(GroupRequestsTest, WhatWasHeardBeforeAnotherNodeCoordinatedIsForgotten) {
  early([&](Broker& broker) {
    bench_.groups.topic_deleted(broker, "t");
    bench_.groups.stop(broker);
  });
  bench_.create_topic("t", 1);
  stored("t", 0, 5, 90);
  finish_loading();
  EXPECT_EQ(position("t", 0), 5);
}

TEST_F(GroupRequestsTest, ADeletionThatCannotBeWrittenIsTriedAgain) {
  keep(first_, 100);
  bench_.partitions.remove_topic(kGroups, bench_.effects);
  stored("t", 0, 5, 90);
  finish_loading();
  ASSERT_EQ(position("t", 0), 5) << "there is no partition to write to";
  bench_.host(kGroups);
  bench_.lead(kGroups, 7);
  bench_.now.instant = bench_.now.instant + Duration::seconds(1);
  Broker broker = bench_.broker();
  bench_.groups.tick(broker);
  bench_.run();
  EXPECT_EQ(position("t", 0), -1);
  EXPECT_EQ(position(aside_name(first_), 0), 5);
}

}  // namespace
}  // namespace magpie::kafka
