// Copies of logs that do not begin at 0, or no longer where they did.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace magpie::link {
namespace {

TEST(LogStart, ANewMemberBeginsWhereTheLeadersLogDoes) {
  LinkWorld world;
  world.cut();
  world.one.lead(1, {});
  for (uint64_t ticket = 0; ticket < 10; ++ticket) world.one.append(1, ticket);
  world.one.trim(1, 6);
  world.connect();
  world.two.follow(1, world.one.id());
  world.settle();
  EXPECT_TRUE(world.two.receiver.is_following(1));
  EXPECT_EQ(world.two.at(1)->log_start(), Offset{6});
  EXPECT_EQ(world.two.records_skipped, 6);
  expect_equal(world);
}

// Else an epoch would open a round trip later than it could.
TEST(LogStart, WithItsPositionAMemberSaysWhereItsLogBegins) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  for (uint64_t ticket = 0; ticket < 10; ++ticket) world.one.append(1, ticket);
  world.settle();
  world.one.trim(1, 6);
  world.one.append(1, 10);
  world.settle();
  world.one.lead(2, {});
  world.two.follow(2, world.one.id());
  const NodeId member = world.two.id();
  const auto is_compared = [&] { return world.one.at(1)->member_position(member) == Offset{11}; };
  for (int i = 0; i < 20 && !is_compared(); ++i) {
    world.turn();
    world.deliver(true) || world.deliver(false);
  }
  ASSERT_TRUE(is_compared());
  ASSERT_EQ(world.two.at(1)->log_start(), Offset{6});
  EXPECT_TRUE(world.one.at(1)->has_dropped_all(member));
}

// Retention, or a client that deleted records, overtook a follower that was away.
TEST(LogStart, ACopyThatWasOvertakenBeginsAnew) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  for (uint64_t ticket = 0; ticket < 4; ++ticket) world.one.append(1, ticket);
  world.settle();
  world.cut();
  for (uint64_t ticket = 4; ticket < 10; ++ticket) world.one.append(1, ticket);
  world.one.trim(1, 7);
  world.connect();
  world.settle();
  EXPECT_EQ(world.two.records_skipped, 3);
  EXPECT_EQ(world.two.records_exported, 0u);
  world.one.append(1, 10);
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{11});
  expect_equal(world);
}

// The leader of a loss ends below where this copy starts.
TEST(LogStart, ACopyThatStartsTooHighBeginsAnewLower) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  for (uint64_t ticket = 0; ticket < 4; ++ticket) world.one.append(1, ticket);
  world.settle();
  world.cut();
  for (uint64_t ticket = 4; ticket < 10; ++ticket) world.one.append(1, ticket);
  world.one.trim(1, 7);
  world.two.lead(2, {});
  world.two.append(1, 11);
  world.turn();
  world.one.follow(2, world.two.id());
  world.connect();
  world.settle();
  EXPECT_EQ(world.one.records_exported, 3u);
  EXPECT_EQ(world.one.at(1)->log_start(), Offset{0});
  expect_equal(world);
}

// Nothing of what it has is the leader's, but its log starts inside a batch, and no cut takes that
// apart.
TEST(LogStart, ACopyThatStartsInsideABatchThatMustGoBeginsAnew) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.one.append(1, 1, 0, 10);
  world.settle();
  world.cut();
  world.one.append(1, 2, 0, 10);
  world.one.trim(1, 15);
  world.two.lead(2, {});
  for (uint64_t ticket = 11; ticket < 31; ++ticket) world.two.append(1, ticket);
  world.turn();
  world.two.trim(1, 25);
  world.one.follow(2, world.two.id());
  world.connect();
  world.settle();
  EXPECT_EQ(world.one.records_exported, 5u);
  EXPECT_EQ(world.one.at(1)->log_start(), Offset{25});
  expect_equal(world);
}

// A batch is never taken apart.
TEST(LogStart, ACopyOfALogThatStartsInsideABatchHoldsTheWholeBatch) {
  for (const bool restarted : {false, true}) {
    LinkWorld world;
    world.cut();
    world.one.lead(1, {});
    world.one.append(1, 1, 0, 10);
    world.one.append(1, 2, 0, 10);
    world.one.trim(1, 15);
    world.connect();
    world.two.follow(1, world.one.id());
    world.settle();
    if (restarted) {
      world.two.crash();
      world.connect();
      world.two.follow(1, world.one.id());
      world.settle();
    }
    world.one.append(1, 3);
    world.settle();
    EXPECT_EQ(world.two.at(1)->log_end(), Offset{21});
    EXPECT_EQ(world.two.at(1)->log_start(), Offset{15});
    if (!restarted) expect_equal(world);  // a replay finds where the batch begins, too
  }
}

}  // namespace
}  // namespace magpie::link
