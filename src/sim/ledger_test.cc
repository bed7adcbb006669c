// The judge must be able to say no.
#include "sim/ledger.h"

#include <gtest/gtest.h>

#include "sim/group_ledger.h"

namespace magpie::sim {
namespace {

class LedgerTest : public testing::Test {
 protected:
  std::string broken() const { return scene_.violation ? scene_.violation->guarantee : ""; }
  std::string send(int64_t number) {
    ledger_.sent({1, number});
    return mark_of({1, number}, true);
  }

  Scene scene_{1};
  Ledger ledger_{scene_, {"orders-0"}};
};

TEST_F(LedgerTest, ValuesSayWhoSentThem) {
  const Origin origin{7, 42};
  const auto parsed = parse_mark(mark_of(origin, true));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->origin, origin);
  EXPECT_TRUE(parsed->idempotent);
  EXPECT_FALSE(parse_mark(mark_of(origin, true) + "x").has_value()) << "changed";
}

TEST_F(LedgerTest, AcknowledgedRecordsMustBeThere) {
  send(0);
  ledger_.acknowledged(5, {1, 0}, true);
  ledger_.read_to_the_end(0, 5, {}, {});
  EXPECT_EQ(broken(), "G1");
}

TEST_F(LedgerTest, OffsetsNameOneRecord) {
  ledger_.fetched(5, send(0));
  ledger_.fetched(5, send(1));
  EXPECT_EQ(broken(), "G3");
}

TEST_F(LedgerTest, RecordsOfIdempotentProducersAreStoredOnce) {
  ledger_.fetched(5, send(0));
  ledger_.fetched(6, send(0));
  EXPECT_EQ(broken(), "G8");
}

TEST_F(LedgerTest, OnlyWhatWasSentMayAppear) {
  ledger_.fetched(5, mark_of({1, 0}, true));
  EXPECT_EQ(broken(), "G4");
}

TEST_F(LedgerTest, HighWatermarkDoesNotGoBack) {
  send(0);
  ledger_.acknowledged(9, {1, 0}, true);
  ledger_.saw_high_watermark(9, ledger_.high_watermark());
  EXPECT_EQ(broken(), "G3");
}

TEST_F(LedgerTest, WeakFsyncMayLoseASuffixOnly) {
  ledger_.fetched(5, send(0));
  ledger_.fetched(6, send(1));
  ledger_.power_lost();
  ledger_.fetched(6, send(1));
  EXPECT_EQ(broken(), "");
  ledger_.fetched(5, send(2));
  EXPECT_EQ(broken(), "G10");
}

TEST_F(LedgerTest, EpochRisesWithEveryLife) {
  ledger_.saw_epoch(3, 1);
  ledger_.saw_epoch(4, 2);
  EXPECT_EQ(broken(), "");
  ledger_.saw_epoch(4, 3);
  EXPECT_EQ(broken(), "epochs");
}

TEST_F(LedgerTest, WhatIsCalledStoredLongAgoIsThere) {
  ledger_.acknowledged_somewhere({1, 0});
  ledger_.read_to_the_end(0, 6, {{5, send(0)}}, {});
  EXPECT_EQ(broken(), "");
  ledger_.acknowledged_somewhere({1, 1});
  ledger_.read_to_the_end(0, 6, {{5, send(0)}}, {});
  EXPECT_EQ(broken(), "G1");
}

TEST_F(LedgerTest, ALeaderDoesNotTakeItsLogStartBack) {
  Ledger ledger(scene_, {.name = "short-lived-0", .may_trim = true});
  ledger.saw_log_start(9, ledger.log_start_in(3), 3);
  ledger.saw_log_start(4, ledger.log_start_in(4), 4);
  EXPECT_EQ(broken(), "") << "another leader, whose copy retention had not reached";
  ledger.saw_log_start(3, ledger.log_start_in(4), 4);
  EXPECT_EQ(broken(), "G10");
}

TEST_F(LedgerTest, DeletedRecordsComeBackUnderNoLeader) {
  Ledger ledger(scene_, {.name = "short-lived-0", .may_trim = true});
  ledger.deleted(5, 5);
  ledger.saw_log_start(4, ledger.log_start_in(4), 4);
  EXPECT_EQ(broken(), "G10");
}

TEST_F(LedgerTest, AFailoverWithLossMayBringDeletedRecordsBack) {
  Ledger ledger(scene_, {.name = "short-lived-0", .may_trim = true});
  ledger.deleted(5, 5);
  ledger.failed_over_with_loss(4, 1'000);
  ledger.saw_log_start(4, ledger.log_start_in(4), 4);
  EXPECT_EQ(broken(), "");
}

TEST_F(LedgerTest, NobodyAcknowledgesBelowALossThatHasBegun) {
  send(0);
  ledger_.failed_over_with_loss(7, 1'000);
  ledger_.acknowledged(5, {1, 0}, true);
  EXPECT_EQ(broken(), "") << "it was under way";
  scene_.queue.after(Duration::seconds(1), [] {});
  scene_.queue.run_one();
  send(1);
  ledger_.acknowledged(6, {1, 1}, true);
  EXPECT_EQ(broken(), "G1");
}

// Seed 213991. Readers would wait for it for ever.
TEST_F(LedgerTest, ALateAnswerOfALostLeaderMovesNoHighWatermark) {
  send(0);
  send(1);
  ledger_.acknowledged(5, {1, 0}, true);
  EXPECT_EQ(ledger_.high_watermark(), 6);
  ledger_.failed_over_with_loss(7, 1'000);
  ledger_.acknowledged(6, {1, 1}, true);
  EXPECT_EQ(ledger_.high_watermark(), 0);
  ledger_.saw_high_watermark(7, 0, 6);
  EXPECT_EQ(ledger_.high_watermark(), 0);
  ledger_.saw_high_watermark(6, 0, 7);
  EXPECT_EQ(ledger_.high_watermark(), 6);
  EXPECT_EQ(broken(), "");
}

TEST_F(LedgerTest, LossesAreCountedWhereTheyBelong) {
  const std::string kept = send(0);
  send(1);
  ledger_.acknowledged(4, {1, 0}, true);
  ledger_.acknowledged(5, {1, 1}, true);
  ledger_.failed_over_with_loss(7, 1'000);
  ledger_.read_to_the_end(0, 5, {{4, kept}}, {});
  EXPECT_EQ(broken(), "");
  EXPECT_EQ(ledger_.lost_by(7).records, 1);
  EXPECT_EQ(ledger_.lost_by(8).records, 0);
}

TEST_F(LedgerTest, WhatCompactionMayHaveTakenIsNotCountedAsLost) {
  Ledger ledger(scene_, {"orders-0", true});
  // Of one key.
  for (const int64_t number : {0, 5}) {
    ledger.sent({1, number});
    ledger.acknowledged(number, {1, number}, true);
  }
  ledger.failed_over_with_loss(7, 1'000);
  ledger.read_to_the_end(0, 1'000, {}, {});
  EXPECT_EQ(broken(), "");
  EXPECT_EQ(ledger.lost_by(7).records, 1) << "the last one, and who knows of the first";
}

TEST_F(LedgerTest, WhatAnOldLeaderShowsMayHaveBeenSentAgain) {
  const std::string again = send(0);
  ledger_.failed_over_with_loss(7, 1'000);
  ledger_.acknowledged(1'000, {1, 0}, true);
  ledger_.fetched(5, again, 6);
  ledger_.read_to_the_end(0, 1'001, {{1'000, again}}, {});
  EXPECT_EQ(broken(), "");
  ledger_.read_to_the_end(0, 1'001, {{5, again}, {1'000, again}}, {});
  EXPECT_EQ(broken(), "G8") << "it was not lost";
}

// Seed 107897. A leader's disk refuses a batch that a copy has, and the leader goes on behind it.
// The copy takes over and shows the batch, lacks what came behind, and is lost to the old leader.
TEST_F(LedgerTest, WhatOnlyTheLoserOfALossHadIsNoGapInTheLogOfTheOther) {
  const auto pass_time = [&] {
    scene_.queue.after(Duration::seconds(1), [] {});
    scene_.queue.run_one();
  };
  const std::string refused = send(0);
  const std::string behind = send(1);
  const std::map<int64_t, std::string> left = {{6, behind}};
  ledger_.acknowledged(6, {1, 1}, true);
  ledger_.failed_over_with_loss(7, 1'000);
  pass_time();
  ledger_.fetched(5, refused, 7);
  pass_time();
  ledger_.failed_over_with_loss(8, 2'000);
  ledger_.read_to_the_end(0, 7, left, {});
  EXPECT_EQ(broken(), "");
}

TEST_F(LedgerTest, AGapInOneLogIsNotExcusedByALaterLoss) {
  send(0);
  const std::string behind = send(1);
  ledger_.acknowledged(5, {1, 0}, true);
  ledger_.acknowledged(6, {1, 1}, true);
  ledger_.failed_over_with_loss(7, 1'000);
  ledger_.failed_over_with_loss(8, 2'000);
  ledger_.read_to_the_end(0, 7, {{6, behind}}, {});
  EXPECT_EQ(broken(), "G4");
}

// Seed 302511: the tail of a leader before the last one, made leader again with loss.
TEST_F(LedgerTest, OnlyWhatWasSentBeforeALossMayTakeTheOffsetOfWhatWasLost) {
  const std::string tail = send(0);
  send(1);
  ledger_.acknowledged(5, {1, 1}, true);
  ledger_.failed_over_with_loss(7, 1'000);
  ledger_.fetched(5, tail, 7);
  ledger_.read_to_the_end(0, 6, {{5, tail}}, {});
  EXPECT_EQ(broken(), "");
  EXPECT_EQ(ledger_.lost_by(7).records, 1);
}

TEST_F(LedgerTest, WhatIsSentAfterALossTakesNoOffsetThatWasGivenOut) {
  send(0);
  ledger_.acknowledged(5, {1, 0}, true);
  ledger_.failed_over_with_loss(7, 1'000);
  scene_.queue.after(Duration::seconds(1), [] {});
  scene_.queue.run_one();
  ledger_.fetched(5, send(1), 7);
  EXPECT_EQ(broken(), "G1");
}

TEST_F(LedgerTest, ATombstoneThatWasLostDeletesNothing) {
  Ledger ledger(scene_, {"orders-0", true, false, Duration::seconds(60)});
  // A key of its own, and what deletes it.
  for (const int64_t number : {6, 7}) ledger.sent({1, number});
  ledger.fetched(6, mark_of({1, 6}, true));
  ledger.acknowledged(7, {1, 7}, true);
  const std::map<int64_t, std::string> records = {{6, mark_of({1, 6}, true)}};
  ledger.failed_over_with_loss(7, 1'000);
  ledger.passed(0, 1'000, records);
  EXPECT_EQ(broken(), "");
  scene_.queue.after(Duration::seconds(61), [] {});
  scene_.queue.run_one();
  ledger.read_to_the_end(0, 1'000, records, scene_.now());
  EXPECT_EQ(broken(), "");
  EXPECT_EQ(ledger.lost_by(7).records, 0) << "it may have expired";
  ledger.fetched(7, mark_of({1, 7}, true), 7);
  ledger.read_to_the_end(0, 1'000, records, scene_.now());
  EXPECT_EQ(broken(), "G1") << "it was not lost";
}

TEST_F(LedgerTest, HowOldALossIsCountsFromTheLastThatWasSent) {
  const auto after = [&](Duration pause) {
    scene_.queue.after(pause, [] {});
    scene_.queue.run_one();
  };
  // Of two partitions that one leader led, the older record goes and the newer one stays.
  Ledger other(scene_, {"orders-1"});
  send(0);
  ledger_.acknowledged(5, {1, 0}, true);
  after(Duration::seconds(9));
  other.sent({1, 0});
  after(Duration::seconds(4));  // the answer took so long
  other.acknowledged(5, {1, 0}, true);
  after(Duration::seconds(1));
  for (Ledger* each : {&ledger_, &other}) each->failed_over_with_loss(7, 1'000);
  other.fetched(5, mark_of({1, 0}, true), 7);
  ledger_.read_to_the_end(0, 5, {}, {});
  other.read_to_the_end(0, 6, {{5, mark_of({1, 0}, true)}}, {});
  Ledger::Lost lost = ledger_.lost_by(7);
  lost.add(other.lost_by(7));
  EXPECT_EQ(lost.records, 1);
  EXPECT_EQ(lost.newest - lost.oldest, Duration::seconds(9));
}

TEST_F(LedgerTest, OneLateBatchIsExcusedAfterALossAndNoSecondOne) {
  std::map<int64_t, std::string> records;
  for (const int64_t number : {0, 2, 1, 4, 3}) send(number);
  ledger_.failed_over_with_loss(7, 10);
  records = {{10, mark_of({1, 0}, true)}, {11, mark_of({1, 2}, true)}, {12, mark_of({1, 1}, true)}};
  ledger_.read_to_the_end(10, 13, records, {});
  EXPECT_EQ(broken(), "");
  records[13] = mark_of({1, 4}, true);
  records[14] = mark_of({1, 3}, true);
  ledger_.read_to_the_end(10, 15, records, {});
  EXPECT_EQ(broken(), "G8");
}

TEST_F(LedgerTest, WhatWasLostIsInNoOrder) {
  send(3);
  ledger_.acknowledged(5, {1, 3}, true);
  ledger_.failed_over_with_loss(7, 10);
  // Its answer went with the leader; it comes again, and then one more of an earlier life does not.
  std::map<int64_t, std::string> records = {{10, send(2)}, {11, send(4)}};
  ledger_.read_to_the_end(0, 12, records, {});
  EXPECT_EQ(broken(), "");
  records[12] = send(3);
  records[13] = send(1);
  ledger_.read_to_the_end(0, 14, records, {});
  EXPECT_EQ(broken(), "G8");
}

class GroupLedgerTest : public LedgerTest {
 protected:
  void SetUp() override { group_.add_partition(0, ledger_); }
  void commit(int64_t position, int32_t generation) {
    group_.commit_settled(0, group_.commit_sent(0, position, generation),
                          GroupLedger::Outcome::kAcknowledged);
  }

  GroupLedger group_{scene_, "billing"};
};

TEST_F(GroupLedgerTest, FindsTheLastConfirmedPosition) {
  group_.processed(0, 0, 10);
  commit(10, 1);
  group_.found(0, 10, scene_.now());
  EXPECT_EQ(broken(), "");
  group_.found(0, 11, scene_.now());
  EXPECT_EQ(broken(), "G9");
}

TEST_F(GroupLedgerTest, SkipsNothing) {
  group_.processed(0, 3, 10);
  EXPECT_EQ(broken(), "G9");
}

TEST_F(GroupLedgerTest, OldGenerationsCannotCommit) {
  group_.stable_in(2);
  commit(10, 1);
  EXPECT_EQ(broken(), "G9");
}

}  // namespace
}  // namespace magpie::sim
