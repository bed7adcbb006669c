#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "record/builder.h"
#include "salvage/classify.h"
#include "salvage/tail_export.h"

namespace magpie::salvage {
namespace {

Tail some_tail() {
  Tail tail;
  tail.topic = "orders";
  tail.topic_id = {1, 2};
  tail.partition = {3};
  tail.group = "critical";
  tail.epoch = LeaderEpoch{6};
  tail.cut_in = LeaderEpoch{7};
  tail.from = Offset{100};
  tail.to = Offset{110};
  tail.cut_at = 1'700'000'000'000;
  return tail;
}

// --- what is said of a tail ----------------------------------------------------------------------

TEST(Tail, ItsDescriptionComesBack) {
  const Tail tail = some_tail();
  const std::string text = encode_about(tail);
  EXPECT_EQ(
      text,
      R"({"format":1,"topic":"orders","topic_id":")" + to_string(tail.topic_id) +
          R"(","partition":3,"failover_group":"critical","epoch":6,"cut_in_epoch":7,)"
          R"("from":100,"to":110,"batches":0,"records":0,"bytes":0,"cut_at_ms":1700000000000})"
          "\n");
  EXPECT_EQ(decode_about("p", text), tail);
}

TEST(Tail, WhatIsMalformedOrNewerIsRefused) {
  const std::string text = encode_about(some_tail());
  for (size_t length = 0; length + 2 < text.size(); ++length) {
    EXPECT_FALSE(decode_about("p", text.substr(0, length)));
  }
  std::string newer = text;
  newer.replace(newer.find("\"format\":1"), 10, "\"format\":2");
  EXPECT_EQ(decode_about("p", newer).error().kind, ErrorKind::kUnsupported);
}

TEST(Tail, NoTwoHaveTheSameFolder) {
  EXPECT_EQ(folder_of(some_tail()),
            "salvage/orders-3-" + to_string(some_tail().topic_id) + "-epoch6-cut7-from100");
  std::vector<Tail> tails(7, some_tail());
  tails[1].topic_id = {1, 3};  // deleted, and created again with the same name
  tails[2].partition = {4};
  tails[3].epoch = LeaderEpoch{5};
  tails[4].cut_in = LeaderEpoch{8};
  tails[5].from = Offset{99};
  tails[6].topic = "payments";
  std::set<std::string> folders;
  for (const Tail& tail : tails) folders.insert(folder_of(tail));
  EXPECT_EQ(folders.size(), tails.size());
}

TEST(Tail, ItsFolderCanBeMadeHoweverLongTheTopicsName) {
  Tail tail = some_tail();
  tail.topic = std::string(249, 't');
  tail.partition = {INT32_MAX};
  tail.epoch = tail.cut_in = LeaderEpoch{INT32_MAX};
  tail.from = Offset{INT64_MAX};
  EXPECT_LE(folder_of(tail).size(), std::string("salvage/").size() + 255);
}

// --- keeping it ----------------------------------------------------------------------------------

class ExportTest : public testing::Test {
 protected:
  ExportTest() {
    renew();
    for (int64_t offset = 90; offset < 120; offset += 2) {
      record::BatchBuilder builder;
      builder.add({.timestamp = 1, .key = "k", .value = "v"});
      builder.add({.timestamp = 1, .key = "k", .value = "v"});
      Buffer batch = builder.build();
      record::stamp(batch.mutable_bytes(), Offset{offset}, LeaderEpoch{6});
      log[Offset{offset}] = batch;
    }
  }

  void renew() {
    const auto name = [](uint64_t id, std::string_view file) {
      return std::make_shared<const port::FileName>(
          port::FileName{{id}, folder_of(some_tail()) + "/" + std::string(file)});
    };
    tail_export =
        std::make_unique<TailExport>(some_tail(), name(1, kRecordsName), name(2, kAboutName), 5, 6);
    carried_out = 0;
  }

  // Carries out what is asked until nothing is; fails the effect with number `broken`.
  void run(int broken = -1) {
    tail_export->start(effects);
    while (!effects.empty() || tail_export->wants()) {
      if (const auto from = tail_export->wants()) {
        BufferChain some;
        for (auto each = log.lower_bound(*from); each != log.end() && some.size() < 2; ++each) {
          some.push_back(each->second);
        }
        tail_export->take(some, effects);
        continue;
      }
      const port::Effect effect = effects.list().front();
      effects.clear();
      port::DiskDone done;
      if (++carried_out == broken) done.status = fail(ErrorKind::kNoSpace, "full");
      if (done.status) apply(effect);
      tail_export->step(done, effects);
    }
  }
  void apply(const port::Effect& effect) {
    if (const auto* remove = std::get_if<port::RemoveFile>(&effect)) {
      (remove->file->path.ends_with(kAboutName) ? about : records).clear();
      EXPECT_EQ(about, "") << "what is described was removed";
    } else if (const auto* write = std::get_if<port::WriteFile>(&effect)) {
      EXPECT_EQ(records.size(), write->position);
      records += flatten(write->bytes).text();
      synced = false;
    } else if (std::holds_alternative<port::SyncFile>(effect)) {
      synced = true;
    } else if (const auto* replace = std::get_if<port::ReplaceFile>(&effect)) {
      EXPECT_TRUE(synced) << "described before it was kept";
      about = flatten(replace->bytes).text();
    }
  }

  std::unique_ptr<TailExport> tail_export;
  std::map<Offset, Buffer> log;
  port::Effects effects;
  std::string records;
  std::string about;
  bool synced = false;
  int carried_out = 0;
};

TEST_F(ExportTest, ExactlyTheTailIsKeptAndThenDescribed) {
  run();
  EXPECT_TRUE(tail_export->done());
  std::string expected;
  for (int64_t offset = 100; offset < 110; offset += 2) expected += log[Offset{offset}].text();
  EXPECT_EQ(records, expected);
  const auto described = decode_about("p", about);
  ASSERT_TRUE(described);
  EXPECT_EQ(described->batches, 5);
  EXPECT_EQ(described->records, 10);
  EXPECT_EQ(described->bytes, expected.size());
}

TEST_F(ExportTest, AnyFailureLeavesItUndone) {
  run();
  const int effects_in_all = carried_out;
  for (int broken = 1; broken <= effects_in_all; ++broken) {
    renew();
    records = about = "";
    run(broken);
    EXPECT_FALSE(tail_export->done());
    EXPECT_TRUE(tail_export->error());
    EXPECT_EQ(about, "");
  }
}

// The process ended after the tail was kept and before it was cut.
TEST_F(ExportTest, ATailThatIsKeptAgainIsNeverDescribedWithoutItsRecords) {
  run();
  const std::string kept = records;
  renew();
  run();
  EXPECT_TRUE(tail_export->done());
  EXPECT_EQ(records, kept);
  EXPECT_NE(about, "");
}

// --- what became of its records ------------------------------------------------------------------

record::BatchHeader batch(int64_t producer, int32_t sequence, int32_t records) {
  record::BatchHeader header;
  header.producer_id = ProducerId{producer};
  header.producer_epoch = ProducerEpoch{0};
  header.base_sequence = sequence;
  header.last_offset_delta = records - 1;
  header.record_count = records;
  return header;
}

TEST(Classify, PresentAbsentOrNobodyCanTell) {
  Survivors survivors;
  survivors.add(batch(1, 0, 5));
  survivors.add(batch(1, 5, 5));
  EXPECT_EQ(survivors.fate_of(batch(1, 3, 4)), Fate::kPresent) << "split differently";
  EXPECT_EQ(survivors.fate_of(batch(1, 8, 4)), Fate::kAbsent) << "only in part";
  EXPECT_EQ(survivors.fate_of(batch(2, 0, 1)), Fate::kAbsent);
  EXPECT_EQ(survivors.fate_of(batch(-1, -1, 1)), Fate::kUnidentifiable);
}

TEST(Classify, SequenceNumbersWrap) {
  Survivors survivors;
  survivors.add(batch(1, INT32_MAX - 1, 4));
  EXPECT_EQ(survivors.fate_of(batch(1, INT32_MAX, 2)), Fate::kPresent);
  EXPECT_EQ(survivors.fate_of(batch(1, 0, 2)), Fate::kPresent);
  EXPECT_EQ(survivors.fate_of(batch(1, 1, 2)), Fate::kAbsent);
}

TEST(Classify, AgreesWithASetOfSingleNumbers) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Survivors survivors;
    std::set<int64_t> twin;
    for (int i = 0; i < 30; ++i) {
      const auto first = static_cast<int32_t>(random.below(60));
      const auto count = static_cast<int32_t>(random.between(1, 6));
      if (random.chance(1, 2)) {
        survivors.add(batch(1, first, count));
        for (int32_t j = 0; j < count; ++j) twin.insert(first + j);
      }
      bool all = true;
      for (int32_t j = 0; j < count; ++j) all = all && twin.contains(first + j);
      ASSERT_EQ(survivors.fate_of(batch(1, first, count)), all ? Fate::kPresent : Fate::kAbsent);
    }
  }
}

}  // namespace
}  // namespace magpie::salvage
