#include "replication/group_leader.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

namespace magpie::replication {
namespace {

constexpr NodeId kGz{2};
constexpr NodeId kSh{3};

class Logs final : public LedPartitions {
 public:
  size_t count() const override { return ends.size(); }
  Offset log_start(size_t partition) const override { return starts[partition]; }
  Offset log_end(size_t partition) const override { return ends[partition]; }
  Offset high_watermark(size_t partition) const override { return marks[partition]; }
  Offset position(size_t partition, NodeId member) const override {
    const auto found = positions.find(member);
    return found == positions.end() ? Offset{-1} : found->second.at(partition);
  }
  bool has_dropped_all(size_t partition, NodeId member) const override {
    return !holds_deleted.contains({partition, member});
  }
  bool is_unreadable(NodeId member) const override { return unreadable.contains(member); }
  bool is_gone(NodeId member) const override { return gone.contains(member); }
  void hold_all(NodeId member) { positions[member] = ends; }
  void grow() {
    for (Offset& end : ends) end = end + 10;
  }

  std::vector<Offset> starts = {{0}, {10}};
  std::vector<Offset> ends = {{100}, {50}};
  std::vector<Offset> marks = {{90}, {50}};
  std::map<NodeId, std::vector<Offset>> positions;
  std::set<std::pair<size_t, NodeId>> holds_deleted;
  std::set<NodeId> gone;
  std::set<NodeId> unreadable;
};

class GroupLeaderTest : public testing::Test {
 protected:
  void begin(Term wanted, SyncPolicy wanted_policy = {}) {
    term = std::move(wanted);
    term.epoch = LeaderEpoch{7};
    term.members = {kGz, kSh};
    policy = wanted_policy;
    leader.set_term(now, term, policy, logs);
  }
  std::optional<Wish> look(Duration later = {}) {
    now = now + later;
    return leader.look(now, logs);
  }
  void change(std::vector<NodeId> sync, std::optional<NodeId> joining = std::nullopt) {
    term.open = true;
    term.sync = std::move(sync);
    term.joining = joining;
    leader.set_term(now, term, policy, logs);
  }

  static constexpr Duration kLong = Duration::seconds(6);

  Instant now{1'000'000'000'000};
  Logs logs;
  Term term;
  SyncPolicy policy;
  GroupLeader leader;
};

TEST_F(GroupLeaderTest, AnEpochOpensWithTheNearestThatHoldsEverything) {
  begin({});
  EXPECT_EQ(look(), std::nullopt);
  logs.positions[kGz] = {{100}, {49}};
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish(OpenEpoch{{kSh}}));
  logs.hold_all(kGz);
  EXPECT_EQ(look(), Wish(OpenEpoch{{kGz}}));
}

TEST_F(GroupLeaderTest, WhatTheLogHeldWhenTheEpochBeganIsWhatCounts) {
  begin({});
  logs.hold_all(kGz);
  logs.grow();
  EXPECT_EQ(look(), Wish(OpenEpoch{{kGz}}));
}

TEST_F(GroupLeaderTest, APartitionMayGoBeforeTheEpochIsOpen) {
  begin({});
  logs.ends.pop_back();
  logs.marks.pop_back();
  logs.positions[kGz] = {{99}};
  EXPECT_EQ(look(), std::nullopt);
  logs.hold_all(kGz);
  EXPECT_EQ(look(), Wish(OpenEpoch{{kGz}}));
}

TEST_F(GroupLeaderTest, WithoutRequiredCopiesItOpensAtOnce) {
  begin({}, {.copies = 0, .min = 0});
  EXPECT_EQ(look(), Wish(OpenEpoch{}));
}

TEST_F(GroupLeaderTest, WithTooFewCopiesItStaysClosedUnlessItMayDegrade) {
  begin({});
  EXPECT_EQ(look(kLong), std::nullopt);
  begin({}, {.degrade = true});
  EXPECT_EQ(look(kLong), Wish(OpenEpoch{}));
}

TEST_F(GroupLeaderTest, AMemberThatGrowsSlowlyBehindStays) {
  begin({.open = true, .sync = {kGz}});
  for (int i = 0; i < 20; ++i) {
    logs.hold_all(kGz);
    logs.grow();  // never quite there, but moving
    EXPECT_EQ(look(Duration::seconds(1)), std::nullopt);
  }
}

TEST_F(GroupLeaderTest, AStoppedMemberIsExchangedForOneThatKeepsUp) {
  begin({.open = true, .sync = {kGz}});
  logs.hold_all(kGz);
  logs.hold_all(kSh);
  EXPECT_EQ(look(), std::nullopt);
  logs.grow();
  logs.hold_all(kSh);
  EXPECT_EQ(look(), std::nullopt);
  EXPECT_EQ(look(kLong), Wish(BeginJoining{kSh}));
  change({kGz}, kSh);
  EXPECT_EQ(look(), Wish(FinishJoining{kSh, kGz}));
  change({kSh});
  EXPECT_EQ(look(), std::nullopt);
  EXPECT_FALSE(leader.blocked());
}

TEST_F(GroupLeaderTest, WithNobodyElseWritesAreBlockedOrTheSetShrinks) {
  for (const bool degrade : {false, true}) {
    now = Instant{1'000'000'000'000};
    leader = {};
    begin({.open = true, .sync = {kGz}}, {.degrade = degrade});
    logs.positions = {};
    look();
    const std::optional<Wish> wish = look(kLong);
    EXPECT_EQ(wish, degrade ? std::optional<Wish>(ShrinkSync{kGz}) : std::nullopt);
    EXPECT_EQ(leader.blocked(), !degrade);
  }
}

TEST_F(GroupLeaderTest, NewTopicsDoNotHideAMemberThatHasStopped) {
  begin({.open = true, .sync = {kGz}}, {.degrade = true});
  std::optional<Wish> wish;
  for (int second = 0; second < 8 && !wish; ++second) {
    logs.ends.push_back(Offset{0});
    logs.marks.push_back(Offset{0});
    logs.positions[kGz] = std::vector<Offset>(logs.ends.size(), Offset{-1});
    wish = look(Duration::seconds(1));
  }
  EXPECT_EQ(wish, Wish(ShrinkSync{kGz}));
}

TEST_F(GroupLeaderTest, AJoiningMemberEntersOnceItHoldsTheHighWatermarkEverywhere) {
  begin({.open = true}, {.copies = 1, .min = 0});
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish(BeginJoining{kSh}));
  change({}, kSh);
  logs.marks = logs.ends;
  logs.positions[kSh] = {{100}, {49}};
  EXPECT_EQ(look(), std::nullopt);
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish(FinishJoining{kSh, std::nullopt}));
}

TEST_F(GroupLeaderTest, AJoiningMemberThatStopsIsLetGo) {
  begin({.open = true, .sync = {}, .joining = kSh}, {.copies = 1, .min = 0});
  look();
  EXPECT_EQ(look(kLong), Wish(AbandonJoining{kSh}));
}

TEST_F(GroupLeaderTest, MoreMembersThanWantedLeaveOneByOne) {
  begin({.open = true, .sync = {kGz, kSh}});
  logs.hold_all(kGz);
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish(ShrinkSync{kSh}));
}

TEST_F(GroupLeaderTest, TheLossThatIsPossibleIsBounded) {
  begin({.open = true},
        {.copies = 0, .min = 0, .max_lag = MaxLag{Duration::seconds(2), {kGz, kSh}}});
  logs.hold_all(kGz);
  look();
  logs.grow();
  look();
  EXPECT_FALSE(leader.blocked());
  look(Duration::seconds(3));
  EXPECT_EQ(leader.exposure(), Duration::seconds(3));
  EXPECT_TRUE(leader.blocked());
  logs.hold_all(kGz);
  look();
  EXPECT_FALSE(leader.blocked());
  EXPECT_EQ(leader.exposure(), Duration{});
}

TEST_F(GroupLeaderTest, WithoutAnotherMemberEverythingIsExposed) {
  begin({.open = true}, {.copies = 0, .min = 0});
  term.members = {};
  leader.set_term(now, term, policy, logs);
  look(Duration::seconds(40));
  EXPECT_EQ(leader.exposure(), Duration::seconds(40));
  logs.hold_all(kGz);
  term.members = {kGz};
  leader.set_term(now, term, policy, logs);
  look();
  EXPECT_EQ(leader.exposure(), Duration{}) << "a region came and holds all";
  term.members = {};
  leader.set_term(now, term, policy, logs);
  logs.starts = logs.marks;
  look(Duration::seconds(5));
  EXPECT_EQ(leader.exposure(), Duration{}) << "what was not acknowledged cannot be lost";
}

TEST_F(GroupLeaderTest, OnlyThoseWhoCountBoundALoss) {
  begin({.open = true}, {.copies = 0, .min = 0, .max_lag = MaxLag{Duration::seconds(2), {kSh}}});
  logs.hold_all(kGz);
  look();
  look(Duration::seconds(3));
  EXPECT_EQ(leader.exposure(), Duration{});
  EXPECT_TRUE(leader.blocked());
  EXPECT_FALSE(leader.keeps_max_lag());
  logs.hold_all(kSh);
  look();
  EXPECT_FALSE(leader.blocked());
  EXPECT_TRUE(leader.keeps_max_lag());
}

// A policy that asks for less, or for nothing, does not end a promise.
TEST_F(GroupLeaderTest, WhatWasPromisedIsKeptUntilTheTermSaysSomethingElse) {
  const MaxLag promised{Duration::seconds(2), {kGz}};
  for (const auto& wanted : {std::optional<MaxLag>(), std::optional(MaxLag{kLong, {kGz}})}) {
    begin({.open = true}, {.copies = 0, .min = 0, .max_lag = wanted, .promised_lag = promised});
    logs.hold_all(kGz);
    look();
    EXPECT_FALSE(leader.blocked());
    logs.grow();
    look();
    look(Duration::seconds(3));
    EXPECT_TRUE(leader.blocked());
  }
  // Nor does a group in which nobody follows any more.
  begin({.open = true, .members = {}}, {.copies = 0, .min = 0, .promised_lag = promised});
  look();
  EXPECT_TRUE(leader.blocked());
}

TEST_F(GroupLeaderTest, UntilSomebodyHasCaughtUpAnythingMayBeLost) {
  begin({.open = true},
        {.copies = 0, .min = 0, .max_lag = MaxLag{Duration::seconds(2), {kGz, kSh}}});
  look();
  EXPECT_TRUE(leader.blocked());
  EXPECT_EQ(leader.exposure(), Duration{});
  logs.hold_all(kGz);
  look(Duration::seconds(1));
  EXPECT_FALSE(leader.blocked());
  // Compared anew: how much the member holds is open again.
  logs.positions[kGz] = {{-1}, {50}};
  look();
  EXPECT_TRUE(leader.blocked());
}

TEST_F(GroupLeaderTest, WhoIsGoneIsReplacedAtOnce) {
  begin({.open = true, .sync = {kGz}});
  logs.hold_all(kGz);
  logs.hold_all(kSh);
  look();
  logs.grow();
  logs.positions[kGz] = {{-1}, {-1}};
  logs.hold_all(kSh);
  EXPECT_FALSE(look(Duration::seconds(1))) << "it may only be slow";
  logs.gone = {kGz};
  EXPECT_EQ(look(), Wish{BeginJoining{kSh}});
  change({kGz}, kSh);
  EXPECT_EQ(look(), Wish(FinishJoining{kSh, kGz}));
}

TEST_F(GroupLeaderTest, ACopyTooFewIsNotRiskedForAShortAbsence) {
  begin({.open = true, .sync = {kGz}}, {.degrade = true});
  logs.hold_all(kGz);
  look();
  logs.positions.clear();
  logs.gone = {kGz, kSh};
  EXPECT_FALSE(look(Duration::seconds(1)));
  logs.grow();
  look();
  EXPECT_EQ(look(kLong), Wish{ShrinkSync{kGz}});
  // With one more than is needed nothing is risked.
  logs.gone.clear();
  begin({.open = true, .sync = {kGz, kSh}}, {.copies = 2, .min = 1, .degrade = true});
  logs.hold_all(kGz);
  logs.hold_all(kSh);
  EXPECT_FALSE(look());
  logs.gone = {kGz};
  EXPECT_EQ(look(), Wish{ShrinkSync{kGz}});
}

TEST_F(GroupLeaderTest, WhoIsToLeaveStaysUntilAnotherHoldsAsMuch) {
  begin({.open = true, .sync = {kGz}}, {.degrade = true});
  const auto leaves = [&](std::vector<NodeId> members) {
    term.members = std::move(members);
    term.leaving = {kGz};
    leader.set_term(now, term, policy, logs);
  };
  leaves({kSh});
  logs.hold_all(kGz);
  EXPECT_FALSE(look()) << "the other one is still to come";
  EXPECT_FALSE(look(kLong)) << "which may take long";
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish{BeginJoining{kSh}});
  change({kGz}, kSh);
  EXPECT_EQ(look(), Wish(FinishJoining{kSh, kGz}));
  // Nor does it enter again.
  change({}, kGz);
  EXPECT_EQ(look(), Wish{AbandonJoining{kGz}});
  // With nobody else it leaves all the same, if that may be.
  change({kGz});
  logs.positions.erase(kSh);
  logs.gone = {kSh};
  EXPECT_EQ(look(), Wish{ShrinkSync{kGz}});
  leaves({});
  EXPECT_EQ(look(), Wish{ShrinkSync{kGz}});
  policy.degrade = false;
  leaves({});
  EXPECT_FALSE(look());
  // Of more than are wanted it is the one to go.
  policy.degrade = true;
  logs.gone.clear();
  logs.hold_all(kSh);
  change({kGz, kSh});
  leaves({kSh});
  EXPECT_EQ(look(), Wish{ShrinkSync{kGz}});
}

TEST_F(GroupLeaderTest, AnEpochOpensWithWhoIsToLeaveOnlyIfOthersAreTooFew) {
  const auto begin_without_gz = [&](SyncPolicy wanted) {
    begin({}, wanted);
    term.members = {kSh};
    term.leaving = {kGz};
    leader.set_term(now, term, policy, logs);
  };
  begin_without_gz({.copies = 1, .min = 1});
  logs.hold_all(kGz);
  EXPECT_EQ(look(), Wish(OpenEpoch{{kGz}})) << "a copy is a copy";
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish(OpenEpoch{{kSh}}));
  begin_without_gz({.copies = 2, .min = 2});
  EXPECT_EQ(look(), Wish(OpenEpoch{{kSh, kGz}})) << "without it there would never be enough";
  logs.positions.erase(kGz);
  begin_without_gz({.copies = 2, .min = 1});
  EXPECT_FALSE(look()) << "it may still come";
  logs.gone = {kGz};
  EXPECT_EQ(look(), Wish(OpenEpoch{{kSh}}));
}

// G12.
TEST_F(GroupLeaderTest, WhoCannotReadItsCopyIsReliedOnUntilAnotherOneIs) {
  begin({});
  logs.hold_all(kGz);
  logs.unreadable = {kGz};
  EXPECT_EQ(look(), Wish(OpenEpoch{{kGz}})) << "a copy is a copy";
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish(OpenEpoch{{kSh}}));
  change({kGz});
  EXPECT_EQ(look(), Wish{BeginJoining{kSh}});
  change({kGz}, kSh);
  EXPECT_EQ(look(), Wish(FinishJoining{kSh, kGz}));
  change({}, kGz);
  EXPECT_EQ(look(), Wish{AbandonJoining{kGz}}) << "nor does it enter";
  change({kGz});
  logs.positions.erase(kSh);
  logs.gone = {kSh};
  EXPECT_FALSE(look()) << "there would be no copy";
  EXPECT_FALSE(leader.blocked());
  policy.degrade = true;
  change({kGz});
  EXPECT_EQ(look(), Wish{ShrinkSync{kGz}});
  logs.gone.clear();
  logs.unreadable = {kGz, kSh};
  logs.hold_all(kSh);
  EXPECT_EQ(look(), Wish{ShrinkSync{kGz}}) << "nobody else can be relied on";
}

TEST_F(GroupLeaderTest, WhoStillHoldsWhatWasDeletedDoesNotEnter) {
  begin({});
  logs.hold_all(kGz);
  logs.holds_deleted = {{1, kGz}};
  EXPECT_FALSE(look());
  logs.holds_deleted.clear();
  EXPECT_EQ(look(), Wish(OpenEpoch{{kGz}}));
  change({}, kGz);
  logs.holds_deleted = {{0, kGz}};
  EXPECT_FALSE(look());
  logs.holds_deleted.clear();
  EXPECT_EQ(look(), Wish(FinishJoining{kGz, std::nullopt}));
}

TEST_F(GroupLeaderTest, AnEpochIsNotHeldUpByWhoIsGone) {
  begin({}, {.copies = 2, .min = 1});
  logs.hold_all(kSh);
  EXPECT_FALSE(look()) << "the other may still come";
  logs.gone = {kGz};
  EXPECT_EQ(look(), Wish(OpenEpoch{{kSh}}));
  logs.positions.clear();
  logs.gone = {kGz, kSh};
  EXPECT_FALSE(look()) << "with fewer than min it waits as long as it may";
}

TEST_F(GroupLeaderTest, TombstonesWaitForTheSlowestMember) {
  begin({.open = true, .sync = {kGz}});
  logs.hold_all(kGz);
  look();
  EXPECT_FALSE(leader.all_caught_up());
  logs.hold_all(kSh);
  look();
  EXPECT_TRUE(leader.all_caught_up());
}

}  // namespace
}  // namespace magpie::replication
