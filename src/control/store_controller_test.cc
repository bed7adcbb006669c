#include "control/store_controller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "control/adoption.h"
#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/store_controller_world.h"

namespace magpie::control {
namespace {

using World = testing::StoreControllerWorld;

TEST(StoreController, JoinsAnEmptyClusterAndAnnouncesItself) {
  World world;
  World::Host& one = world.start(1);
  ASSERT_TRUE(one.ready.has_value());
  EXPECT_TRUE(one.ready->created);
  EXPECT_FALSE(one.ready->leadership.exists()) << "it takes no leadership by itself";
  EXPECT_TRUE(one.controller->is_current());
  const State& state = one.controller->state();
  EXPECT_EQ(state.find_node(NodeId{1})->incarnation, one.ready->identity.incarnation);
  EXPECT_EQ(state.regions().at("r1").role, RegionRole::kData);
  EXPECT_EQ(state.alive(NodeId{1}), one.ready->identity.incarnation);
  ASSERT_TRUE(one.controller->lease_valid_until());
  EXPECT_GT(*one.controller->lease_valid_until(), world.now().instant);
}

TEST(StoreController, EveryNodeSeesWhatOneCommits) {
  World world;
  world.start(1);
  World::Host& two = world.start(2);
  world.propose_topic(1, 1, "a");
  world.settle();
  EXPECT_EQ(world.host(1).settled.at(1), std::nullopt);
  EXPECT_NE(two.controller->state().find_topic("a"), nullptr);
  EXPECT_EQ(two.controller->state(), world.host(1).controller->state());
}

TEST(StoreController, DecidesAgainWhenAnotherNodeWasFaster) {
  World world;
  world.start(1);
  world.start(2);
  // Both decide against the same state: one transaction's compare fails.
  world.propose_topic(1, 1, "a");
  world.propose_topic(2, 2, "a");
  world.settle();
  world.run_for(Duration::seconds(1));
  const auto& first = world.host(1).settled.at(1);
  const auto& second = world.host(2).settled.at(2);
  EXPECT_NE(first.has_value(), second.has_value());
  EXPECT_EQ((first ? first : second)->code, RefusalCode::kTopicAlreadyExists);
}

TEST(StoreController, ATransactionWhoseAnswerIsLostIsMadeOnce) {
  World world;
  World::Host& one = world.start(1);
  one.lose_answer = true;
  world.propose_topic(1, 1, "a");
  world.settle();
  world.run_for(Duration::seconds(2));
  EXPECT_EQ(one.settled.at(1), std::nullopt);
  EXPECT_NE(one.controller->state().find_topic("a"), nullptr);
}

TEST(StoreController, TheLeaseEndsWithTheNode) {
  World world;
  world.start(1);
  World::Host& two = world.start(2);
  world.kill(1);
  world.run_for(Duration::seconds(5));
  EXPECT_TRUE(two.controller->state().alive(NodeId{1})) << "the lease was cut short";
  world.run_for(Duration::seconds(10));
  EXPECT_FALSE(two.controller->state().alive(NodeId{1}));
  EXPECT_TRUE(two.controller->state().alive(NodeId{2}));
}

TEST(StoreController, ANodeThatIsCutOffKnowsWhenItsLeaseEnds) {
  World world;
  World::Host& one = world.start(1);
  World::Host& two = world.start(2);
  one.cut_off = true;
  const Instant until = *one.controller->lease_valid_until();
  while (two.controller->state().alive(NodeId{1})) world.run_for(Duration::milliseconds(200));
  EXPECT_GE(world.now().instant, until) << "the store ended the lease before";
  const auto still = one.controller->lease_valid_until();
  EXPECT_LE(still.value_or(until), until);
  EXPECT_TRUE(one.controller->trouble().has_value());
  // It comes back with a new lease, and then knows what happened meanwhile.
  world.propose_topic(2, 5, "meanwhile");
  world.settle();
  one.cut_off = false;
  world.run_for(Duration::seconds(20));
  EXPECT_EQ(two.settled.at(5), std::nullopt);
  ASSERT_TRUE(one.controller->lease_valid_until());
  EXPECT_GT(*one.controller->lease_valid_until(), world.now().instant);
  EXPECT_NE(one.controller->state().find_topic("meanwhile"), nullptr);
}

TEST(StoreController, RefusesChangesWhileTheStoreCannotBeReached) {
  World world;
  World::Host& one = world.start(1);
  one.cut_off = true;
  world.run_for(Duration::seconds(15));
  world.propose_topic(1, 1, "a");
  world.settle();
  ASSERT_TRUE(one.settled.at(1).has_value());
  EXPECT_EQ(one.settled.at(1)->code, RefusalCode::kUnavailable);
  EXPECT_NE(one.settled.at(1)->message.find("control store cannot be reached"), std::string::npos);
}

TEST(StoreController, ServesFromItsCopyWhenTheStoreIsAwayAtTheStart) {
  World world;
  world.start(1);
  world.propose_topic(1, 1, "a");
  world.settle();
  world.kill(1);
  world.host(1).cut_off = true;
  World::Host& one = world.start(1);
  EXPECT_FALSE(one.ready.has_value()) << "it waits for the store first";
  world.run_for(Duration::seconds(16));
  ASSERT_TRUE(one.ready.has_value());
  EXPECT_NE(one.controller->state().find_topic("a"), nullptr);
  EXPECT_FALSE(one.controller->is_current());
  EXPECT_FALSE(one.controller->lease_valid_until());
  one.cut_off = false;
  world.run_for(Duration::seconds(20));
  EXPECT_TRUE(one.controller->is_current());
  EXPECT_TRUE(one.controller->lease_valid_until());
}

TEST(StoreController, WithoutACopyItWaitsForTheStore) {
  World world;
  world.host(1).cut_off = true;
  World::Host& one = world.start(1);
  world.run_for(Duration::seconds(60));
  EXPECT_FALSE(one.ready.has_value());
  EXPECT_FALSE(one.failed.has_value());
  one.cut_off = false;
  world.run_for(Duration::seconds(20));
  EXPECT_TRUE(one.ready.has_value());
}

TEST(StoreController, FreezesWhenTheStoreIsAnotherOneOrHasGoneBack) {
  for (const bool another : {true, false}) {
    World world;
    world.start(1);
    world.propose_topic(1, 1, "a");
    world.settle();
    world.kill(1);
    world.restart_store(another ? 8 : 7, 2);
    World::Host& one = world.start(1);
    ASSERT_TRUE(one.ready.has_value()) << "reads of the copy go on";
    EXPECT_TRUE(one.controller->frozen());
    EXPECT_NE(one.controller->state().find_topic("a"), nullptr);
    EXPECT_FALSE(one.controller->lease_valid_until());
    world.propose_topic(1, 2, "b");
    world.settle();
    ASSERT_TRUE(one.settled.at(2).has_value());
    EXPECT_NE(one.settled.at(2)->message.find("magpie store adopt"), std::string::npos);
  }
}

bool logged(const World::Host& host, const std::string& code) {
  const auto& log = host.disk.log;
  return std::any_of(log.begin(), log.end(), [&](const auto& line) { return line.code == code; });
}

TEST(StoreController, GoesOnWithAnAdoptedStoreWithoutARestart) {
  World world;
  world.restart_store(7, 1'000);
  world.start(1);
  World::Host& two = world.start(2);
  world.propose_topic(1, 1, "a");
  world.settle();
  const State before = world.host(1).controller->state();
  world.replace_store(8);
  for (const int32_t id : {1, 2}) {
    const StoreController& node = *world.host(id).controller;
    EXPECT_TRUE(node.frozen());
    EXPECT_EQ(node.store_id(), 7u);
    ASSERT_NE(node.scout(), nullptr);
    EXPECT_EQ(node.scout()->found(), 8u);
    EXPECT_EQ(node.state(), before);
  }
  world.adopt(before.entries(), 7, before.revision());
  world.run_for(Duration::seconds(5));
  EXPECT_LT(two.controller->state().revision(), before.revision()) << "revisions begin anew";
  for (const int32_t id : {1, 2}) {
    const World::Host& host = world.host(id);
    EXPECT_TRUE(host.controller->is_current());
    EXPECT_FALSE(host.controller->trouble());
    EXPECT_EQ(host.controller->store_id(), 8u);
    EXPECT_TRUE(host.controller->lease_valid_until());
    EXPECT_TRUE(logged(host, "control.store_adopted"));
    const auto copy = recover_journal(
        kJournalPath, Buffer::copy_of(host.disk.files.at(std::string(kJournalPath))), "bridge");
    ASSERT_TRUE(copy.has_value());
    EXPECT_EQ(copy->store_id, 8u);
  }
  world.propose_topic(1, 2, "b");
  world.settle();
  EXPECT_EQ(world.host(1).settled.at(2), std::nullopt);
  EXPECT_NE(two.controller->state().find_topic("a"), nullptr);
  EXPECT_NE(two.controller->state().find_topic("b"), nullptr);
  EXPECT_EQ(two.controller->state(), world.host(1).controller->state());
}

TEST(StoreController, StaysFrozenIfItKnowsMoreThanWasAdopted) {
  World world;
  World::Host& one = world.start(1);
  world.propose_topic(1, 1, "a");
  world.settle();
  const State before = one.controller->state();
  world.replace_store(8);
  world.adopt(before.entries(), 7, before.revision() - 1);
  world.run_for(Duration::seconds(5));
  EXPECT_TRUE(one.controller->frozen());
  EXPECT_TRUE(logged(one, "control.left_out"));
  EXPECT_NE(one.controller->trouble()->find("left out"), std::string::npos);
  EXPECT_EQ(one.controller->state(), before);
  world.put(adopted_key(7), encode_adopted({before.revision(), {}}));
  world.run_for(Duration::seconds(5));
  EXPECT_TRUE(one.controller->is_current());
}

TEST(StoreController, AStartingNodeGoesOverToTheAdoptedStore) {
  World world;
  world.start(1);
  world.propose_topic(1, 1, "a");
  world.settle();
  const State before = world.host(1).controller->state();
  world.kill(1);
  world.restart_store(8);
  world.adopt(before.entries(), 7, before.revision());
  World::Host& one = world.start(1);
  world.run_for(Duration::seconds(5));
  ASSERT_TRUE(one.ready.has_value());
  EXPECT_TRUE(one.controller->is_current());
  EXPECT_TRUE(one.controller->lease_valid_until());
  EXPECT_NE(one.controller->state().find_topic("a"), nullptr);
}

TEST(StoreController, TheStoreThatIsAdoptedMayBeReplacedOnceMore) {
  World world;
  World::Host& one = world.start(1);
  const State before = one.controller->state();
  world.replace_store(8);
  world.replace_store(9);
  ASSERT_NE(one.controller->scout(), nullptr);
  EXPECT_EQ(one.controller->scout()->found(), 9u);
  world.adopt(before.entries(), 7, before.revision());
  world.run_for(Duration::seconds(5));
  EXPECT_TRUE(one.controller->is_current());
  EXPECT_EQ(one.controller->store_id(), 9u);
  // And so may the one that is in use.
  const State again = one.controller->state();
  world.replace_store(10);
  EXPECT_TRUE(one.controller->frozen());
  world.adopt(again.entries(), 9, again.revision());
  world.run_for(Duration::seconds(5));
  EXPECT_TRUE(one.controller->is_current());
  EXPECT_EQ(one.controller->store_id(), 10u);
}

TEST(StoreController, TwoDirectoriesUnderOneNodeIdAreRefused) {
  World world;
  world.start(1);
  world.kill(1);
  const auto files = world.host(1).disk.files;
  world.host(1).disk.files.clear();
  // Another directory, while the first one's lease still runs: it waits, and joins when it is over.
  World::Host& rebuilt = world.start(1);
  EXPECT_FALSE(rebuilt.ready.has_value());
  world.run_for(Duration::seconds(14));
  ASSERT_TRUE(rebuilt.ready.has_value());
  EXPECT_EQ(rebuilt.controller->state().alive(NodeId{1}), rebuilt.ready->identity.incarnation);
}

TEST(StoreController, TheDiskMayFailForAWhile) {
  World world;
  World::Host& one = world.start(1);
  one.disk.write_error = Error{ErrorKind::kNoSpace, "no space left on device"};
  world.propose_topic(1, 1, "a");
  world.settle();
  EXPECT_EQ(one.settled.at(1), std::nullopt) << "the store has it";
  EXPECT_TRUE(one.controller->storage_error().has_value());
  one.disk.write_error.reset();
  world.run_for(Duration::seconds(6));
  EXPECT_FALSE(one.controller->storage_error().has_value());
  const auto copy = recover_journal(
      kJournalPath, Buffer::copy_of(one.disk.files.at(std::string(kJournalPath))), "bridge");
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(copy->state, one.controller->state());
  EXPECT_EQ(copy->store_id, 7u);
}

TEST(StoreController, StopsWithEveryProposalSettled) {
  World world;
  World::Host& one = world.start(1);
  world.propose_topic(1, 1, "a");
  world.propose_topic(1, 2, "b");
  ControllerOutput out{one.effects, one.events};
  one.controller->stop(out);
  world.settle();
  EXPECT_EQ(one.settled.at(1)->code, RefusalCode::kStorage) << "nobody knows";
  EXPECT_EQ(one.settled.at(2)->code, RefusalCode::kUnavailable);
}

// Nodes that are cut off, lose answers, die and come back: what was settled as committed is in the
// state of all, and what was refused (but not as unknown) is in nobody's.
TEST(StoreController, FaultsLeaveOneTruth) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world;
    Random random(seed);
    for (int32_t id = 1; id <= 3; ++id) world.start(id);
    uint64_t ticket = 0;
    for (int i = 0; i < 60; ++i) {
      const auto id = static_cast<int32_t>(random.between(1, 3));
      World::Host& host = world.host(id);
      if (random.chance(1, 6)) host.cut_off = !host.cut_off;
      if (random.chance(1, 5)) host.lose_answer = true;
      if (random.chance(1, 12)) {
        world.kill(id);
        world.start(id);
      }
      ++ticket;
      world.propose_topic(id, ticket, "t" + std::to_string(ticket));
      if (random.chance(1, 2)) world.settle();
      if (random.chance(1, 3)) world.run_for(Duration::seconds(random.between(1, 8)));
    }
    for (int32_t id = 1; id <= 3; ++id) world.host(id).cut_off = false;
    world.run_for(Duration::seconds(60));
    const State& state = world.host(1).controller->state();
    for (int32_t id = 1; id <= 3; ++id) {
      World::Host& host = world.host(id);
      EXPECT_TRUE(host.controller->is_current()) << seed;
      EXPECT_TRUE(host.controller->lease_valid_until()) << seed;
      EXPECT_EQ(host.controller->state(), state) << seed;
      for (const auto& [number, refusal] : host.settled) {
        const bool there = state.find_topic("t" + std::to_string(number)) != nullptr;
        if (!refusal) {
          EXPECT_TRUE(there) << seed << " " << number;
        }
        if (refusal && refusal->code != RefusalCode::kStorage) {
          EXPECT_FALSE(there) << seed << " " << number << " " << refusal->message;
        }
      }
    }
  }
}

}  // namespace
}  // namespace magpie::control
