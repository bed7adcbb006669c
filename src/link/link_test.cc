#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/random.h"
#include "link/link_world.h"

namespace magpie::link {
namespace {

using partition::Refusal;

TEST(Link, RecordsFlowAndAreAcknowledged) {
  LinkWorld world;
  world.one.lead(1, {world.two.id()});
  world.two.follow(1, world.one.id());
  world.settle();
  for (uint64_t ticket = 0; ticket < 30; ++ticket) {
    world.one.append(1 + static_cast<Route>(ticket % kPartitions), ticket);
  }
  world.settle();
  EXPECT_EQ(world.one.settled.size(), 30u);
  for (const auto& [route, answer] : world.one.settled) EXPECT_EQ(answer.refusal, Refusal::kNone);
  EXPECT_EQ(world.two.at(1)->high_watermark(), Offset{10});
  expect_equal(world);
}

TEST(Link, WhatWasAppendedBeforeTheLinkCameUpIsSent) {
  LinkWorld world;
  world.cut();
  world.one.lead(1, {});
  for (uint64_t ticket = 0; ticket < 200; ++ticket) world.one.append(1, ticket);
  world.turn();
  world.connect();
  world.two.follow(1, world.one.id());
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{200});
  expect_equal(world);
}

TEST(Link, ATailThatDiffersIsExportedBeforeItIsCut) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  world.cut();
  for (uint64_t ticket = 0; ticket < 5; ++ticket) world.one.append(1, ticket);
  world.two.lead(2, {});
  world.two.append(1, 9);
  world.turn();
  world.one.follow(2, world.two.id());
  world.connect();
  world.settle();
  EXPECT_EQ(world.one.records_exported, 5u);
  EXPECT_EQ(world.one.at(1)->log_end(), Offset{1});
  expect_equal(world);
}

TEST(Link, AnOldLeaderIsNotFollowed) {
  LinkWorld world;
  world.one.lead(1, {world.two.id()});
  world.two.follow(2, world.one.id());  // of an epoch that `one` does not lead yet
  world.settle();
  world.one.append(1, 1);
  world.settle();
  EXPECT_TRUE(world.one.settled.empty());
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{0});
  world.one.lead(2, {world.two.id()});
  world.advance(kAskAgain);
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{1});
  EXPECT_EQ(world.two.at(1)->high_watermark(), Offset{1});
  ASSERT_EQ(world.one.settled.size(), 1u);
  EXPECT_EQ(world.one.settled[0].second.refusal, Refusal::kNotLeader);
}

// What the leader of one epoch lacks the leader of the next may have: a cut belongs to one epoch.
TEST(Link, ATailIsNotCutOnTheWordOfAnEarlierLeader) {
  LinkWorld world;
  world.cut();
  world.one.lead(1, {});
  for (uint64_t ticket = 0; ticket < 5; ++ticket) world.one.append(1, ticket);
  world.two.lead(2, {});
  world.connect();
  world.one.holds_exports = true;
  world.one.follow(2, world.two.id());
  world.settle();
  EXPECT_EQ(world.one.records_exported, 5u);
  world.one.follow(3, world.two.id());
  world.one.receiver.tail_exported(world.one.now, 1, world.one.effects);
  world.settle();
  EXPECT_EQ(world.one.at(1)->log_end(), Offset{5});
  world.one.holds_exports = false;
  world.two.lead(3, {});
  world.advance(kAskAgain);
  world.settle();
  EXPECT_EQ(world.one.at(1)->log_end(), Offset{0});
}

TEST(Link, ALeaderOlderThanTheRecordsHereIsNotFollowed) {
  LinkWorld world;
  world.cut();
  world.one.lead(1, {});
  world.two.lead(2, {});
  world.two.append(1, 1);
  world.turn();
  world.two.crash();
  world.connect();
  world.two.follow(1, world.one.id());  // out of an old copy of the cluster's state
  world.settle();
  EXPECT_EQ(world.two.records_exported, 0u);
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{1});
}

// While the leader opens its log again, its epochs are not all there.
TEST(Link, ALeaderWhoseDiskFailedIsNotComparedWith) {
  LinkWorld world;
  world.one.lead(1, {});
  world.one.append(1, 1);
  world.settle();
  world.one.fail_writes(1);
  world.two.follow(1, world.one.id());
  world.settle();
  EXPECT_FALSE(world.two.receiver.is_following(1));
  EXPECT_TRUE(world.two.receiver.is_following(2));
  world.advance(Duration::seconds(2));
  world.one.tick();
  world.settle();
  EXPECT_TRUE(world.two.receiver.is_following(1));
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{1});
}

TEST(Link, DamageOnTheLeaderIsSaidOnceAndNotAskedForAllTheTime) {
  LinkWorld world;
  world.cut();
  world.one.lead(1, {});
  world.one.append(1, 1);
  world.turn();
  world.one.damage(1);
  world.connect();
  world.two.follow(1, world.one.id());
  world.settle();
  for (int i = 0; i < 3; ++i) {
    world.one.settle(1);
    world.settle();
    EXPECT_FALSE(world.two.receiver.is_following(1));
    world.advance(kAskAgain);
    world.settle();
    EXPECT_FALSE(world.two.receiver.is_following(1));
    world.advance(kAskDamagedAgain);
    world.settle();
  }
  EXPECT_EQ(world.one.damaged, std::vector<Route>{1});
  EXPECT_TRUE(world.two.receiver.is_following(2));
}

// Where an epoch begins, and in compacted topics, a follower cannot tell that batches are missing.
TEST(Link, AReadForAStreamThatWasBegunAnewIsNotSent) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  world.two.hold(1);
  world.one.append(1, 1);
  world.one.append(1, 2);
  world.settle();
  world.one.read_from_disk(1);
  world.one.append(1, 3);
  world.settle();
  world.two.crash();
  world.two.follow(1, world.one.id());
  world.settle();
  world.one.settle(1);  // the read from offset 2
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{0});
  world.one.settle(1);
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{3});
}

TEST(Link, AHandleUsedAgainGetsNothingOfItsOldPartition) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  for (Route route = 1; route <= kPartitions; ++route) world.two.receiver.unfollow(route);
  world.two.receiver.follow({1, kTopic, {1}, "default", LeaderEpoch{1}});
  world.settle();
  world.one.append(1, 1);
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{0});
  world.one.append(2, 2);
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{1});
}

TEST(Link, AFullStreamDoesNotHoldUpAnotherEpoch) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  world.one.begin_epoch(2, 2);
  world.two.follow_epoch(2, 2);
  world.settle();
  ASSERT_TRUE(world.two.receiver.is_following(2))
      << "the end of the old stream is not the new one's";
  for (uint64_t ticket = 0; ticket < 60; ++ticket) world.one.append(1, ticket, kPartitionBytes);
  world.one.append(2, 99);
  world.turn();
  // One message of either, the first one in pieces.
  for (size_t frames = 0; frames < 2 + kPartitionBytes / kPieceBytes; ++frames) {
    world.deliver(false);
  }
  EXPECT_EQ(world.two.at(2)->log_end(), Offset{1});
}

TEST(Link, AFollowerLearnsWhatIsKnownOfTheLeadersLog) {
  LinkWorld world;
  WorldNode& leader = world.one;
  leader.call(1, leader.effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.lead(leader.now, {LeaderEpoch{1}, Offset{}, true}, out);
    std::vector<engine::Event> said;
    engine::Output engine_out{leader.effects, said};
    partition.engine().expect_gaps(leader.now, engine_out);
  });
  world.two.follow_epoch(1, 1);
  world.settle();
  ASSERT_TRUE(world.two.receiver.is_following(1));
  EXPECT_EQ(world.two.at(1)->producers().last_loss(), LeaderEpoch{1});
  EXPECT_TRUE(world.two.at(1)->may_have_gaps());
}

// 20 MB/s over 50 ms.
TEST(Link, CreditGrowsWithWhatTheLineCarries) {
  LinkWorld world;
  world.one.lead(1, {});
  world.two.follow(1, world.one.id());
  world.settle();
  for (uint64_t ticket = 0; ticket < 200; ++ticket) {
    if (ticket < 160) world.one.append(1, ticket, kPartitionBytes);
    if (ticket % 4 != 0) continue;
    ASSERT_TRUE(world.two.session->tick(world.two.now, world.two.effects));
    world.turn();
    world.advance(Duration::milliseconds(50));
    world.settle();
  }
  EXPECT_EQ(world.two.session->line_round_trip().shortest(), Duration::milliseconds(50));
  for (uint64_t ticket = 200; ticket < 260; ++ticket) world.one.append(1, ticket, kPartitionBytes);
  world.turn();
  EXPECT_GT(world.one.sender->outstanding_bytes(), 3 * kCreditBytesMin / 2);
  EXPECT_LT(world.one.sender->outstanding_bytes(), 4 * kCreditBytesMin);
}

class UrgentAndBulk : public testing::Test {
 protected:
  UrgentAndBulk() {
    world.two.priorities = {{1, 200}, {2, 200}, {3, 1}};
    world.one.lead(1, {});
    world.two.follow(1, world.one.id());
    world.settle();
    for (uint64_t ticket = 0; ticket < 60; ++ticket) {
      world.one.append(1 + static_cast<Route>(ticket % 2), ticket, kPartitionBytes);
    }
  }

  LinkWorld world;
};

TEST_F(UrgentAndBulk, WhatIsUrgentGoesFirst) {
  world.one.append(3, 99);
  world.turn();
  while (world.two.at(1)->log_end() == Offset{0} && world.deliver(false)) {
  }
  EXPECT_EQ(world.two.at(3)->log_end(), Offset{1});
  EXPECT_EQ(world.two.at(2)->log_end(), Offset{0});
  world.settle();
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{30});
  EXPECT_EQ(world.two.at(2)->log_end(), Offset{30});
}

TEST_F(UrgentAndBulk, WhatIsUrgentFindsCreditThatBulkCannotUseUp) {
  world.turn();
  const uint64_t before = world.one.sender->sent_bytes();
  world.one.append(2, 98);
  world.turn();
  EXPECT_EQ(world.one.sender->sent_bytes(), before) << "the credit for bulk is used up";
  world.one.append(3, 99);
  world.turn();
  EXPECT_GT(world.one.sender->sent_bytes(), before);
}

TEST_F(UrgentAndBulk, BytesAreCountedByGroupOnBothSides) {
  BytesByGroup sent;
  BytesByGroup taken;
  world.one.sender->count_into(sent);
  world.two.receiver.count_into(taken);
  world.one.append(3, 99);
  world.settle();
  EXPECT_GE(sent.at("group-1").stored, 30 * kPartitionBytes);
  EXPECT_GT(sent.at("group-3").stored, 0u);
  EXPECT_LT(sent.at("group-3").stored, 1'000u);
  EXPECT_EQ(sent, taken);
  uint64_t stored = 0;
  for (const auto& [group, bytes] : sent) {
    stored += bytes.stored;
    EXPECT_GT(bytes.wire, bytes.stored) << group << ": frames and news";
    EXPECT_LT(bytes.wire, bytes.stored + bytes.stored / 50 + 1'000) << group;
  }
  EXPECT_EQ(stored, world.one.sender->sent_bytes());
}

TEST_F(UrgentAndBulk, BytesOnTheWireAreThoseThatCompressionLeaves) {
  BytesByGroup sent;
  BytesByGroup taken;
  world.one.session->compress_batches();
  world.one.sender->count_into(sent);
  world.two.receiver.count_into(taken);
  world.one.append(3, 99, 100'000);
  world.settle();
  EXPECT_EQ(sent, taken);
  EXPECT_GT(sent.at("group-3").stored, 100'000u);
  EXPECT_LT(sent.at("group-3").wire, 10'000u);
  EXPECT_LT(sent.at("group-1").wire, sent.at("group-1").stored / 10);
}

TEST_F(UrgentAndBulk, ALimitedLinkTakesItsTimeAndPrefersWhatIsUrgent) {
  world.one.sender->limit_rate(world.one.now, 1'000'000);
  world.settle();
  world.one.append(3, 99);
  const Instant begun = world.one.now.instant;
  while (!world.one.sender->is_idle()) {
    const Instant next = world.one.sender->next_deadline();
    ASSERT_NE(next, Instant::never());
    world.advance(next - world.one.now.instant);
    const Offset bulk = world.two.at(1)->log_end();
    world.settle();
    EXPECT_EQ(world.two.at(3)->log_end(), Offset{1});
    EXPECT_LE(world.two.at(1)->log_end() - bulk, 1);
  }
  // 60 batches of a quarter of a megabyte.
  const Duration took = world.one.now.instant - begun;
  EXPECT_GT(took, Duration::seconds(14));
  EXPECT_LT(took, Duration::seconds(16));
  expect_equal(world);
}

// Whoever is required for acknowledgements of the group that is not urgent gets its share.
TEST_F(UrgentAndBulk, ALimitedLinkStarvesNobody) {
  world.one.sender->limit_rate(world.one.now, 1'000'000);
  for (uint64_t ticket = 100; ticket < 148; ++ticket) {
    world.one.append(3, ticket, kPartitionBytes);
  }
  world.settle();
  while (world.two.at(3)->log_end() < Offset{48} && !world.one.sender->is_idle()) {
    const Instant next = world.one.sender->next_deadline();
    ASSERT_NE(next, Instant::never());
    world.advance(next - world.one.now.instant);
    world.settle();
  }
  const int64_t first = world.two.at(1)->log_end().value;
  const int64_t second = world.two.at(2)->log_end().value;
  EXPECT_GE(first + second, 3);
  EXPECT_LE(first + second, 4);
  EXPECT_GE(std::min(first, second), 1) << "in turn";
}

TEST_F(UrgentAndBulk, CopiesThatCatchUpFromFarHaveALimitOfTheirOwn) {
  world.one.sender->limit_catch_up(world.one.now, 1'000'000);
  world.one.read_from_disk(1);
  const Instant begun = world.one.now.instant;
  std::optional<Instant> second_done;
  for (int round = 0; round < 500 && world.two.at(1)->log_end() < Offset{30}; ++round) {
    world.one.settle(1);
    world.settle();
    if (!second_done && world.two.at(2)->log_end() == Offset{30}) {
      second_done = world.one.now.instant;
    }
    const Instant next = world.one.sender->next_deadline();
    if (next == Instant::never()) continue;
    ASSERT_GT(next, world.one.now.instant);
    world.advance(next - world.one.now.instant);
  }
  EXPECT_EQ(world.two.at(1)->log_end(), Offset{30});
  // 30 batches of a quarter of a megabyte, while what is in memory does not wait.
  EXPECT_GT(world.one.now.instant - begun, Duration::seconds(6));
  EXPECT_LT(world.one.now.instant - begun, Duration::seconds(9));
  ASSERT_TRUE(second_done);
  EXPECT_LT(*second_done - begun, Duration::seconds(1));
  world.settle();
  expect_equal(world);
}

TEST_F(UrgentAndBulk, CopiesThatCatchUpTakeTurns) {
  world.one.sender->limit_catch_up(world.one.now, 1'000'000);
  for (uint64_t ticket = 100; ticket < 148; ++ticket) {
    world.one.append(3, ticket, kPartitionBytes);
  }
  for (Route route = 1; route <= kPartitions; ++route) world.one.read_from_disk(route);
  for (int round = 0; round < 500 && world.two.at(3)->log_end() < Offset{48}; ++round) {
    for (Route route = 1; route <= kPartitions; ++route) world.one.settle(route);
    world.settle();
    const Instant next = world.one.sender->next_deadline();
    if (next == Instant::never()) continue;
    ASSERT_GT(next, world.one.now.instant);
    world.advance(next - world.one.now.instant);
  }
  EXPECT_EQ(world.two.at(3)->log_end(), Offset{48});
  const int64_t first = world.two.at(1)->log_end().value;
  const int64_t second = world.two.at(2)->log_end().value;
  EXPECT_GE(std::min(first, second), 1) << first << " and " << second;
  EXPECT_LE(first + second, 10) << first << " and " << second;
}

// A deadline that has passed and that nothing moves on would spin the node's loop.
TEST_F(UrgentAndBulk, ALimitedLinkWithoutCreditWaitsForTheFollower) {
  world.one.sender->limit_rate(world.one.now, 1'000'000);
  world.turn();
  int rounds = 0;
  while (world.one.sender->next_deadline() != Instant::never() && ++rounds < 30) {
    ASSERT_GT(world.one.sender->next_deadline(), world.one.now.instant);
    world.advance(world.one.sender->next_deadline() - world.one.now.instant);
    world.turn();
  }
  EXPECT_LT(rounds, 30);
  EXPECT_FALSE(world.one.sender->is_idle());
}

TEST(Link, WithLittleCreditEverythingArrivesAfterAll) {
  LinkWorld world;
  world.one.lead(1, {world.two.id()});
  world.two.follow(1, world.one.id());
  world.settle();
  wire::LinkBegin little;
  little.epoch = 1;
  little.credit_bytes = 1;
  world.one.sender->on(world.one.now, little, world.one.effects);
  for (uint64_t ticket = 0; ticket < 60; ++ticket) {
    world.one.append(1 + static_cast<Route>(ticket % kPartitions), ticket, kPartitionBytes);
  }
  world.settle();
  EXPECT_EQ(world.one.settled.size(), 60u);
  EXPECT_TRUE(world.one.sender->is_idle());
  expect_equal(world);
}

// Appends, slow disks, cuts and changes of leadership between two nodes that require each other.
// Whatever was acknowledged is in both logs in the end, where it was said to be.
class Lives {
 public:
  explicit Lives(uint64_t seed) : random_(seed) { promote(); }

  void live(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) act();
    calm();
    for (const auto& [route, answers] : acknowledged_) {
      for (const auto& [offset, epoch] : answers) {
        EXPECT_EQ(world_.two.at(route)->epochs().epoch_of(offset), epoch);
      }
    }
  }

 private:
  WorldNode& leader() { return one_leads_ ? world_.one : world_.two; }
  WorldNode& follower() { return one_leads_ ? world_.two : world_.one; }
  Route any_route() { return 1 + static_cast<Route>(random_.below(kPartitions)); }

  void act() {
    const uint64_t dice = random_.below(100);
    if (dice < 30) {
      leader().append(any_route(), ++ticket_);
    } else if (dice < 60) {
      world_.turn();
      world_.deliver(random_.chance(1, 2));
    } else if (dice < 70) {
      (random_.chance(1, 2) ? world_.one : world_.two).hold(any_route());
    } else if (dice < 85) {
      (random_.chance(1, 2) ? world_.one : world_.two).settle(any_route());
    } else if (dice < 90) {
      world_.advance(kAskAgain);
    } else if (dice < 95) {
      world_.connect();
    } else if (dice < 97) {
      promote();
    } else if (dice < 99) {
      note();
      world_.cut();
      (random_.chance(1, 2) ? world_.one : world_.two).crash();
      world_.connect();
      promote();
    }
    note();
  }

  // Both hold everything acknowledged, so either may lead, whatever the other does.
  void promote() {
    ++epoch_;
    one_leads_ = random_.chance(1, 2);
    for (Route route = 1; route <= kPartitions; ++route) leader().settle(route);
    leader().lead(epoch_, {follower().id()});
    follower().follow(epoch_, leader().id());
  }

  void calm() {
    world_.connect();
    for (int round = 0; round < 5; ++round) {
      for (Route route = 1; route <= kPartitions; ++route) {
        world_.one.settle(route);
        world_.two.settle(route);
      }
      world_.advance(kAskAgain);
      world_.settle();
      note();
    }
    expect_equal(world_);
    EXPECT_EQ(world_.one.at(1)->high_watermark(), world_.one.at(1)->log_end());
  }

  void note() {
    for (const auto& [route, answer] : leader().settled) {
      if (answer.refusal != Refusal::kNone) continue;
      acknowledged_[route][answer.base_offset] =
          leader().at(route)->epochs().epoch_of(answer.base_offset);
    }
    leader().settled.clear();
  }

  Random random_;
  LinkWorld world_;
  bool one_leads_ = true;
  int32_t epoch_ = 0;
  uint64_t ticket_ = 0;
  std::map<Route, std::map<Offset, LeaderEpoch>> acknowledged_;
};

TEST(Link, WhatWasAcknowledgedOutlivesCutsAndChangesOfLeadership) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Lives(seed).live(400);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace magpie::link
