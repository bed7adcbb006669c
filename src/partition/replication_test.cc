// Copies of one partition that lead, follow, die and come back.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "partition/test_support.h"

namespace magpie::partition {
namespace {

TEST(Replication, AnAcknowledgementNeedsTheLeaderAndEveryRequiredMember) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  sh.hold();
  bj.append(1, batch_of(3));
  EXPECT_TRUE(bj.answers().empty());
  sh.copy_from(bj);
  sh.acknowledge(bj);
  EXPECT_TRUE(bj.answers().empty()) << "not durable at the member yet";
  sh.settle();
  sh.acknowledge(bj);
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}}));
  EXPECT_EQ(bj.partition().high_watermark(), Offset{3});
  EXPECT_EQ(sh.partition().high_watermark(), Offset{0});
  sh.copy_from(bj);
  EXPECT_EQ(sh.partition().high_watermark(), Offset{3});
}

TEST(Replication, TheLeadersOwnDiskCountsToo) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.hold();
  bj.append(1, batch_of(3));
  sh.copy_from(bj);
  sh.acknowledge(bj);
  EXPECT_TRUE(bj.answers().empty());
  bj.settle();
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}}));
}

TEST(Replication, NothingIsAcknowledgedBeforeTheSyncSetIsKnown) {
  Copy bj(1);
  bj.partition().lead(bj.now(), {LeaderEpoch{5}, Offset{}, false}, bj.out());
  bj.append(1, batch_of(1));
  EXPECT_TRUE(bj.answers().empty());
  bj.partition().require(bj.now(), {}, bj.out());
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}}));
}

TEST(Replication, ANewLeaderHasWhatWasAcknowledgedAndTheOldOneIsCut) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.append(1, batch_of(3));
  sh.copy_from(bj);
  sh.acknowledge(bj);
  bj.append(2, batch_of(2));  // never reaches sh
  sh.lead(6, {});
  sh.append(1, batch_of(4));
  bj.follow(sh);
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}, {2, Refusal::kNotLeader}}));
  EXPECT_EQ(bj.partition().log_end(), Offset{7});
  EXPECT_EQ(bj.partition().copy_state(), sh.partition().copy_state());
}

TEST(Replication, AFollowerTakesNoWritesAndNothingThatDoesNotFollow) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  sh.follow(bj);
  sh.append(1, batch_of(1));
  EXPECT_EQ(sh.answers(), (Answers{{1, Refusal::kNotLeader}}));
  Buffer far = batch_of(1);
  record::stamp(far.mutable_bytes(), Offset{9}, LeaderEpoch{5});
  EXPECT_FALSE(sh.partition().append_copied(sh.now(), far, sh.out()));
  Buffer damaged = batch_of(1);
  record::stamp(damaged.mutable_bytes(), Offset{3}, LeaderEpoch{5});
  damaged.mutable_bytes().back() ^= std::byte{1};
  EXPECT_FALSE(sh.partition().append_copied(sh.now(), damaged, sh.out()));
  EXPECT_EQ(sh.partition().log_end(), Offset{3});
}

// Of two topics that are no longer compacted, one never was.
TEST(Replication, GapsAreTakenFromALeaderWhoseLogWasCompactedOnce) {
  for (const bool compacted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    bj.lead(5, {});
    for (uint64_t ticket = 1; ticket <= 3; ++ticket) bj.append(ticket, batch_of(1));
    if (compacted) {
      bj.compact();
      bj.open();
      bj.lead(6, {});
    }
    bj.append(4, batch_of(1));
    sh.follow(bj, 0);
    Buffer far = batch_of(1);
    record::stamp(far.mutable_bytes(), Offset{2}, LeaderEpoch{5});
    EXPECT_EQ(sh.partition().append_copied(sh.now(), far, sh.out()).has_value(), true)
        << "the first of its epoch";
    Buffer farther = batch_of(1);
    record::stamp(farther.mutable_bytes(), Offset{9}, LeaderEpoch{5});
    EXPECT_EQ(sh.partition().append_copied(sh.now(), farther, sh.out()).has_value(), compacted);
    EXPECT_EQ(sh.partition().may_have_gaps(), compacted);
  }
}

TEST(Replication, ACopyBegunAnewIsEmptyAndTakesWhatFollows) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  sh.follow(bj);
  EXPECT_EQ(sh.partition().producer_count(), 1u);
  for (uint64_t ticket = 2; ticket < 9; ++ticket) bj.append(ticket, batch_of(1));
  bj.partition().trim(bj.now(), Offset{7}, bj.out());
  sh.partition().begin_anew(sh.now(), Offset{7}, sh.out());
  EXPECT_EQ(sh.partition().copy_state(), (CopyState{{}, Offset{7}, Offset{7}}));
  EXPECT_EQ(sh.partition().high_watermark(), Offset{7});
  EXPECT_EQ(sh.partition().durable_end(), Offset{7});
  EXPECT_EQ(sh.partition().producer_count(), 0u);
  sh.open();
  EXPECT_EQ(sh.partition().high_watermark(), Offset{7});
  sh.follow(bj);
  EXPECT_EQ(sh.partition().copy_state(), bj.partition().copy_state());
  EXPECT_EQ(sh.partition().high_watermark(), Offset{10});
}

// A client deletes records of a copy that leads again, while its tail is still being cut.
TEST(Replication, NothingIsTrimmedWhileATailIsCut) {
  Copy bj(1);
  bj.lead(6, {});
  bj.append(1, batch_of(3));
  bj.partition().follow(bj.now(), LeaderEpoch{7}, bj.out());
  bj.hold_cuts();
  bj.partition().cut(bj.now(), Offset{0}, bj.out());
  bj.lead(8, {});
  bj.partition().trim(bj.now(), Offset{3}, bj.out());
  bj.settle();
  EXPECT_EQ(bj.partition().copy_state(), (CopyState{{}, Offset{0}, Offset{0}}));
}

// The leader says so while the follower's disk is behind, and has nothing to say afterwards.
TEST(Replication, AFollowersLogBeginsWhereItsLeadersDoes) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  sh.follow(bj);
  for (uint64_t ticket = 1; ticket <= 3; ++ticket) bj.append(ticket, batch_of(1));
  sh.hold();
  sh.copy_from(bj);
  sh.partition().learn(sh.now(), Offset{3}, Offset{2}, sh.out());
  EXPECT_EQ(sh.partition().log_start(), Offset{0}) << "not held durably yet";
  sh.settle();
  EXPECT_EQ(sh.partition().high_watermark(), Offset{3});
  EXPECT_EQ(sh.partition().log_start(), Offset{2});
}

TEST(Replication, AFollowerHasCaughtUpWhenItHeldWhatTheLeaderHadAcknowledged) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  sh.follow(bj, 0);
  EXPECT_FALSE(sh.partition().has_caught_up()) << "it holds nothing yet";
  sh.hold();
  sh.copy_from(bj);
  EXPECT_FALSE(sh.partition().has_caught_up()) << "not durably";
  sh.settle();
  EXPECT_TRUE(sh.partition().has_caught_up());
  bj.append(2, batch_of(3));
  sh.partition().learn(sh.now(), Offset{6}, Offset{0}, sh.out());
  EXPECT_TRUE(sh.partition().has_caught_up()) << "it did once";
}

// Its high watermark says nothing of what was acknowledged before, as after a restart.
TEST(Replication, NobodyHasCaughtUpWithALeaderThatDoesNotKnowItsEnd) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  bj.append(1, batch_of(3));
  sh.partition().follow(sh.now(), LeaderEpoch{5}, sh.out());
  const LeaderLog leader{{{LeaderEpoch{4}, Offset{0}}, {LeaderEpoch{5}, Offset{3}}}};
  sh.partition().reconciled(sh.now(), leader, sh.out());
  sh.partition().learn(sh.now(), Offset{0}, Offset{0}, sh.out());
  EXPECT_FALSE(sh.partition().has_caught_up());
  sh.copy_from(bj);
  EXPECT_FALSE(sh.partition().has_caught_up());
  sh.partition().learn(sh.now(), Offset{3}, Offset{0}, sh.out());
  EXPECT_TRUE(sh.partition().has_caught_up());
}

TEST(Replication, WhoeverMayHaveLostSomethingHasNotCaughtUp) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  const auto catch_up = [&] {
    sh.follow(bj);
    sh.settle();
    ASSERT_TRUE(sh.partition().has_caught_up());
  };
  catch_up();
  sh.open();
  EXPECT_FALSE(sh.partition().has_caught_up()) << "a restart does not know what was before";
  catch_up();
  sh.partition().begin_anew(sh.now(), Offset{3}, sh.out());
  EXPECT_FALSE(sh.partition().has_caught_up());
  catch_up();
  sh.fail_writes();
  sh.reopen();
  EXPECT_FALSE(sh.partition().has_caught_up());
  catch_up();
  sh.partition().cut(sh.now(), Offset{3}, sh.out());
  EXPECT_FALSE(sh.partition().has_caught_up());
  sh.partition().reconciled(sh.now(), {}, sh.out());
  EXPECT_FALSE(sh.partition().has_caught_up()) << "the leader has not said how far it is";
  catch_up();
  bj.partition().follow(bj.now(), LeaderEpoch{6}, bj.out());
  bj.lead(7, {});
  sh.partition().follow(sh.now(), LeaderEpoch{7}, sh.out());
  EXPECT_FALSE(sh.partition().has_caught_up()) << "with another leader";
}

TEST(Replication, RecordsAreGoneWhenEveryMemberHasDroppedThem) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.append(1, batch_of(3));
  sh.follow(bj);
  bj.partition().trim(bj.now(), Offset{2}, bj.out());
  EXPECT_EQ(bj.partition().log_start(), Offset{2});
  EXPECT_EQ(bj.trimmed_everywhere(), Offset{0});
  bj.partition().member_starts_at(sh.id(), Offset{1}, bj.out());
  EXPECT_EQ(bj.trimmed_everywhere(), Offset{1});
  EXPECT_FALSE(bj.partition().has_dropped_all(sh.id()));
  bj.partition().member_starts_at(sh.id(), Offset{2}, bj.out());
  EXPECT_EQ(bj.trimmed_everywhere(), Offset{2});
  EXPECT_TRUE(bj.partition().has_dropped_all(sh.id()));
}

TEST(Replication, AMemberThatIsComparedAnewSaysAgainWhatItHasDropped) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.append(1, batch_of(3));
  sh.follow(bj);
  bj.partition().trim(bj.now(), Offset{2}, bj.out());
  bj.partition().member_starts_at(sh.id(), Offset{2}, bj.out());
  EXPECT_EQ(bj.times_trimmed_everywhere(), 1u);
  bj.partition().member_lost(sh.id());
  EXPECT_EQ(bj.partition().start_everywhere(), Offset{0});
  sh.follow(bj);
  bj.partition().member_starts_at(sh.id(), Offset{2}, bj.out());
  EXPECT_EQ(bj.times_trimmed_everywhere(), 2u);
}

TEST(Replication, BeforeItsEpochIsOpenALeaderSaysOfNobodyWhatIsGone) {
  Copy bj(1);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  bj.partition().trim(bj.now(), Offset{2}, bj.out());
  EXPECT_EQ(bj.partition().start_everywhere(), Offset{2});
  bj.partition().lead(bj.now(), {LeaderEpoch{6}, Offset{0}, false}, bj.out());
  EXPECT_EQ(bj.partition().start_everywhere(), Offset{0});
}

TEST(Replication, AMemberThatLeavesNoLongerKeepsWhatWasDropped) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.append(1, batch_of(3));
  sh.follow(bj);
  bj.partition().trim(bj.now(), Offset{2}, bj.out());
  bj.partition().require(bj.now(), {}, bj.out());
  EXPECT_EQ(bj.trimmed_everywhere(), Offset{2});
}

TEST(Replication, RecordsAreGoneWhenWhoeverIsAboutToLeadHasDroppedThem) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  sh.follow(bj);
  bj.append(1, batch_of(3));
  sh.follow(bj);
  bj.partition().set_successor(sh.id(), bj.out());
  bj.partition().trim(bj.now(), Offset{2}, bj.out());
  EXPECT_EQ(bj.trimmed_everywhere(), Offset{0});
  bj.partition().set_successor(std::nullopt, bj.out());
  EXPECT_EQ(bj.trimmed_everywhere(), Offset{2}) << "it will not lead after all";
}

TEST(Replication, ALeaderWhoseWriteFailedGivesOutNoMoreOffsetsInItsEpoch) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.hold();
  bj.append(1, batch_of(3));
  sh.copy_from(bj);  // sh holds offsets 0..2 of epoch 5
  bj.fail_writes();
  EXPECT_TRUE(bj.said_epoch_spent());
  bj.reopen();
  bj.append(2, batch_of(3));
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kStorage}, {2, Refusal::kNotLeader}}));
  bj.lead(6, {sh.id()});
  EXPECT_EQ(bj.partition().next_offset(), Offset{3}) << "sh holds another record at 0";
  bj.append(3, batch_of(1));
  bj.settle();
  sh.follow(bj);
  EXPECT_EQ(bj.answers().at(3), Refusal::kNone);
  EXPECT_EQ(sh.partition().log_end(), Offset{4});
  EXPECT_EQ(sh.partition().copy_state(), bj.partition().copy_state());
}

TEST(Replication, ACopyThatLeadsWhileItIsCutTakesNothingBeforeTheCutIsDone) {
  Copy bj(1);
  bj.lead(6, {});
  bj.append(1, batch_of(3, 0));
  bj.partition().follow(bj.now(), LeaderEpoch{7}, bj.out());
  bj.hold_cuts();
  bj.partition().cut(bj.now(), Offset{0}, bj.out());
  EXPECT_TRUE(bj.partition().is_cutting());
  bj.lead(8, {}, 0, true);
  bj.append(2, batch_of(1));
  EXPECT_EQ(bj.answers().at(2), Refusal::kNotOpen);
  bj.partition().tick({Instant{} + Duration::seconds(1'000), {}}, bj.out());  // no upkeep meanwhile
  bj.settle();
  EXPECT_FALSE(bj.partition().is_cutting());
  // The epoch begins with loss, whenever the table was made: it may jump, when it offers to twice.
  bj.append(3, batch_of(1, 9));
  EXPECT_EQ(bj.answers().at(3), Refusal::kBlocked);
  bj.append(4, batch_of(1, 9));
  EXPECT_EQ(bj.answers().at(4), Refusal::kNone);
  EXPECT_EQ(bj.partition().log_end(), Offset{1});
}

TEST(Replication, WithoutALeaseNothingIsAcknowledgedThatWasTakenOverBefore) {
  Copy bj(1);
  bj.lead(5, {});
  bj.hold();
  bj.append(1, batch_of(1, 0));
  bj.partition().hold_commits(true, bj.out());
  bj.settle();
  bj.append(2, batch_of(1, 0));
  EXPECT_EQ(bj.answers(), (Answers{{2, Refusal::kBlocked}}));
  EXPECT_EQ(bj.partition().high_watermark(), Offset{0});
  bj.partition().hold_commits(false, bj.out());
  EXPECT_EQ(bj.answers().at(1), Refusal::kNone);
}

TEST(Replication, BlockedOrWithoutReservedOffsetsNothingNewIsTaken) {
  Copy bj(1);
  bj.lead(5, {});
  bj.partition().set_blocked(true);
  bj.append(1, batch_of(1));
  bj.partition().set_blocked(false);
  bj.partition().set_ceiling(Offset{2});
  bj.append(2, batch_of(2));
  bj.append(3, batch_of(1));
  EXPECT_EQ(bj.answers(),
            (Answers{{1, Refusal::kBlocked}, {2, Refusal::kNone}, {3, Refusal::kBlocked}}));
}

// Seed 97581. A leader whose members turned to another one does not hear of it at once, and what
// that one has taken is not a gap. Errors about sequences end what a producer may go on with.
TEST(Replication, ALeaderWithMembersDoesNotCallASequenceBrokenAtOnce) {
  Copy bj(1);
  Copy sh(2);
  bj.set_break_patience(Duration::seconds(10));
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.append(1, batch_of(2, 0));
  sh.follow(bj);
  bj.append(2, batch_of(1, 5));
  bj.append(3, batch_of(1, 5, ProducerId{8}));
  bj.append(4, batch_of(2, 0));
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone},
                                   {2, Refusal::kBlocked},
                                   {3, Refusal::kBlocked},
                                   {4, Refusal::kNone}}));
  bj.pass(Duration::seconds(10));
  bj.append(5, batch_of(1, 5));
  bj.append(6, batch_of(1, 5, ProducerId{8}));
  EXPECT_EQ(bj.answers().at(5), Refusal::kOutOfOrderSequence);
  EXPECT_EQ(bj.answers().at(6), Refusal::kUnknownProducer);
}

// The leader that nobody else takes part with is the one while its lease lasts, unless it has been
// drained: then the next one may be on.
TEST(Replication, ABlockedLeaderDoesNotCallASequenceBrokenAtOnce) {
  Copy bj(1);
  bj.set_break_patience(Duration::seconds(10));
  bj.lead(5, {});
  bj.append(1, batch_of(2, 0));
  bj.partition().set_blocked(true);
  bj.append(2, batch_of(1, 5));
  bj.partition().set_blocked(false);
  bj.append(3, batch_of(1, 5));
  EXPECT_EQ(
      bj.answers(),
      (Answers{{1, Refusal::kNone}, {2, Refusal::kBlocked}, {3, Refusal::kOutOfOrderSequence}}));
}

// Who is in the sync set is not known before the epoch is open: there may be members.
TEST(Replication, ASequenceIsNotCalledBrokenAtOnceBeforeTheEpochIsOpen) {
  Copy bj(1);
  bj.set_break_patience(Duration::seconds(10));
  bj.partition().lead(bj.now(), {LeaderEpoch{5}, Offset{}, false}, bj.out());
  bj.append(1, batch_of(1, 5));
  bj.partition().require(bj.now(), {}, bj.out());
  bj.append(2, batch_of(1, 5));
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kBlocked}, {2, Refusal::kUnknownProducer}}));
}

// Random lives of three copies with one required member: whatever was acknowledged is held by every
// copy that may be promoted without loss, at its offset.
class Lives {
 public:
  explicit Lives(uint64_t seed) : random_(seed) {
    for (int32_t id = 1; id <= 3; ++id) copies_.push_back(std::make_unique<Copy>(id));
    promote(0);
  }

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      act();
      note_acknowledged();
    }
  }

 private:
  Copy& leader() { return *copies_[leader_]; }

  void act() {
    const uint64_t dice = random_.below(100);
    Copy& any = *copies_[random_.below(3)];
    if (dice < 40) {
      leader().append(++ticket_, batch_of(static_cast<int>(random_.between(1, 3))));
    } else if (dice < 70) {
      if (&any != &leader()) any.follow(leader(), random_.below(4));
    } else if (dice < 80) {
      any.hold();
    } else if (dice < 90) {
      any.settle();
    } else if (dice < 94) {
      // Between members that hold everything acknowledged, leadership moves freely.
      promote(random_.chance(1, 2) ? leader_ : required_);
    } else if (&any != &leader()) {
      any.settle();
      any.open();
    }
  }

  void promote(size_t who) {
    copies_[who]->settle();
    for (const auto& [offset, epoch] : acknowledged_) {
      ASSERT_EQ(epoch_at(*copies_[who], offset), epoch) << "an acknowledged record is missing";
    }
    leader_ = who;
    required_ = (who + 1 + random_.below(2)) % 3;
    leader().partition().lead(leader().now(), {LeaderEpoch{++epoch_}, Offset{}, false},
                              leader().out());
    // The sync set is known only once its member was compared and holds everything.
    copies_[required_]->follow(leader());
    copies_[required_]->settle();
    copies_[required_]->acknowledge(leader());
    leader().partition().require(leader().now(), {copies_[required_]->id()}, leader().out());
  }

  static LeaderEpoch epoch_at(Copy& copy, Offset offset) {
    if (offset >= copy.partition().log_end()) return kNoLeaderEpoch;
    return copy.partition().epochs().epoch_of(offset);
  }

  void note_acknowledged() {
    for (; noted_ < leader().partition().high_watermark(); noted_ = noted_ + 1) {
      acknowledged_[noted_] = epoch_at(leader(), noted_);
    }
  }

  Random random_;
  std::vector<std::unique_ptr<Copy>> copies_;
  size_t leader_ = 0;
  size_t required_ = 1;
  int32_t epoch_ = 0;
  uint64_t ticket_ = 0;
  Offset noted_;
  std::map<Offset, LeaderEpoch> acknowledged_;
};

TEST(Replication, WhatWasAcknowledgedOutlivesAnyLosslessPromotion) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Lives lives(seed);
    lives.live(200);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace magpie::partition
