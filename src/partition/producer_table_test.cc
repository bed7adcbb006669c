#include "partition/producer_table.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace magpie::partition {
namespace {

using record::BatchHeader;

BatchHeader batch(int64_t producer, int16_t epoch, int32_t sequence, int32_t count,
                  int64_t base_offset = 0) {
  BatchHeader header;
  header.producer_id = ProducerId{producer};
  header.producer_epoch = ProducerEpoch{epoch};
  header.base_sequence = sequence;
  header.record_count = count;
  header.last_offset_delta = count - 1;
  header.base_offset = Offset{base_offset};
  return header;
}

SequenceVerdict verdict(const ProducerTable& table, const BatchHeader& header) {
  return table.check(header).verdict;
}

TEST(ProducerTable, UnknownProducerMustBeginAtZero) {
  const ProducerTable table(10);
  EXPECT_EQ(verdict(table, batch(1, 0, 0, 3)), SequenceVerdict::kNew);
  EXPECT_EQ(verdict(table, batch(1, 0, 3, 1)), SequenceVerdict::kUnknownProducer);
}

TEST(ProducerTable, RetryFindsTheOriginalAmongTheLastFive) {
  ProducerTable table(10);
  for (int i = 0; i < 6; ++i) table.apply(batch(1, 0, i * 2, 2, 100 + i * 2), Instant{i});
  const auto answer = table.check(batch(1, 0, 2, 2));
  EXPECT_EQ(answer.verdict, SequenceVerdict::kDuplicate);
  EXPECT_EQ(answer.original.base_offset, Offset{102});
  EXPECT_EQ(answer.original.last_offset, Offset{103});
  EXPECT_EQ(verdict(table, batch(1, 0, 0, 2)), SequenceVerdict::kOldDuplicate);
  EXPECT_EQ(verdict(table, batch(1, 0, 12, 1)), SequenceVerdict::kNew);
  EXPECT_EQ(verdict(table, batch(1, 0, 14, 1)), SequenceVerdict::kOutOfOrder);
}

// A follower, or a replay, may still know a producer that the leader had forgotten.
TEST(ProducerTable, AProducerThatBeganAnewElsewhereBeginsAnewHere) {
  ProducerTable table(10);
  table.apply(batch(1, 0, 990, 10), Instant{});
  table.apply(batch(1, 0, 0, 3, 50), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 0, 3)), SequenceVerdict::kDuplicate);
  EXPECT_EQ(verdict(table, batch(1, 0, 3, 1)), SequenceVerdict::kNew);
  EXPECT_EQ(verdict(table, batch(1, 0, 5, 1)), SequenceVerdict::kOutOfOrder);
}

TEST(ProducerTable, SequenceCountsRecordsAndWraps) {
  EXPECT_EQ(sequence_plus(INT32_MAX, 1), 0);
  EXPECT_EQ(sequence_plus(INT32_MAX - 2, 5), 2);
  ProducerTable table(10);
  table.apply(batch(1, 0, INT32_MAX - 1, 4), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 2, 1)), SequenceVerdict::kNew);
  EXPECT_EQ(verdict(table, batch(1, 0, INT32_MAX - 1, 4)), SequenceVerdict::kDuplicate);
  EXPECT_EQ(verdict(table, batch(1, 0, INT32_MAX - 4, 3)), SequenceVerdict::kOldDuplicate);
}

TEST(ProducerTable, NewEpochBeginsAtZeroAndFencesTheOld) {
  ProducerTable table(10);
  table.apply(batch(1, 3, 0, 5), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 4, 5, 1)), SequenceVerdict::kOutOfOrder);
  EXPECT_EQ(verdict(table, batch(1, 4, 0, 1)), SequenceVerdict::kNew);
  table.apply(batch(1, 4, 0, 1), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 3, 5, 1)), SequenceVerdict::kFenced);
  // The window of the old epoch is gone: its batches are no duplicates of the new one.
  EXPECT_EQ(verdict(table, batch(1, 4, 1, 4)), SequenceVerdict::kNew);
}

TEST(ProducerTable, ForgetsByTheBrokersClockOnly) {
  ProducerTable table(10);
  BatchHeader ancient = batch(1, 0, 0, 1);
  ancient.max_timestamp = -1;
  table.apply(ancient, Instant{100});
  table.apply(batch(2, 0, 0, 1), Instant{200});
  EXPECT_EQ(table.next_expiry(Duration{50}), Instant{150});
  table.expire(Instant{149}, Duration{50});
  EXPECT_EQ(table.size(), 2u);
  table.expire(Instant{150}, Duration{50});
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(verdict(table, batch(1, 0, 1, 1)), SequenceVerdict::kUnknownProducer);
}

TEST(ProducerTable, MakesRoomByForgettingTheOneSeenLongestAgo) {
  ProducerTable table(2);
  table.apply(batch(1, 0, 0, 1), Instant{1});
  table.apply(batch(2, 0, 0, 1), Instant{2});
  table.apply(batch(1, 0, 1, 1), Instant{3});
  table.apply(batch(3, 0, 0, 1), Instant{4});
  EXPECT_EQ(table.size(), 2u);
  EXPECT_TRUE(table.producers().contains(ProducerId{1}));
  EXPECT_FALSE(table.producers().contains(ProducerId{2}));
}

BatchHeader in_epoch(int32_t leader_epoch, BatchHeader header) {
  header.leader_epoch = LeaderEpoch{leader_epoch};
  return header;
}

TEST(ProducerTable, WhoeverWroteBeforeALossMayJumpOnce) {
  ProducerTable table(10);
  table.apply(in_epoch(5, batch(1, 0, 0, 3, 0)), Instant{});
  table.apply(in_epoch(6, batch(2, 0, 0, 3, 3)), Instant{});
  table.opened_with_loss(LeaderEpoch{6});
  table.opened_with_loss(LeaderEpoch{4});
  EXPECT_EQ(verdict(table, batch(2, 0, 9, 1)), SequenceVerdict::kOutOfOrder);
  EXPECT_EQ(verdict(table, batch(3, 0, 9, 1)), SequenceVerdict::kJump) << "all of it may be gone";
  EXPECT_EQ(verdict(table, batch(1, 1, 9, 1)), SequenceVerdict::kJump) << "of a newer epoch";
  EXPECT_EQ(verdict(table, batch(1, 0, 9, 1)), SequenceVerdict::kJump);
  table.apply(in_epoch(7, batch(1, 0, 9, 1, 6)), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 20, 1)), SequenceVerdict::kOutOfOrder);
  // What comes late from the gap does not count as having gone on after the next loss.
  table.opened_with_loss(LeaderEpoch{8});
  table.apply(in_epoch(8, batch(1, 0, 4, 2, 7)), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 20, 1)), SequenceVerdict::kJump);
}

// Its first batches were sent to a leader that was lost, and come again behind newer ones.
TEST(ProducerTable, WhoeverBeginsInTheMiddleAfterALossMaySendTheBeginningLater) {
  ProducerTable table(10);
  table.opened_with_loss(LeaderEpoch{6});
  table.apply(in_epoch(6, batch(1, 0, 9, 1, 0)), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 0, 4)), SequenceVerdict::kNew) << "it is stored nowhere";
  table.apply(in_epoch(6, batch(1, 0, 0, 4, 1)), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 0, 4)), SequenceVerdict::kDuplicate);
  EXPECT_EQ(verdict(table, batch(1, 0, 4, 5)), SequenceVerdict::kNew);
  EXPECT_EQ(verdict(table, batch(1, 0, 10, 1)), SequenceVerdict::kNew);
}

// Clients take it for an acknowledgement.
TEST(ProducerTable, NothingIsCalledStoredThatASecondLossMayHaveTaken) {
  ProducerTable table(10);
  table.apply(in_epoch(5, batch(1, 0, 0, 3, 0)), Instant{});
  table.opened_with_loss(LeaderEpoch{6});
  table.apply(in_epoch(6, batch(1, 0, 9, 1, 3)), Instant{});
  table.opened_with_loss(LeaderEpoch{7});
  table.apply(in_epoch(7, batch(1, 0, 20, 1, 4)), Instant{});
  EXPECT_EQ(verdict(table, batch(1, 0, 12, 2)), SequenceVerdict::kNew);
  EXPECT_EQ(verdict(table, batch(1, 0, 4, 2)), SequenceVerdict::kOutOfOrder) << "of the first gap";
  for (int i = 1; i < 6; ++i) table.apply(in_epoch(7, batch(1, 0, 20 + i, 1, 4 + i)), Instant{});
  const auto answer = table.check(batch(1, 0, 20, 1));
  EXPECT_EQ(answer.verdict, SequenceVerdict::kOldDuplicate) << "nothing was left out since";
  EXPECT_EQ(answer.original.last_offset, Offset{9});
}

TEST(ProducerTable, AJumpMadeIsRememberedInWhatIsEncoded) {
  ProducerTable table(10);
  table.apply(in_epoch(5, batch(1, 0, 0, 3, 0)), Instant{});
  table.apply(in_epoch(6, batch(2, 0, 0, 3, 3)), Instant{});
  ByteWriter out;
  table.encode(out);
  ByteReader in(flatten(out.finish()));
  ProducerTable copy(10);
  copy.opened_with_loss(LeaderEpoch{6});
  ASSERT_TRUE(copy.decode(in, Instant{}));
  EXPECT_EQ(verdict(copy, batch(1, 0, 9, 1)), SequenceVerdict::kJump);
  EXPECT_EQ(verdict(copy, batch(2, 0, 9, 1)), SequenceVerdict::kOutOfOrder);
}

// A twin that keeps every batch it ever stored and looks for the batch in the whole list.
struct Twin {
  std::map<int64_t, std::vector<BatchHeader>> stored;

  bool is_next(const BatchHeader& header) {
    const auto& own = stored[header.producer_id.value];
    if (own.empty()) return header.base_sequence == 0;
    return header.base_sequence == sequence_plus(own.back().base_sequence, own.back().record_count);
  }
};

TEST(ProducerTable, StoresEachBatchOfALossyNetworkOnceAndInOrder) {
  Random random(23);
  for (int round = 0; round < 200; ++round) {
    ProducerTable table(100);
    Twin twin;
    int64_t offset = 0;
    std::map<int64_t, std::vector<BatchHeader>> sent;
    for (int step = 0; step < 60; ++step) {
      const auto producer = static_cast<int64_t>(random.below(3));
      auto& own = sent[producer];
      BatchHeader next = batch(producer, 0, 0, static_cast<int32_t>(random.between(1, 4)));
      if (!own.empty()) {
        next.base_sequence = sequence_plus(own.back().base_sequence, own.back().record_count);
      }
      const bool retry = !own.empty() && random.chance(1, 3);
      const BatchHeader offered = retry ? own[random.below(own.size())] : next;
      if (!retry) own.push_back(next);
      if (random.chance(1, 5)) continue;  // lost on the way
      const auto answer = table.check(offered);
      ASSERT_EQ(answer.verdict == SequenceVerdict::kNew, twin.is_next(offered));
      if (answer.verdict != SequenceVerdict::kNew) continue;
      BatchHeader stored = offered;
      stored.base_offset = Offset{offset};
      offset += stored.record_count;
      table.apply(stored, Instant{step});
      twin.stored[producer].push_back(stored);
    }
    ByteWriter out;
    table.encode(out);
    ByteReader in(flatten(out.finish()));
    ProducerTable copy(100);
    ASSERT_TRUE(copy.decode(in, Instant{}));
    for (const auto& [producer, batches] : twin.stored) {
      if (batches.empty()) continue;
      EXPECT_EQ(verdict(copy, batches.back()), SequenceVerdict::kDuplicate);
    }
  }
}

}  // namespace
}  // namespace magpie::partition
