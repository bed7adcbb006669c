// What becomes of offsets and producers when an epoch is opened with loss.
#include <gtest/gtest.h>

#include "partition/test_support.h"

namespace magpie::partition {
namespace {

TEST(Loss, AfterALossNoOffsetIsUsedAgainAndProducersGoOn) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  sh.follow(bj);
  bj.append(2, batch_of(2, 3));  // lost
  sh.lead(6, {}, 1'000, true);
  sh.append(2, batch_of(1, 5));
  sh.append(3, batch_of(1, 5));
  EXPECT_EQ(sh.answers(), (Answers{{2, Refusal::kBlocked}, {3, Refusal::kNone}}));
  EXPECT_EQ(sh.partition().log_end(), Offset{1'001});
  sh.append(4, batch_of(1, 9));
  EXPECT_EQ(sh.answers().at(4), Refusal::kOutOfOrderSequence) << "it may jump once";
  sh.append(5, batch_of(2, 3));  // what was lost comes after all
  sh.append(6, batch_of(2, 3));
  EXPECT_EQ(sh.partition().log_end(), Offset{1'003}) << "stored once";
  sh.append(7, batch_of(1, 6));
  EXPECT_EQ(sh.answers().at(7), Refusal::kNone);
}

// It comes back in a later term, on another member, after restarts; and then it may jump once.
TEST(Loss, AProducerThatWasSilentThroughALossMayStillGoOn) {
  for (const bool restarted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    Copy gz(3);
    bj.lead(5, {});
    bj.append(1, batch_of(3, 0));
    sh.follow(bj);
    gz.follow(bj);
    bj.append(2, batch_of(2, 3));  // lost
    sh.lead(6, {}, 1'000, true);
    gz.follow(sh);
    if (restarted) gz.open();
    gz.lead(7, {}, 1'000);
    gz.append(2, batch_of(1, 5));
    gz.append(3, batch_of(1, 5));
    EXPECT_EQ(gz.answers(), (Answers{{2, Refusal::kBlocked}, {3, Refusal::kNone}}));
    sh.follow(gz);
    if (restarted) sh.open();
    sh.lead(8, {}, 1'000);
    sh.append(4, batch_of(1, 9));
    EXPECT_EQ(sh.answers().at(4), Refusal::kOutOfOrderSequence) << "it has jumped already";
    sh.append(5, batch_of(1, 6));
    EXPECT_EQ(sh.answers().at(5), Refusal::kNone);
  }
}

TEST(Loss, ALossIsKnownToTheLeaderThatItMadeAfterARestart) {
  Copy bj(1);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  bj.lead(6, {}, 1'000, true);
  bj.open();
  bj.lead(7, {}, 1'000);
  bj.append(2, batch_of(1, 8));
  bj.append(3, batch_of(1, 8));
  EXPECT_EQ(bj.answers().at(2), Refusal::kBlocked);
  EXPECT_EQ(bj.answers().at(3), Refusal::kNone);
}

// A producer with several requests under way: the first was refused, for the epoch was not open,
// and the second arrives when it is.
TEST(Loss, ABatchThatWasRefusedBeforeTheEpochOpenedStaysBeforeTheNextOne) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  sh.follow(bj);
  sh.lead(6, {}, 1'000, true);
  sh.partition().hold_commits(true, sh.out());
  sh.append(2, batch_of(2, 3));
  sh.partition().hold_commits(false, sh.out());
  sh.append(3, batch_of(1, 5));
  sh.append(4, batch_of(2, 3));  // both come again, in order
  sh.append(5, batch_of(1, 5));
  EXPECT_EQ(sh.answers(), (Answers{{2, Refusal::kBlocked},
                                   {3, Refusal::kBlocked},
                                   {4, Refusal::kNone},
                                   {5, Refusal::kNone}}));
  EXPECT_EQ(sh.partition().log_end(), Offset{1'003});
}

// The same where something before them is gone for good.
TEST(Loss, AJumpBeginsWithTheFirstBatchThatIsStillToCome) {
  Copy bj(1);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  bj.lead(6, {}, 1'000, true);
  bj.append(2, batch_of(1, 9));
  bj.append(3, batch_of(2, 7));
  bj.append(4, batch_of(1, 9));
  bj.append(5, batch_of(2, 7));
  bj.append(6, batch_of(1, 9));
  const Answers expected{{1, Refusal::kNone},    {2, Refusal::kBlocked}, {3, Refusal::kBlocked},
                         {4, Refusal::kBlocked}, {5, Refusal::kNone},    {6, Refusal::kNone}};
  EXPECT_EQ(bj.answers(), expected);
}

// The new epoch begins far above the offsets that were lost; they must not pass for records that
// both copies hold.
TEST(Loss, AfterALossTheOldLeaderLosesItsTail) {
  for (const bool restarted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    Copy gz(3);
    bj.lead(5, {});
    bj.append(1, batch_of(3));
    sh.follow(bj);
    gz.follow(bj);
    bj.append(2, batch_of(2));  // lost
    sh.lead(6, {}, 1'000, true);
    sh.append(3, batch_of(1));
    gz.follow(sh);
    if (restarted) {
      sh.open();
      gz.open();
      sh.lead(7, {});
      gz.follow(sh);
    }
    EXPECT_EQ(gz.partition().copy_state(), sh.partition().copy_state());
    bj.follow(sh);
    EXPECT_EQ(bj.partition().copy_state(), sh.partition().copy_state());
    EXPECT_EQ(bj.partition().epoch_end(LeaderEpoch{5}).end, Offset{3});
    // What lay between is nobody's: a client that stood there learns that it was lost.
    gz.lead(8, {});
    gz.append(4, batch_of(1));
    EXPECT_EQ(gz.partition().epoch_end(LeaderEpoch{5}).end, Offset{3});
  }
}

// A loss left offsets out, and nothing written since has come to stand above them.
TEST(Loss, WhatALossLeftOutIsLeftOutUntilSomethingStandsAboveIt) {
  Copy bj(1);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  bj.lead(6, {}, 1'000, true);
  bj.hold();
  bj.append(2, batch_of(1));
  bj.fail_writes();
  bj.reopen();
  EXPECT_EQ(bj.partition().log_end(), Offset{3});
  bj.lead(7, {});
  bj.append(3, batch_of(1));
  EXPECT_EQ(bj.partition().log_end(), Offset{1'002}) << "1000 was given out";
}

// An epoch that wrote nothing leaves no trace in any log; whoever leads next is told its floor.
TEST(Loss, ALossThatWroteNothingLeavesTheSameOffsetsOutInTheNextEpoch) {
  for (const bool restarted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    Copy gz(3);
    bj.lead(5, {});
    bj.append(1, batch_of(3));
    sh.follow(bj);
    gz.follow(bj);
    bj.append(2, batch_of(2));  // lost
    sh.lead(6, {}, 1'000, true);
    gz.follow(sh);
    if (restarted) gz.open();
    gz.lead(7, {}, 1'000);
    gz.append(3, batch_of(1));
    EXPECT_EQ(gz.partition().log_end(), Offset{1'001});
    sh.follow(gz);
    bj.follow(gz);
    EXPECT_EQ(sh.partition().copy_state(), gz.partition().copy_state());
    EXPECT_EQ(bj.partition().copy_state(), gz.partition().copy_state());
    EXPECT_EQ(bj.partition().epoch_end(LeaderEpoch{5}).end, Offset{3});
    // Something stands above it now; a floor below the log's end changes nothing.
    sh.lead(8, {}, 1'000);
    sh.append(4, batch_of(1));
    EXPECT_EQ(sh.partition().log_end(), Offset{1'002});
  }
}

TEST(Loss, ATermBeginsWithTheCeilingItIsTold) {
  Copy bj(1);
  bj.partition().lead(
      bj.now(), {.epoch = LeaderEpoch{5}, .floor = Offset{10}, .ceiling = Offset{11}}, bj.out());
  bj.append(1, batch_of(1));
  bj.append(2, batch_of(1));
  EXPECT_EQ(bj.answers(), (Answers{{2, Refusal::kBlocked}}));
  bj.partition().set_ceiling(Offset{12});
  bj.append(3, batch_of(1));
  bj.partition().require(bj.now(), {}, bj.out());
  EXPECT_EQ(bj.answers().at(3), Refusal::kNone);
  EXPECT_EQ(bj.partition().log_end(), Offset{12});
}

}  // namespace
}  // namespace magpie::partition
