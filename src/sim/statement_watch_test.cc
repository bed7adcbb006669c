// What is said of a loss is held against what was lost, and may never become less.
#include "sim/statement_watch.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "control/keys.h"
#include "control/operation_values.h"
#include "sim/ledger.h"

namespace magpie::sim {
namespace {

using control::Loss;
using control::LossKind;

class StatementWatchTest : public testing::Test {
 protected:
  // Operation 3 has moved the group into epoch 7, and says this of it.
  void say(const Loss& loss) {
    control::Operation operation;
    operation.id = 3;
    operation.executor = member(2);
    control::OperationGroup group;
    group.group = "pay";
    group.step = control::OperationStep::kVerifying;
    group.old_epoch = LeaderEpoch{6};
    group.old_leader = member(1);
    group.new_epoch = LeaderEpoch{7};
    group.new_leader = member(2);
    group.loss = loss;
    operation.groups = {group};
    store::KeyPut put;
    put.kv.key = "p/" + control::operation_key(3);
    put.kv.value = control::encode_operation(operation);
    watch_->changed("p/", {put});
  }
  void begin(control::OpenedWith how) {
    control::Leadership term;
    term.epoch = LeaderEpoch{7};
    term.opened_with = how;
    watch_->term("pay", term);
  }
  // So many records are acknowledged, a second apart, and lost.
  void lose(int64_t records) {
    for (int64_t i = 0; i < records; ++i) {
      ledger().sent({1, i});
      ledger().acknowledged(i, {1, i}, true);
      scene_.queue.after(Duration::seconds(1), [] {});
      scene_.queue.run_one();
    }
    ledger().failed_over_with_loss(7, 1'000);
    ledger().read_to_the_end(0, 0, {}, scene_.now());
  }
  Ledger& ledger() { return topics_.ledger("plain-0", 0); }
  static control::Member member(int32_t id) {
    control::Member member{NodeId{id}, {}};
    member.incarnation.bytes.fill(static_cast<uint8_t>(id));
    return member;
  }
  std::string broken() const { return scene_.violation ? scene_.violation->guarantee : ""; }
  static Loss unknown(std::optional<int64_t> most) {
    Loss loss;
    loss.records_max = most;
    return loss;
  }
  static Loss bounded(int64_t seconds) {
    Loss loss;
    loss.kind = LossKind::kBounded;
    loss.time_max = Duration::seconds(seconds);
    return loss;
  }
  static Loss zero() {
    Loss loss;
    loss.kind = LossKind::kZero;
    return loss;
  }

  Scene scene_{1};
  Knobs knobs_;
  Topics topics_{scene_, knobs_};
  std::optional<StatementWatch> watch_{std::in_place, scene_, topics_};
};

TEST_F(StatementWatchTest, AStatementMayBecomeWorse) {
  say(zero());
  say(bounded(2));
  say(bounded(3));
  say(unknown(10));
  say(unknown(20));
  say(unknown(std::nullopt));
  EXPECT_EQ(broken(), "");
}

TEST_F(StatementWatchTest, AStatementNeverBecomesBetter) {
  const std::pair<Loss, Loss> pairs[] = {
      {bounded(2), zero()},     {unknown(10), bounded(2)},  {unknown(10), zero()},
      {bounded(3), bounded(2)}, {unknown(20), unknown(10)}, {unknown({}), unknown(10)},
  };
  for (const auto& [before, after] : pairs) {
    scene_.violation.reset();
    watch_.emplace(scene_, topics_);
    say(before);
    EXPECT_EQ(broken(), "");
    say(after);
    EXPECT_EQ(broken(), "G11") << control::to_string(before.kind) << " to "
                               << control::to_string(after.kind);
  }
}

TEST_F(StatementWatchTest, ALossOfZeroIsOfATermThatWasOpenedWithoutLoss) {
  say(zero());
  begin(control::OpenedWith::kLossy);
  watch_->check();
  EXPECT_EQ(broken(), "G11");
}

TEST_F(StatementWatchTest, ATermThatIsSpokenOfHasBegun) {
  say(zero());
  watch_->check();
  EXPECT_EQ(broken(), "G11");
}

TEST_F(StatementWatchTest, TheMostIsTheMost) {
  begin(control::OpenedWith::kLossy);
  say(unknown(4));
  lose(4);
  watch_->check();
  EXPECT_EQ(broken(), "");
}

TEST_F(StatementWatchTest, MoreThanTheMostIsNoticed) {
  begin(control::OpenedWith::kLossy);
  say(unknown(4));
  lose(5);
  watch_->check();
  EXPECT_EQ(broken(), "G11");
}

TEST_F(StatementWatchTest, ABoundOfTimeIsKept) {
  begin(control::OpenedWith::kLossy);
  say(bounded(2));
  lose(6);
  watch_->check();
  EXPECT_EQ(broken(), "") << "clients hear a little later";
}

TEST_F(StatementWatchTest, OlderRecordsThanTheBoundAreNoticed) {
  begin(control::OpenedWith::kLossy);
  say(bounded(2));
  lose(9);
  watch_->check();
  EXPECT_EQ(broken(), "G11");
}

}  // namespace
}  // namespace magpie::sim
