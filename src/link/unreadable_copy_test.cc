// A copy of which not all can be read (G12).
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "link/link_world.h"

namespace magpie::link {
namespace {

class UnreadableCopyTest : public testing::Test {
 protected:
  void follow(const std::vector<NodeId>& required) {
    world.one.lead(1, required);
    world.two.follow(1, world.one.id());
    world.settle();
  }
  // `two` cannot read all of its first copy.
  void begin(const std::vector<NodeId>& required) {
    follow(required);
    world.one.append(1, 1);
    world.settle();
    world.two.conditions[1] = Condition::kDamaged;
    world.two.receiver.unreadable(1);
    world.settle();
  }

  LinkWorld world;
};

TEST_F(UnreadableCopyTest, CountsOnUntilTheLeaderReliesOnOthers) {
  begin({world.two.id()});
  EXPECT_TRUE(world.one.at(1)->is_unreadable(world.two.id()));
  EXPECT_FALSE(world.one.at(2)->is_unreadable(world.two.id()));
  EXPECT_TRUE(world.two.receiver.is_following(1));
  world.one.append(1, 2);
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_EQ(world.one.settled.size(), 2u);
  EXPECT_TRUE(world.two.unreadable.empty());
  world.one.call(1, world.one.effects, [&](partition::Partition& log, partition::Output& out) {
    log.require(world.one.now, {}, out);
  });
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_EQ(world.two.unreadable, std::vector<Route>{1});
  EXPECT_FALSE(world.two.receiver.is_following(1)) << "it waits for its owner";
}

TEST_F(UnreadableCopyTest, MayGoAtOnceIfNobodyReliesOnIt) {
  begin({});
  EXPECT_EQ(world.two.unreadable, std::vector<Route>{1});
}

TEST_F(UnreadableCopyTest, StaysWhereTheLeadersLogIsDamagedToo) {
  world.one.damage(1);
  world.one.lead(1, {});
  world.one.append(1, 1);
  world.two.follow(1, world.one.id());
  world.settle();
  world.one.settle(1);
  world.settle();
  ASSERT_EQ(world.one.damaged, std::vector<Route>{1});
  world.two.conditions[1] = Condition::kDamaged;
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_TRUE(world.one.at(1)->is_unreadable(world.two.id()));
  EXPECT_TRUE(world.two.unreadable.empty());
}

// The control store may hear any moment that it holds everything, though nobody requires it.
TEST_F(UnreadableCopyTest, StaysWhileItIsToLeadNext) {
  follow({});
  const auto set_successor = [&](std::optional<NodeId> successor) {
    world.one.call(1, world.one.effects, [&](partition::Partition& log, partition::Output& out) {
      log.set_successor(successor, out);
    });
  };
  set_successor(world.two.id());
  world.two.conditions[1] = Condition::kDamaged;
  world.two.receiver.unreadable(1);
  world.settle();
  EXPECT_TRUE(world.two.unreadable.empty());
  set_successor(std::nullopt);
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_EQ(world.two.unreadable, std::vector<Route>{1});
}

class UnreadableTailTest : public UnreadableCopyTest {
 protected:
  // `one` led before, and has a record that `two` does not have and cannot be read.
  void begin(Condition known) {
    follow({});
    world.cut();
    world.one.append(1, 1);
    world.two.lead(2, {});
    world.turn();
    world.one.holds_exports = true;
    world.one.conditions[1] = known;
    world.one.follow(2, world.two.id());
    world.connect();
    world.settle();
  }
};

TEST_F(UnreadableTailTest, IsExportedBeforeTheCopyGoes) {
  begin(Condition::kDamaged);
  EXPECT_TRUE(world.one.unreadable.empty());
  world.one.receiver.tail_exported(world.one.now, 1, world.one.effects);
  world.settle();
  EXPECT_EQ(world.one.unreadable, std::vector<Route>{1});
  EXPECT_EQ(world.one.at(1)->log_end(), Offset{1}) << "nothing was cut";
}

TEST_F(UnreadableTailTest, KeepsNothingFromMending) {
  begin(Condition::kDamaged);
  world.one.receiver.tail_unreadable(world.one.now, 1);
  world.settle();
  EXPECT_EQ(world.one.unreadable, std::vector<Route>{1});
}

// The export is what meets the damage.
TEST_F(UnreadableTailTest, MayBeFoundToBeUnreadableOnlyThen) {
  begin(Condition::kWell);
  world.one.conditions[1] = Condition::kDamaged;
  world.one.receiver.unreadable(1);
  world.one.receiver.tail_unreadable(world.one.now, 1);
  world.settle();
  EXPECT_TRUE(world.one.unreadable.empty()) << "the leader was not asked yet";
  world.advance(kAskDamagedAgain);
  world.settle();
  world.one.receiver.tail_unreadable(world.one.now, 1);
  world.settle();
  EXPECT_EQ(world.one.unreadable, std::vector<Route>{1});
}

// Else a copy of which nothing can be read is taken for one that was overtaken.
TEST_F(UnreadableCopyTest, StaysAlthoughItWouldHaveToBeginAnew) {
  follow({world.two.id()});
  world.one.append(1, 1);
  world.settle();
  world.one.trim(1, 1);
  world.settle();
  world.cut();
  world.two.crash();
  world.two.conditions[1] = Condition::kLost;
  world.connect();
  world.two.receiver.follow({1, kTopic, {0}, "default", LeaderEpoch{1}});
  world.settle();
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_TRUE(world.one.at(1)->is_unreadable(world.two.id()));
  EXPECT_TRUE(world.two.unreadable.empty());
  world.one.call(1, world.one.effects, [&](partition::Partition& log, partition::Output& out) {
    log.require(world.one.now, {}, out);
  });
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_EQ(world.two.unreadable, std::vector<Route>{1});
}

TEST_F(UnreadableCopyTest, StaysWhileTheLeaderHasNoLease) {
  follow({});
  const auto hold = [&](bool held) {
    world.one.call(1, world.one.effects, [&](partition::Partition& log, partition::Output& out) {
      log.hold_commits(held, out);
    });
  };
  hold(true);
  world.two.conditions[1] = Condition::kDamaged;
  world.two.receiver.unreadable(1);
  world.settle();
  EXPECT_TRUE(world.two.unreadable.empty());
  hold(false);
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_EQ(world.two.unreadable, std::vector<Route>{1});
}

TEST_F(UnreadableCopyTest, ThatCanBeReadAgainIsSaidToBeWell) {
  begin({world.two.id()});
  world.two.conditions.clear();
  world.two.receiver.unreadable(1);
  world.settle();
  EXPECT_FALSE(world.one.at(1)->is_unreadable(world.two.id()));
}

// Before it is open, nobody knows who will be relied on.
TEST_F(UnreadableCopyTest, StaysUntilTheLeadersEpochIsOpen) {
  begin({world.two.id()});
  if (world.one.sender) world.one.sender->stopped(1, world.one.effects);
  world.one.call(1, world.one.effects, [&](partition::Partition& log, partition::Output& out) {
    log.lead(world.one.now, {LeaderEpoch{2}, Offset{}, false}, out);
  });
  world.two.follow_epoch(1, 2);
  world.settle();
  EXPECT_TRUE(world.two.receiver.is_following(1));
  EXPECT_TRUE(world.two.unreadable.empty());
  world.one.call(1, world.one.effects, [&](partition::Partition& log, partition::Output& out) {
    log.require(world.one.now, {}, out);
  });
  world.advance(kAskDamagedAgain);
  world.settle();
  EXPECT_EQ(world.two.unreadable, std::vector<Route>{1});
}

}  // namespace
}  // namespace magpie::link
