#include "partition/partition.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/memory_engine.h"
#include "record/builder.h"

namespace magpie::partition {
namespace {

// A memory engine that says what its disk did when the test lets the partition step.
class SteppedEngine : public engine::MemoryEngine {
 public:
  using MemoryEngine::MemoryEngine;

  void step(const Now&, const port::DiskDone& done, engine::Output& out) override {
    if (done.status) {
      settle(out);
    } else {
      fail_writes(done.status.error(), heals, out);
    }
  }

  void compact(const Now& at, Offset limit, Duration tombstone_age, engine::Output& out) override {
    EXPECT_FALSE(compacting) << "two compactions at once";
    compacting = slow_compaction;
    if (!compacting) MemoryEngine::compact(at, limit, tombstone_age, out);
  }

  bool heals = true;  // a failed disk works again by the next try
  bool slow_compaction = false;
  bool compacting = false;
};

// A partition on a memory engine whose durability the test controls.
class PartitionTest : public testing::Test {
 protected:
  void open(PartitionConfig config = {}, LeaderEpoch epoch = LeaderEpoch{1}) {
    auto engine = std::make_unique<SteppedEngine>(image);
    disk = engine.get();
    partition = std::make_unique<Partition>("orders-0", config, std::move(engine), slot);
    const auto mode = image.exists ? engine::OpenMode::kExisting : engine::OpenMode::kCreate;
    partition->open(now, mode, epoch, out);
    ASSERT_NE(find<Opened>(), nullptr);
    said.clear();
  }

  static Buffer batch(int records, std::optional<std::string_view> key = "k") {
    record::BatchBuilder builder;
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = key, .value = "v"});
    return builder.build();
  }
  static Buffer idempotent(int32_t sequence, int records, int16_t epoch = 0) {
    record::BatchBuilder builder;
    builder.set_producer(ProducerId{7}, ProducerEpoch{epoch}, sequence);
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
    return builder.build();
  }

  // Everything appended becomes durable, or the write of it fails.
  void settle() { partition->step(now, {}, out); }
  void fail_writes() {
    partition->step(now, {.status = fail(ErrorKind::kNoSpace, "disk full")}, out);
  }

  template <typename Event>
  Event* find() {
    for (partition::Event& event : said) {
      if (auto* found = std::get_if<Event>(&event)) return found;
    }
    return nullptr;
  }
  // The answer to the append with this ticket, if it came.
  Settled* answer(uint64_t ticket) {
    for (partition::Event& event : said) {
      auto* settled = std::get_if<Settled>(&event);
      if (settled != nullptr && settled->ticket == ticket) return settled;
    }
    return nullptr;
  }
  Refusal refusal(uint64_t ticket) {
    const Settled* settled = answer(ticket);
    EXPECT_NE(settled, nullptr) << "no answer to " << ticket;
    return settled == nullptr ? Refusal::kNone : settled->refusal;
  }

  CompactionSlot slot;
  engine::MemoryImage image;
  SteppedEngine* disk = nullptr;
  std::unique_ptr<Partition> partition;
  port::Effects effects;
  std::vector<Event> said;
  Output out{effects, said};
  Now now{Instant{1'000}, WallTime{1'000'000}};
};

TEST_F(PartitionTest, AnswersWithConsecutiveOffsets) {
  open();
  partition->append(now, 1, batch(3), out);
  partition->append(now, 2, batch(2), out);
  ASSERT_NE(answer(2), nullptr);
  EXPECT_EQ(answer(1)->base_offset, Offset{0});
  EXPECT_EQ(answer(2)->base_offset, Offset{3});
  EXPECT_EQ(partition->high_watermark(), Offset{5});
}

TEST_F(PartitionTest, NothingIsAnsweredOrReadableBeforeItIsDurable) {
  open();
  disk->hold();
  partition->append(now, 1, batch(3), out);
  EXPECT_EQ(answer(1), nullptr);
  EXPECT_EQ(partition->high_watermark(), Offset{0});
  EXPECT_EQ(partition->log_end(), Offset{3});
  const auto read = partition->read(now, 9, Offset{0}, 1'000'000, true, out);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->empty());
}

TEST_F(PartitionTest, RetryOfAnUncommittedBatchWaitsForItsOriginal) {
  open();
  disk->hold();
  partition->append(now, 1, idempotent(0, 2), out);
  partition->append(now, 2, idempotent(2, 1), out);
  partition->append(now, 3, idempotent(0, 2), out);
  EXPECT_EQ(answer(3), nullptr);
  EXPECT_EQ(partition->unsettled(), 3u);
  settle();
  EXPECT_EQ(answer(1)->base_offset, Offset{0});
  EXPECT_EQ(answer(2)->base_offset, Offset{2});
  EXPECT_EQ(answer(3)->base_offset, Offset{0});
  EXPECT_EQ(partition->high_watermark(), Offset{3});
}

// Clients take "stored long ago" for an acknowledgement. A new leader may have it from the old one
// and not know yet whether it is committed.
TEST_F(PartitionTest, RetryOfAnOldUncommittedBatchWaitsUntilItIsCommitted) {
  open();
  disk->hold();
  for (int i = 0; i < 6; ++i) {
    partition->append(now, static_cast<uint64_t>(i), idempotent(i, 1), out);
  }
  partition->append(now, 9, idempotent(0, 1), out);
  EXPECT_EQ(answer(9), nullptr);
  settle();
  EXPECT_EQ(refusal(9), Refusal::kDuplicateSequence);
  EXPECT_EQ(answer(9)->base_offset, Offset{-1});
}

TEST_F(PartitionTest, FailedWritesAreRefusedAndReadsGoOn) {
  open();
  partition->append(now, 1, batch(2), out);
  disk->hold();
  partition->append(now, 2, idempotent(0, 1), out);
  fail_writes();
  EXPECT_EQ(refusal(2), Refusal::kStorage);
  ASSERT_NE(find<StorageFailed>(), nullptr);
  EXPECT_EQ(partition->state(), PartitionState::kReadOnly);
  partition->append(now, 3, batch(1), out);
  EXPECT_EQ(refusal(3), Refusal::kStorage);
  const auto read = partition->read(now, 9, Offset{0}, 1'000'000, true, out);
  EXPECT_EQ(size_of(*read), batch(2).size());
}

TEST_F(PartitionTest, RecoversByItselfAndForgetsWhatWasNotStored) {
  open();
  disk->hold();
  partition->append(now, 1, idempotent(0, 1), out);
  fail_writes();
  now.instant = partition->next_deadline();
  partition->tick(now, out);
  ASSERT_NE(find<StorageRecovered>(), nullptr);
  EXPECT_EQ(partition->state(), PartitionState::kOnline);
  // The retry is not taken for a duplicate of the batch that was lost.
  partition->append(now, 2, idempotent(0, 1), out);
  settle();
  EXPECT_EQ(refusal(2), Refusal::kNone);
  EXPECT_EQ(answer(2)->base_offset, Offset{0});
  EXPECT_EQ(partition->log_end(), Offset{1});
}

// A deadline that has passed and that nothing moves on would spin the node's loop.
TEST_F(PartitionTest, UpkeepWaitsWhileTheDiskRefusesWrites) {
  PartitionConfig config;
  config.compact = true;
  open(config);
  disk->hold();
  disk->heals = false;
  partition->append(now, 1, batch(1), out);
  fail_writes();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(partition->state(), PartitionState::kReadOnly);
    partition->configure(now, config);  // somebody changes the topic meanwhile
    now.instant = now.instant + config.upkeep_interval;
    partition->tick(now, out);
    ASSERT_GT(partition->next_deadline(), now.instant);
  }
}

TEST_F(PartitionTest, RetryOfACommittedBatchGetsTheOriginalOffset) {
  open();
  partition->append(now, 1, batch(4), out);
  partition->append(now, 2, idempotent(0, 2), out);
  partition->append(now, 3, idempotent(0, 2), out);
  EXPECT_EQ(refusal(3), Refusal::kNone);
  EXPECT_EQ(answer(3)->base_offset, Offset{4});
  EXPECT_EQ(partition->log_end(), Offset{6});
}

TEST_F(PartitionTest, SequenceRulesAreEnforced) {
  open();
  partition->append(now, 1, idempotent(5, 1), out);
  EXPECT_EQ(refusal(1), Refusal::kUnknownProducer);
  partition->append(now, 2, idempotent(0, 1, 1), out);
  EXPECT_EQ(refusal(2), Refusal::kNone);
  partition->append(now, 3, idempotent(2, 1, 1), out);
  EXPECT_EQ(refusal(3), Refusal::kOutOfOrderSequence);
  partition->append(now, 4, idempotent(0, 1, 0), out);
  EXPECT_EQ(refusal(4), Refusal::kProducerFenced);
}

TEST_F(PartitionTest, RetriesAreKnownAfterARestart) {
  open();
  partition->append(now, 1, idempotent(0, 2), out);
  partition->append(now, 2, idempotent(2, 1), out);
  partition->close(now, out);
  ASSERT_NE(find<Closed>(), nullptr);
  open({}, LeaderEpoch{2});
  partition->append(now, 3, idempotent(2, 1), out);
  EXPECT_EQ(refusal(3), Refusal::kNone);
  EXPECT_EQ(answer(3)->base_offset, Offset{2});
  EXPECT_EQ(partition->high_watermark(), Offset{3});
}

TEST_F(PartitionTest, EpochsOfARestartAreRemembered) {
  open();
  partition->append(now, 1, batch(2), out);
  partition->close(now, out);
  open({}, LeaderEpoch{4});
  partition->append(now, 2, batch(1), out);
  EXPECT_EQ(partition->epoch_end(LeaderEpoch{1}).end, Offset{2});
  EXPECT_EQ(partition->epoch_end(LeaderEpoch{4}).end, Offset{3});
  EXPECT_EQ(partition->epochs().epoch_of(Offset{1}), LeaderEpoch{1});
}

TEST_F(PartitionTest, DamagedAndForeignBatchesAreRefused) {
  PartitionConfig config;
  config.max_message_bytes = 200;
  open(config);
  Buffer damaged = batch(1);
  damaged.mutable_bytes().back() ^= std::byte{1};
  partition->append(now, 1, damaged, out);
  EXPECT_EQ(refusal(1), Refusal::kCorrupt);
  partition->append(now, 2, batch(50), out);
  EXPECT_EQ(refusal(2), Refusal::kTooLarge);
  Buffer old_format = batch(1);
  old_format.mutable_bytes()[16] = std::byte{1};
  partition->append(now, 3, old_format, out);
  EXPECT_EQ(refusal(3), Refusal::kUnsupportedFormat);
  partition->append(now, 4, Buffer(), out);
  EXPECT_EQ(refusal(4), Refusal::kInvalidRecord);
  EXPECT_EQ(partition->log_end(), Offset{0});
}

TEST_F(PartitionTest, CompactedTopicsNameTheRecordsWithoutKey) {
  PartitionConfig config;
  config.compact = true;
  open(config);
  record::BatchBuilder builder;
  builder.add({.timestamp = 1, .key = "a", .value = "v"});
  builder.add({.timestamp = 1, .key = std::nullopt, .value = "v"});
  partition->append(now, 1, builder.build(), out);
  EXPECT_EQ(refusal(1), Refusal::kInvalidRecord);
  EXPECT_EQ(answer(1)->record_indexes, std::vector<int32_t>{1});
  partition->append(now, 2, batch(2), out);
  EXPECT_EQ(refusal(2), Refusal::kNone);
}

TEST_F(PartitionTest, LogAppendTimeReplacesTheClientsTime) {
  PartitionConfig config;
  config.log_append_time = true;
  open(config);
  partition->append(now, 1, batch(1), out);
  EXPECT_EQ(answer(1)->log_append_time, now.wall.millis);
  const auto read = partition->read(now, 9, Offset{0}, 1'000'000, true, out);
  const record::BatchHeader header = record::parse_header(read->front().bytes());
  EXPECT_TRUE(header.uses_log_append_time());
  EXPECT_EQ(header.max_timestamp, now.wall.millis);
  EXPECT_TRUE(record::checksum_matches(read->front().bytes()));
}

TEST_F(PartitionTest, TimestampsFarInTheFutureAreRefused) {
  PartitionConfig config;
  config.timestamp_future_max = Duration::milliseconds(10);
  open(config);
  record::BatchBuilder builder;
  builder.add({.timestamp = now.wall.millis + 11, .key = "k"});
  partition->append(now, 1, builder.build(), out);
  EXPECT_EQ(refusal(1), Refusal::kInvalidTimestamp);
}

TEST_F(PartitionTest, DeletedRecordsMoveTheStartOnly) {
  open();
  partition->append(now, 1, batch(3), out);
  partition->append(now, 2, batch(3), out);
  partition->trim(now, Offset{4}, out);
  ASSERT_NE(find<Trimmed>(), nullptr);
  EXPECT_EQ(find<Trimmed>()->asked, Offset{4});
  EXPECT_EQ(partition->log_start(), Offset{4});
  EXPECT_EQ(partition->high_watermark(), Offset{6});
}

TEST_F(PartitionTest, OnePartitionOfANodeCompactsAtATime) {
  PartitionConfig config;
  config.compact = true;
  open(config);
  slot.taken = true;
  now.instant = partition->next_deadline();
  partition->tick(now, out);
  EXPECT_TRUE(slot.taken);
  EXPECT_GT(partition->next_deadline(), now.instant);
  slot.taken = false;
  now.instant = partition->next_deadline();
  partition->tick(now, out);  // the twin compacts at once
  EXPECT_FALSE(slot.taken);
}

TEST_F(PartitionTest, ACompactionOutlivesAFailedWrite) {
  PartitionConfig config;
  config.compact = true;
  open(config);
  disk->slow_compaction = true;
  while (!disk->compacting) {
    now.instant = partition->next_deadline();
    partition->tick(now, out);
  }
  disk->hold();
  partition->append(now, 1, batch(1), out);
  fail_writes();
  for (int i = 0; i < 5; ++i) {
    now.instant = partition->next_deadline();
    partition->tick(now, out);
  }
  EXPECT_EQ(partition->state(), PartitionState::kOnline);
  EXPECT_TRUE(slot.taken);
}

TEST_F(PartitionTest, AbandonedPartitionAnswersWhoeverWaits) {
  open();
  disk->hold();
  partition->append(now, 1, batch(1), out);
  partition->abandon(out);
  EXPECT_EQ(refusal(1), Refusal::kNotOpen);
  partition->append(now, 2, batch(1), out);
  EXPECT_EQ(refusal(2), Refusal::kNotOpen);
}

}  // namespace
}  // namespace magpie::partition
