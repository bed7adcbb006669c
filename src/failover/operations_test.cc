#include "failover/operations.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "control/operation_values.h"
#include "failover/failover_world.h"

namespace magpie::failover {
namespace {

using control::LossKind;
using control::OperationKind;
using control::OperationStep;
using testing::World;

control::OperationRequest switchover(std::vector<std::string> groups, const char* to) {
  control::OperationRequest request;
  request.groups = std::move(groups);
  request.to = to;
  request.requested_by = "test";
  return request;
}

control::OperationRequest failover(std::vector<std::string> groups, bool allow_loss = false) {
  control::OperationRequest request = switchover(std::move(groups), "");
  request.kind = OperationKind::kFailover;
  request.allow_loss = allow_loss;
  return request;
}

std::string dump(const World& world) {
  std::string text;
  for (const auto& [id, operation] : world.state().operations()) {
    text += "operation " + std::to_string(id) + " attempt " + std::to_string(operation.attempt);
    for (const auto& group : operation.groups) {
      text += " [" + group.group + " " + control::to_string(group.step) + " " + group.waiting_for +
              "|" + group.error + "]";
    }
    text += "\n";
  }
  return text;
}

NodeId in_sync(const World& world) {
  return world.state().leadership("pay").sync.at(0).node;
}

TEST(Operations, ASwitchoverMovesAllGroupsOfARegionWithoutLoss) {
  World world(1);
  const std::string to = "r" + std::to_string(in_sync(world).value);
  control::OperationRequest request = switchover({}, to.c_str());
  request.from = "r1";
  ASSERT_EQ(world.begin(3, request), "");
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  for (const char* name : {"pay", "logs"}) {
    EXPECT_EQ(world.group(1, name).step, OperationStep::kDone) << dump(world);
    EXPECT_EQ(world.group(1, name).loss->kind, LossKind::kZero);
    EXPECT_EQ(world.group(1, name).error, "");
    ASSERT_TRUE(world.group(1, name).held);
    EXPECT_EQ(world.group(1, name).held->partitions, 1);
    EXPECT_EQ(world.state().leadership(name).leader.node, world.group(1, name).target);
    EXPECT_EQ(world.moves(name), 1);
  }
  EXPECT_EQ(world.state().operations().at(1).attempt, 1);
  std::set<std::string> codes;
  for (const port::LogLine& line : world.lines) codes.insert(line.code);
  EXPECT_EQ(codes, (std::set<std::string>{"failover.step", "failover.moved"}));
}

TEST(Operations, AFailoverWithinTheSyncSetLosesNothing) {
  World world(2);
  const NodeId copy = in_sync(world);
  world.crash(1);
  ASSERT_EQ(world.begin(3, failover({"pay"})), "");
  EXPECT_EQ(world.state().leadership("pay").leader.node, copy) << "at once, lease or no lease";
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  EXPECT_EQ(world.group(1, "pay").step, OperationStep::kDone);
  EXPECT_EQ(world.group(1, "pay").loss->kind, LossKind::kZero);
}

TEST(Operations, SeveralGroupsTakeAStepInOneTransaction) {
  World world(9);
  const std::string to = "r" + std::to_string(in_sync(world).value);
  auto request = switchover({"pay", "logs"}, to.c_str());
  request.overrides = {"lag"};
  int drained_alone = 0;
  world.after_commit = [&] {
    if (world.state().operations().empty()) return;
    const bool pay = world.group(1, "pay").step == OperationStep::kPlanned;
    const bool logs = world.group(1, "logs").step == OperationStep::kPlanned;
    if (pay != logs) ++drained_alone;
  };
  ASSERT_EQ(world.begin(3, request), "");
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  EXPECT_EQ(drained_alone, 0);
  EXPECT_EQ(world.moves("pay") + world.moves("logs"), 2);
}

TEST(Operations, WhoIsGoneIsNotWaitedForAndIsNamed) {
  World world(10);
  const NodeId copy = in_sync(world);
  world.crash(1);
  ASSERT_EQ(world.begin(copy.value, failover({"pay"})), "");
  std::optional<Instant> open;
  std::optional<Instant> done;
  world.after_commit = [&] {
    if (!open && world.state().leadership("pay").open) open = world.now.instant;
    const auto step = world.group(1, "pay").step;
    if (!done && step == OperationStep::kDone) done = world.now.instant;
  };
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  ASSERT_TRUE(open && done);
  // Several questions and answers of up to 200 ms each; patience is a second.
  EXPECT_LT((*done - *open).to_milliseconds(), 900);
  EXPECT_NE(world.group(1, "pay").loss->basis.find("node 1 was not there to contradict"),
            std::string::npos);
  EXPECT_EQ(world.group(1, "pay").loss->kind, LossKind::kZero) << "silence proves nothing";
  EXPECT_EQ(world.group(1, "pay").error, "");
}

TEST(Operations, AFailoverWithLossWaitsAndSaysWhy) {
  World world(3);
  world.crash(1);
  EXPECT_NE(world.begin(3, failover({"logs"})), "") << "loss was not allowed";
  ASSERT_EQ(world.begin(3, failover({"logs"}, true)), "");
  std::set<std::string> reasons;
  world.after_commit = [&] { reasons.insert(world.group(1, "logs").waiting_for); };
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  EXPECT_EQ(world.group(1, "logs").step, OperationStep::kDone);
  EXPECT_EQ(world.group(1, "logs").loss->kind, LossKind::kUnknown);
  EXPECT_TRUE(world.group(1, "logs").loss->records_max);
  EXPECT_EQ(world.moves("logs"), 1);
  std::string all;
  for (const std::string& reason : reasons) all += reason + "\n";
  EXPECT_NE(all.find("the lease of node 1"), std::string::npos) << all;
}

TEST(Operations, ATargetThatDoesNotCatchUpEndsASwitchover) {
  World world(4);
  world.never_drained = true;
  const std::string to = "r" + std::to_string(in_sync(world).value);
  ASSERT_EQ(world.begin(1, switchover({"pay"}, to.c_str())), "");
  ASSERT_TRUE(world.run_until_over(Duration::seconds(90))) << dump(world);
  EXPECT_EQ(world.group(1, "pay").step, OperationStep::kFailed);
  EXPECT_NE(world.group(1, "pay").error.find("takes writes again"), std::string::npos);
  EXPECT_FALSE(world.state().leadership("pay").draining);
  EXPECT_EQ(world.moves("pay"), 0);
  const int64_t before = world.acknowledged("pay");
  world.run(Duration::seconds(5));
  EXPECT_GT(world.acknowledged("pay"), before);
}

TEST(Operations, ALeaderThatIsLostWhileItDrainsEndsTheSwitchover) {
  World world(5);
  world.never_drained = true;
  const std::string to = "r" + std::to_string(in_sync(world).value);
  ASSERT_EQ(world.begin(3, switchover({"pay"}, to.c_str())), "");
  world.run(Duration::seconds(1));
  world.crash(1);
  ASSERT_TRUE(world.run_until_over(Duration::seconds(20))) << dump(world);
  EXPECT_NE(world.group(1, "pay").error.find("fail over instead"), std::string::npos);
  ASSERT_EQ(world.begin(3, failover({"pay"})), "");
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60)));
  EXPECT_EQ(world.group(2, "pay").loss->kind, LossKind::kZero);
}

TEST(Operations, WhatContradictsALossOfZeroMakesItUnknown) {
  World world(6);
  const NodeId copy = in_sync(world);
  world.crash(1);
  world.exaggerates[copy == NodeId{2} ? 3 : 2] = 1'000'000;
  ASSERT_EQ(world.begin(copy.value, failover({"pay"})), "");
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  EXPECT_EQ(world.group(1, "pay").step, OperationStep::kDone);
  EXPECT_EQ(world.group(1, "pay").loss->kind, LossKind::kUnknown);
  EXPECT_NE(world.group(1, "pay").error.find("acknowledged"), std::string::npos)
      << dump(world) << control::encode_operation(world.state().operations().at(1));
}

TEST(Operations, ALeaderThatIsWellIsNotFailedOverWithLoss) {
  World world(8);
  ASSERT_EQ(world.begin(2, failover({"logs"}, true)), "");
  ASSERT_TRUE(world.run_until_over(Duration::seconds(90))) << dump(world);
  EXPECT_EQ(world.group(1, "logs").step, OperationStep::kFailed);
  EXPECT_NE(world.group(1, "logs").error.find("Switch over"), std::string::npos);
  EXPECT_EQ(world.moves("logs"), 0);
}

TEST(Operations, ALeaderThatWasBackInANewEpochIsFencedInThat) {
  World world(10);
  world.renews = true;
  world.crash(1);
  ASSERT_EQ(world.begin(2, failover({"logs"}, true)), "");
  const auto fences = [&] { return world.group(1, "logs").step == OperationStep::kFencing; };
  for (int i = 0; i < 100 && !fences(); ++i) world.run(Duration::milliseconds(50));
  ASSERT_TRUE(fences()) << dump(world);
  const LeaderEpoch first = world.group(1, "logs").fence_epoch;
  world.restart(1);
  ASSERT_GE(world.state().leadership("logs").epoch, first);
  world.run(Duration::milliseconds(500));
  world.crash(1);
  ASSERT_TRUE(world.run_until_over(Duration::seconds(50))) << dump(world);
  EXPECT_EQ(world.group(1, "logs").step, OperationStep::kDone) << dump(world);
  EXPECT_GT(world.group(1, "logs").fence_epoch, first);
}

// Node 2 says that it holds less than node 3 will. Then the leader is back, writes to node 2 alone,
// and is lost again.
TEST(Operations, NodesAreAskedAgainWhenTheLeaderWasBack) {
  World world(11);
  world.config.inspect_patience = Duration::seconds(60);
  world.config.answers_last = Duration::seconds(60);
  world.crash(2);
  const int64_t before = world.held(2, "logs");
  const auto run_until = [&](auto done) {
    for (int i = 0; i < 400 && !done(); ++i) world.run(Duration::milliseconds(50));
    return done();
  };
  ASSERT_TRUE(run_until([&] { return world.held(3, "logs") > before + 5; }));
  world.crash(1);
  world.restart(2);
  world.says_nothing_of_its_logs = 3;
  ASSERT_EQ(world.begin(2, failover({"logs"}, true)), "");
  world.run(Duration::seconds(10));
  ASSERT_EQ(world.group(1, "logs").waiting_for, "nodes 2, 3 to say what they hold") << dump(world);
  ASSERT_EQ(world.held(2, "logs"), before);
  world.crash(3);
  world.restart(1);
  ASSERT_TRUE(run_until([&] { return world.held(2, "logs") > world.held(3, "logs") + 5; }));
  world.crash(1);
  world.restart(3);
  world.says_nothing_of_its_logs.reset();
  ASSERT_TRUE(world.run_until_over(Duration::seconds(60))) << dump(world);
  EXPECT_EQ(world.group(1, "logs").step, OperationStep::kDone) << dump(world);
  EXPECT_EQ(world.group(1, "logs").new_leader.node, NodeId{2});
}

TEST(Operations, AnEpochThatIsNotOpenedIsWaitedFor) {
  World world(7);
  world.crash(1);
  world.never_open = true;
  ASSERT_EQ(world.begin(3, failover({"pay"})), "");
  ASSERT_FALSE(world.run_until_over(Duration::seconds(20)));
  EXPECT_NE(world.group(1, "pay").waiting_for.find("to open epoch"), std::string::npos);
  world.never_open = false;
  ASSERT_TRUE(world.run_until_over(Duration::seconds(20))) << dump(world);
  EXPECT_EQ(world.group(1, "pay").loss->kind, LossKind::kZero);
}

TEST(Operations, ALeaderThatIsLostBeforeItsEpochIsOpenIsNotWaitedForForEver) {
  World world(7);
  world.crash(1);
  world.never_open = true;
  const int32_t target = in_sync(world).value;
  ASSERT_EQ(world.begin(5 - target, failover({"pay"})), "");
  world.run(Duration::seconds(5));
  ASSERT_EQ(world.group(1, "pay").step, OperationStep::kVerifying) << dump(world);
  world.crash(target);
  ASSERT_TRUE(world.run_until_over(Duration::seconds(20))) << dump(world);
  EXPECT_NE(world.group(1, "pay").error.find("was never opened"), std::string::npos) << dump(world);
}

// Its disk refuses the partitions, and the old leader is back.
TEST(Operations, AGroupWhoseLeaderCannotOpenItsEpochIsMovedOn) {
  World world(7);
  const int32_t target = in_sync(world).value;
  world.crash(1);
  world.never_open = true;
  ASSERT_EQ(world.begin(5 - target, failover({"pay"})), "");
  world.run(Duration::seconds(5));
  world.restart(1);
  world.run(Duration::seconds(1));
  control::OperationRequest again = failover({"pay"});
  again.to = "r1";
  EXPECT_NE(world.begin(5 - target, again).find("operation-running"), std::string::npos);
  again.overrides = {"operation-running"};
  ASSERT_EQ(world.begin(5 - target, again), "");
  world.never_open = false;
  ASSERT_TRUE(world.run_until_over(Duration::seconds(20))) << dump(world);
  EXPECT_NE(world.group(1, "pay").error.find("before it was verified"), std::string::npos);
  EXPECT_EQ(world.group(2, "pay").new_leader.node, NodeId{1});
  EXPECT_EQ(world.group(2, "pay").loss->kind, LossKind::kZero) << dump(world);
}

// The executor is lost after each of its transactions in turn, and another node goes on.
TEST(Operations, AnyNodeGoesOnAtEveryStep) {
  size_t taken_over = 0;
  for (const bool loss : {false, true}) {
    for (size_t at = 0; at < 9; ++at) {
      World world(100 + at);
      if (loss) world.crash(1);
      const std::string to = "r" + std::to_string(in_sync(world).value);
      const int32_t executor = in_sync(world) == NodeId{2} ? 3 : 2;
      const auto request =
          loss ? failover({"pay", "logs"}, true) : switchover({"pay", "logs"}, to.c_str());
      size_t changes = 0;
      control::Operation seen;
      world.after_commit = [&] {
        if (world.state().operations().empty()) return;
        const auto& operation = world.state().operations().begin()->second;
        if (operation == seen) return;
        seen = operation;
        if (changes++ == at) world.crash(executor);
      };
      ASSERT_EQ(world.begin(executor, request), "");
      ASSERT_TRUE(world.run_until_over(Duration::seconds(120))) << at << "\n" << dump(world);
      for (const char* name : {"pay", "logs"}) {
        EXPECT_EQ(world.group(1, name).step, OperationStep::kDone) << at << "\n" << dump(world);
        EXPECT_EQ(world.moves(name), 1) << at;
      }
      EXPECT_EQ(world.group(1, "pay").loss->kind, LossKind::kZero) << at;
      if (world.state().operations().at(1).attempt > 1) ++taken_over;
    }
  }
  EXPECT_GE(taken_over, 8u);
}

// Whatever is lost, asked for and given up in between: every operation ends, and none of what the
// world checks is broken.
TEST(Operations, UnderRandomFaultsEveryOperationEnds) {
  size_t done = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world(seed * 1'000);
    for (int round = 0; round < 12; ++round) {
      const auto node = static_cast<int32_t>(world.random.between(1, 3));
      switch (world.random.below(5)) {
        case 0:
          world.crash(node);
          break;
        case 1:
          for (int32_t id = 1; id <= 3; ++id) world.restart(id);
          break;
        case 2:
          if (!world.state().operations().empty()) {
            world.abandon(world.state().operations().rbegin()->first);
          }
          break;
        default: {
          const bool forced = world.random.chance(1, 2);
          const std::string to = "r" + std::to_string(world.random.between(1, 3));
          std::vector<std::string> groups = {"pay", "logs"};
          if (world.random.chance(1, 2)) groups.erase(groups.begin());
          auto request = forced ? failover(groups, true) : switchover(groups, to.c_str());
          request.overrides = {"cooldown", "operation-running", "lag"};
          if (forced && world.random.chance(1, 4)) request.overrides.push_back("not-in-sync");
          world.begin(node, request);
        }
      }
      world.run(Duration::milliseconds(world.random.between(10, 3'000)));
    }
    for (int32_t id = 1; id <= 3; ++id) world.restart(id);
    ASSERT_TRUE(world.run_until_over(Duration::seconds(200))) << seed << "\n" << dump(world);
    for (const auto& [id, operation] : world.state().operations()) {
      for (const auto& group : operation.groups) {
        if (group.step == OperationStep::kDone) ++done;
      }
    }
    for (const char* name : {"pay", "logs"}) {
      EXPECT_FALSE(world.state().leadership(name).draining) << seed;
    }
    if (HasFailure()) FAIL() << "seed " << seed << "\n" << dump(world);
  }
  EXPECT_GE(done, 40u);
}

}  // namespace
}  // namespace magpie::failover
