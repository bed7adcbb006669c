#include <gtest/gtest.h>

#include "link/link_world.h"

namespace magpie::link {
namespace {

TEST(Sender, ReadsFromDiskThatAreUnderWayUseCredit) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  wire::LinkBegin little;
  little.epoch = 1;
  little.credit_bytes = 1;
  world.one.sender->on(world.one.now, little, world.one.effects);
  for (Route route = 1; route <= kPartitions; ++route) {
    world.one.read_from_disk(route);
    world.one.append(route, route, kPartitionBytes);
  }
  world.one.turn();
  for (Route route = 1; route <= kPartitions; ++route) world.one.settle(route);
  world.one.turn();
  EXPECT_GT(world.one.sender->outstanding_bytes(), kPartitionBytes);
  EXPECT_LT(world.one.sender->outstanding_bytes(), 2 * kPartitionBytes);
}

TEST(Sender, AStreamThatEndsDuringAReadGivesBackWhatItReserved) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  world.one.sender->limit_catch_up(world.one.now, 1'000);
  for (const Route route : {1, 2}) {
    world.one.read_from_disk(route);
    world.one.append(route, route, kPartitionBytes);
  }
  world.one.turn();
  world.one.sender->stopped(1, world.one.effects);
  world.one.turn();
  world.one.settle(2);
  world.one.turn();
  EXPECT_GT(world.one.sender->sent_bytes(), kPartitionBytes);
}

}  // namespace
}  // namespace magpie::link
