// The tests of the suite in engine_conformance.h; include once in the test that instantiates it.
#pragma once

#include <algorithm>
#include <map>

#include "engine/engine_conformance.h"

namespace magpie::engine {

// --- opening -----------------------------------------------------------------------------------

TEST_P(EngineConformance, StartsEmpty) {
  EXPECT_EQ(engine().start(), Offset{0});
  EXPECT_EQ(engine().end(), Offset{0});
  EXPECT_EQ(engine().size_bytes(), 0u);
  EXPECT_EQ(engine().max_timestamp(), -1);
  EXPECT_TRUE(read({0}, {0}).empty());
}

TEST_P(EngineConformance, CreatingOverAnExistingLogIsRefused) {
  append({{}});
  harness_->crash();
  harness_->boot();
  open(OpenMode::kCreate);
  EXPECT_TRUE(harness_->take<OpenFailed>());
  EXPECT_FALSE(harness_->take<Opened>());
}

TEST_P(EngineConformance, AbsentLogIsNeverAnEmptyOne) {
  const auto other = GetParam()();
  other->boot();
  Output out = other->out();
  other->engine().open(other->now, OpenMode::kExisting, out);
  other->settle();
  const auto failed = other->take<OpenFailed>();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->error.kind, ErrorKind::kNotFound);
}

TEST_P(EngineConformance, AnEmptyLogSurvivesACrash) {
  const Opened opened = restart(false);
  EXPECT_EQ(opened.start, Offset{0});
  EXPECT_EQ(opened.end, Offset{0});
}

// --- append and read ---------------------------------------------------------------------------

TEST_P(EngineConformance, BatchesComeBackByteForByte) {
  fill(10'000);
  EXPECT_EQ(read_all({0}, engine().end()), appended_);
  for (const bool orderly : {true, false}) {
    restart(orderly);
    EXPECT_EQ(read_all({0}, engine().end()), appended_);
  }
}

TEST_P(EngineConformance, DurableRisesToTheEnd) {
  for (int i = 0; i < 5; ++i) append_batch(build({{}, {}}));
  harness_->settle();
  Offset durable{0};
  while (const auto event = harness_->take<Durable>()) {
    EXPECT_GT(event->end, durable);
    durable = event->end;
  }
  EXPECT_EQ(durable, Offset{10});
  EXPECT_EQ(engine().end(), Offset{10});
}

TEST_P(EngineConformance, AnOffsetInsideABatchReturnsTheWholeBatch) {
  fill(9'000, 4);
  for (const bool restarted : {false, true}) {
    if (restarted) restart(true);
    for (size_t i = 0; i < appended_.size(); i += 5) {
      for (int inside = 0; inside < 4; ++inside) {
        const Offset from{static_cast<int64_t>(i) * 4 + inside};
        const BufferChain chain = read(from, engine().end(), 1, true);
        ASSERT_EQ(chain.size(), 1u) << from.value;
        EXPECT_EQ(chain[0], appended_[i]);
      }
    }
  }
}

TEST_P(EngineConformance, ReadsStopAtTheLimit) {
  for (int i = 0; i < 3; ++i) append({{}, {}});
  for (const bool restarted : {false, true}) {
    if (restarted) restart(true);
    EXPECT_EQ(read({0}, {6}).size(), 3u);
    EXPECT_EQ(read({0}, {5}).size(), 2u);  // the third batch does not lie wholly below 5
    EXPECT_EQ(read({0}, {2}).size(), 1u);
    EXPECT_TRUE(read({0}, {1}, 1'000, true).empty());
    EXPECT_TRUE(read({4}, {4}).empty());
    EXPECT_TRUE(read({6}, {6}).empty());
  }
}

TEST_P(EngineConformance, ReadsStopAtTheirSizeButReturnOneIfAsked) {
  const size_t size = build({{}, {}}).size();
  for (int i = 0; i < 4; ++i) append({{}, {}});
  for (const bool restarted : {false, true}) {
    if (restarted) restart(true);
    EXPECT_EQ(read({0}, {8}, size * 2).size(), 2u);
    EXPECT_EQ(read({0}, {8}, size * 3 - 1).size(), 2u);
    EXPECT_TRUE(read({0}, {8}, size - 1, false).empty());
    EXPECT_EQ(read({0}, {8}, size - 1, true).size(), 1u);
    EXPECT_EQ(read({0}, {8}, 0, true).size(), 1u);
  }
}

TEST_P(EngineConformance, ABatchLargerThanASegmentIsStored) {
  append({{}});
  append({{.key = std::nullopt, .value = std::string(20'000, 'L')}});
  append({{}});
  restart(true);
  EXPECT_EQ(read({1}, {2}, 10, true), BufferChain{appended_[1]});
  EXPECT_EQ(read_all({0}, {3}), appended_);
}

TEST_P(EngineConformance, OffsetsMayJumpWhereANewEpochBegins) {
  fill(9'000);
  const Offset before = engine().end();
  const Offset after = before + 1'000'000;
  const size_t jump = appended_.size();
  for (int i = 0; i < 100; ++i) {
    append_batch_at(i == 0 ? after : engine().end(), {4}, build({{}, {}}));
    harness_->settle();
  }
  for (const bool orderly : {true, false}) {
    EXPECT_EQ(read_all({0}, engine().end()), appended_);
    EXPECT_EQ(read(before, engine().end(), 1, true).front(), appended_[jump]);
    EXPECT_EQ(restart(orderly).end, after + 200);
  }
}

// Further than offsets within one segment can be counted; also over an empty segment, to the very
// last offset that fits, and one beyond.
TEST_P(EngineConformance, OffsetsMayJumpAnyDistance) {
  for (const int64_t distance : {int64_t{INT32_MAX} - 1, int64_t{INT32_MAX}, int64_t{1} << 40}) {
    for (const int64_t records : {0, 3}) {
      harness_ = GetParam()();
      appended_.clear();
      harness_->boot();
      open(OpenMode::kCreate);
      if (records > 0) append({{}, {}, {}});
      const Offset before = engine().end();
      append_batch_at(Offset{distance}, {4}, build({{}}));
      harness_->settle();
      append_batch_at(engine().end(), {4}, build({{}, {}}));
      harness_->settle();
      for (const bool orderly : {false, true}) {
        EXPECT_EQ(read_all({0}, engine().end()), appended_);
        EXPECT_EQ(read(before, engine().end(), 1, true).front(), appended_[records > 0 ? 1 : 0]);
        EXPECT_EQ(restart(orderly).end, Offset{distance + 3});
      }
      EXPECT_EQ(read_all({0}, engine().end()), appended_);
    }
  }
}

TEST_P(EngineConformance, SizeAndLargestTimestampAreKept) {
  append({{.timestamp = 5'000}, {.timestamp = 9'000}});
  append({{.timestamp = 7'000}});
  const size_t size = size_of(appended_);
  EXPECT_EQ(engine().size_bytes(), size);
  EXPECT_EQ(engine().max_timestamp(), 9'000);
  restart(true);
  EXPECT_EQ(engine().size_bytes(), size);
  EXPECT_EQ(engine().max_timestamp(), 9'000);
}

// --- replay ------------------------------------------------------------------------------------

TEST_P(EngineConformance, ReplayBringsTheCheckpointAndAllHeadersAfterIt) {
  fill(6'000);
  const Offset at = engine().end();
  save_checkpoint(at, "state of the partition");
  const size_t covered = appended_.size();
  fill(6'000);
  for (const bool orderly : {true, false}) {
    if (orderly) {
      Output out = harness_->out();
      engine().close(now(), out);
      harness_->settle();
    } else {
      harness_->crash();
    }
    harness_->events.clear();
    harness_->boot();
    open(OpenMode::kExisting);
    const auto began = harness_->take<ReplayBegan>();
    ASSERT_TRUE(began);
    EXPECT_EQ(began->at, at);
    EXPECT_EQ(began->checkpoint.text(), "state of the partition");
    size_t next = covered;
    while (const auto replayed = harness_->take<Replayed>()) {
      for (const record::BatchHeader& header : replayed->headers) {
        ASSERT_LT(next, appended_.size());
        EXPECT_EQ(header, record::parse_header(appended_[next++].bytes()));
      }
    }
    EXPECT_EQ(next, appended_.size());
    EXPECT_TRUE(harness_->take<Opened>());
  }
}

TEST_P(EngineConformance, WithoutACheckpointEverythingIsReplayed) {
  fill(6'000);
  harness_->crash();
  harness_->events.clear();
  harness_->boot();
  open(OpenMode::kExisting);
  const auto began = harness_->take<ReplayBegan>();
  ASSERT_TRUE(began);
  EXPECT_EQ(began->at, Offset{0});
  EXPECT_TRUE(began->checkpoint.empty());
  size_t headers = 0;
  while (const auto replayed = harness_->take<Replayed>()) headers += replayed->headers.size();
  EXPECT_EQ(headers, appended_.size());
}

// --- trim, cut, retention ----------------------------------------------------------------------

TEST_P(EngineConformance, TrimMovesTheStartForGood) {
  fill(12'000);
  const Offset end = engine().end();
  save_checkpoint(end, "s");
  const uint64_t size = engine().size_bytes();
  trim({end.value / 2 + 1});  // inside a batch
  EXPECT_EQ(engine().start().value, end.value / 2 + 1);
  EXPECT_EQ(engine().end(), end);
  EXPECT_LT(engine().size_bytes(), size);
  for (const bool orderly : {false, true}) {
    const Opened opened = restart(orderly);
    EXPECT_EQ(opened.start.value, end.value / 2 + 1);
    EXPECT_EQ(opened.end, end);
    const BufferChain rest = read_all(opened.start, end);
    ASSERT_FALSE(rest.empty());
    EXPECT_TRUE(std::equal(rest.rbegin(), rest.rend(), appended_.rbegin()));
    EXPECT_GT(record::parse_header(rest[0].bytes()).next_offset(), opened.start);
  }
}

TEST_P(EngineConformance, TrimToTheEndLeavesAnEmptyLogThatGoesOn) {
  fill(3'000);
  const Offset end = engine().end();
  save_checkpoint(end, "s");
  trim(end);
  EXPECT_TRUE(read(end, end).empty());
  append({{}});
  const Opened opened = restart(false);
  EXPECT_EQ(opened.start, end);
  EXPECT_EQ(opened.end, end + 1);
  EXPECT_EQ(read_all(end, end + 1), BufferChain{appended_.back()});
}

TEST_P(EngineConformance, CutRemovesTheTailForGood) {
  fill(12'000);
  const Offset middle = record::parse_header(appended_[appended_.size() / 2].bytes()).base_offset;
  cut(middle);
  EXPECT_EQ(engine().end(), middle);
  EXPECT_EQ(read_all({0}, middle), appended_);
  EXPECT_EQ(restart(false).end, middle);
  append({{.key = "after"}});
  EXPECT_EQ(restart(false).end, middle + 1);
  EXPECT_EQ(read_all({0}, engine().end()), appended_);
}

TEST_P(EngineConformance, CutToTheStartLeavesNothing) {
  fill(6'000);
  cut({0});
  EXPECT_EQ(engine().size_bytes(), 0u);
  append({{}});
  restart(false);
  EXPECT_EQ(read_all({0}, engine().end()), appended_);
}

TEST_P(EngineConformance, CutForgetsACheckpointBeyondIt) {
  append({{}, {}});
  save_checkpoint({2}, "early");
  append({{}});
  harness_->events.clear();
  cut({2});
  EXPECT_EQ(harness_->take<ReplayBegan>()->checkpoint.text(), "early");
  append({{}});
  save_checkpoint({3}, "late");
  harness_->events.clear();
  cut({2});
  EXPECT_TRUE(harness_->take<ReplayBegan>()->checkpoint.empty());
  EXPECT_EQ(harness_->take<Replayed>()->headers.size(), 1u);
}

TEST_P(EngineConformance, ALogBegunAnewIsEmptyAndGoesOnWhereItWasTold) {
  // Above what there was, inside it, at its first offset, and where it stands already.
  for (const int64_t at : {100'000, 40, 0, 1}) {
    fill(12'000);
    save_checkpoint(engine().end(), "of the old log");
    fill(1'000);
    begin_anew({at});
    begin_anew({at});
    for (const bool orderly : {false, true}) {
      EXPECT_EQ(engine().start(), Offset{at});
      EXPECT_EQ(engine().end(), Offset{at});
      EXPECT_EQ(engine().size_bytes(), 0u);
      EXPECT_EQ(engine().max_timestamp(), -1);
      EXPECT_TRUE(read({at}, {at}).empty());
      const Opened opened = restart(orderly);
      EXPECT_EQ(opened.start, Offset{at});
      EXPECT_EQ(opened.end, Offset{at});
    }
    fill(12'000);
    restart(false);
    EXPECT_EQ(read_all({at}, engine().end()), appended_);
  }
}

TEST_P(EngineConformance, ANewLogCanBeBegunAnewToo) {
  begin_anew({500});
  append({{.key = "k", .value = "first"}});
  EXPECT_EQ(restart(false).start, Offset{500});
  EXPECT_EQ(records({500}, engine().end()), std::vector<std::string>{"500:k=first"});
}

TEST_P(EngineConformance, RetentionCountsFromTheOldEnd) {
  fill(20'000);
  const Offset end = engine().end();
  EXPECT_EQ(engine().retained_start(now(), {}, end), Offset{0});
  const Offset by_size = engine().retained_start(now(), {.max_bytes = 9'000, .max_age = {}}, end);
  EXPECT_GT(by_size, Offset{0});
  EXPECT_LT(by_size, end);
  trim(by_size);
  save_checkpoint(end, "s");
  EXPECT_GE(engine().size_bytes(), 9'000u);
  EXPECT_LE(engine().size_bytes(), 9'000u + 4'096u);
  // Nothing beyond the limit, however old.
  const Retention nothing{.max_bytes = {}, .max_age = Duration::milliseconds(1)};
  EXPECT_LE(engine().retained_start(now(), nothing, by_size), by_size);
  EXPECT_EQ(engine().retained_start(now(), nothing, end), end);
}

TEST_P(EngineConformance, RetentionByAgeKeepsWhatIsYoung) {
  now().wall.millis = 100'000;
  for (int i = 0; i < 200; ++i) append({{.timestamp = 1'000 + i * 100}});
  const Retention week{.max_bytes = {}, .max_age = Duration::milliseconds(90'000)};
  const Offset start = engine().retained_start(now(), week, engine().end());
  // Records up to timestamp 9 999 are too old; whole segments go.
  EXPECT_GT(start, Offset{0});
  EXPECT_LE(start, Offset{90});
}

// --- search by time ----------------------------------------------------------------------------

TEST_P(EngineConformance, FindsTheFirstRecordAtOrAfterATime) {
  for (int i = 0; i < 60; ++i) {
    const int64_t time = 1'000 + 100 * i;
    append({{.timestamp = time}, {.timestamp = time + 30}, {.timestamp = time + 10}},
           static_cast<record::Codec>(i % 5));
  }
  const Offset end = engine().end();
  for (const bool restarted : {false, true}) {
    if (restarted) restart(true);
    for (const int64_t wanted : {0, 1'000, 1'001, 1'030, 1'031, 4'015, 6'900, 6'930}) {
      const TimestampFound found = find_timestamp(wanted, end);
      ASSERT_TRUE(found.offset) << wanted;
      int64_t expected = -1;
      for (int i = 0; i < 180 && expected < 0; ++i) {
        const int64_t time = 1'000 + 100 * (i / 3) + (i % 3 == 1 ? 30 : i % 3 == 2 ? 10 : 0);
        if (time >= wanted) expected = i;
      }
      EXPECT_EQ(found.offset->value, expected) << wanted;
    }
    EXPECT_FALSE(find_timestamp(6'931, end).offset);
    EXPECT_FALSE(find_timestamp(4'000, {50}).offset);
  }
}

TEST_P(EngineConformance, FindsTheFirstOfTheLargestTimestamps) {
  append({{.timestamp = 5'000}, {.timestamp = 9'000}});
  append({{.timestamp = 9'000}});
  append({{.timestamp = 9'500}});
  EXPECT_EQ(find_max_timestamp({4}).offset, Offset{3});
  EXPECT_EQ(find_max_timestamp({3}).offset, Offset{1});
  EXPECT_EQ(find_max_timestamp({3}).timestamp, 9'000);
  EXPECT_FALSE(find_max_timestamp({0}).offset);
  restart(true);
  EXPECT_EQ(find_max_timestamp({4}).offset, Offset{3});
  EXPECT_EQ(find_max_timestamp({3}).offset, Offset{1});
}

TEST_P(EngineConformance, SearchesStayAboveTheStart) {
  for (int i = 0; i < 4; ++i) append({{.timestamp = 4'000 - i}, {.timestamp = 2'000}});
  trim({3});
  EXPECT_EQ(find_timestamp(2'000, {8}).offset, Offset{3});
  EXPECT_EQ(find_max_timestamp({8}).offset, Offset{4});
}

// --- compaction --------------------------------------------------------------------------------

TEST_P(EngineConformance, CompactionKeepsTheLastValueOfEveryKey) {
  std::map<std::string, std::string> last;
  for (int i = 0; i < 400; ++i) {
    const std::string key = "k" + std::to_string(i * 7 % 23);
    const std::string value = std::to_string(i) + std::string(30, 'v');
    last[key] = value;
    append({{.key = key, .value = value}}, static_cast<record::Codec>(i % 5));
  }
  const Offset end = engine().end();
  const std::vector<std::string> before = records({0}, end);
  compact(end, Duration::seconds(60));
  for (const bool restarted : {false, true}) {
    if (restarted) restart(false);
    EXPECT_EQ(engine().end(), end);
    const std::vector<std::string> after = records({0}, end);
    EXPECT_LT(after.size(), before.size() / 2);
    // What is left was there before, in the same order.
    EXPECT_TRUE(std::includes(
        before.begin(), before.end(), after.begin(), after.end(),
        [](const std::string& a, const std::string& b) { return std::stoll(a) < std::stoll(b); }));
    std::map<std::string, std::string> seen;
    for (const std::string& record : after) {
      const size_t colon = record.find(':');
      const size_t equals = record.find('=');
      seen[record.substr(colon + 1, equals - colon - 1)] = record.substr(equals + 1);
    }
    EXPECT_EQ(seen, last);
  }
}

TEST_P(EngineConformance, TombstonesStayUntilTheirTimeHasPassed) {
  append({{.key = "gone", .value = "old"}});
  append({{.key = "gone", .value = std::nullopt}});
  fill(9'000);
  const auto has_tombstone = [&] {
    const auto found = records({0}, engine().end());
    EXPECT_EQ(std::count(found.begin(), found.end(), "0:gone=old"), 0);
    return std::count(found.begin(), found.end(), "1:gone=-") == 1;
  };
  compact(engine().end(), Duration::seconds(60));
  EXPECT_TRUE(has_tombstone());
  now().wall.millis += 59'000;
  fill(5'000);
  compact(engine().end(), Duration::seconds(60));
  EXPECT_TRUE(has_tombstone());
  now().wall.millis += 2'000;
  fill(5'000);
  compact(engine().end(), Duration::seconds(60));
  EXPECT_FALSE(has_tombstone());
}

TEST_P(EngineConformance, TombstonesStayWhileTheyAreToldTo) {
  harness_->config.min_dirty_percent = 0;
  engine().configure(harness_->config);
  append({{.key = "gone", .value = "old"}});
  append({{.key = "gone", .value = std::nullopt}});
  fill(9'000);
  for (int pass = 0; pass < 3; ++pass) {
    compact(engine().end(), Duration::max());
    now().wall.millis += 1'000'000'000;
    fill(9'000);
  }
  const auto has_tombstone = [&] {
    const auto found = records({0}, engine().end());
    return std::count(found.begin(), found.end(), "1:gone=-") == 1;
  };
  // Its time begins with the first pass that may take it.
  compact(engine().end(), Duration::seconds(60));
  EXPECT_TRUE(has_tombstone());
  now().wall.millis += 61'000;
  fill(9'000);
  compact(engine().end(), Duration::seconds(60));
  EXPECT_FALSE(has_tombstone());
}

TEST_P(EngineConformance, CompactionLeavesRecordsAtTheLimitAndWithoutKeyAlone) {
  append({{.key = std::nullopt, .value = "a"}, {.key = "k", .value = "1"}});
  append({{.key = std::nullopt, .value = "b"}, {.key = "k", .value = "2"}});
  append({{.key = "k", .value = "3"}});
  fill(9'000);
  compact({4}, Duration::seconds(1));
  const auto found = records({0}, {5});
  EXPECT_EQ(std::count(found.begin(), found.end(), "0:-=a"), 1);
  EXPECT_EQ(std::count(found.begin(), found.end(), "2:-=b"), 1);
  EXPECT_EQ(std::count(found.begin(), found.end(), "3:k=2"), 1);
  EXPECT_EQ(std::count(found.begin(), found.end(), "4:k=3"), 1);
}

// A copy of a log that was compacted once, and whose topic no longer is.
TEST_P(EngineConformance, GapsOnceExpectedAreNeverTakenForDamage) {
  EXPECT_FALSE(engine().expects_gaps());
  Output out = harness_->out();
  engine().expect_gaps(now(), out);
  harness_->settle();
  EXPECT_TRUE(engine().expects_gaps());
  for (int i = 0; i < 40; ++i) {
    append_batch_at(engine().end() + i % 3, {3}, build({{}, {}}));
    harness_->settle();
  }
  const Offset end = engine().end();
  for (const bool orderly : {false, true, false}) {
    EXPECT_EQ(restart(orderly).end, end);
    EXPECT_TRUE(engine().expects_gaps());
    EXPECT_EQ(read_all({0}, end), appended_);
  }
}

// An epoch may begin where compaction has taken the records before it.
TEST_P(EngineConformance, ACutMayEndInAGap) {
  Output out = harness_->out();
  engine().expect_gaps(now(), out);
  harness_->settle();
  for (int i = 0; i < 30; ++i) {
    append_batch_at(engine().end() + 10, {3}, build({{}, {}}));
    harness_->settle();
  }
  for (const size_t kept : {20u, 7u, 1u}) {
    const Offset end = record::parse_header(appended_[kept].bytes()).base_offset;
    cut(end);
    EXPECT_EQ(read_all({0}, end), appended_);
    EXPECT_EQ(restart(false).end, end);
    append_batch_at(end, {3}, build({{}}));
    harness_->settle();
    for (const bool orderly : {true, false}) {
      EXPECT_EQ(restart(orderly).end, end + 1);
      EXPECT_EQ(read_all({0}, end + 1), appended_);
    }
  }
}

TEST_P(EngineConformance, ALogThatIsCompactedExpectsGaps) {
  harness_->config.may_have_gaps = true;
  restart(true);
  harness_->config.may_have_gaps = false;
  engine().configure(harness_->config);
  EXPECT_TRUE(engine().expects_gaps());
  append_batch_at(engine().end() + 5, {3}, build({{}}));
  harness_->settle();
  EXPECT_EQ(restart(false).end, engine().end());
  EXPECT_EQ(read_all({0}, engine().end()), appended_);
}

TEST_P(EngineConformance, ReadsStepOverTheGapsOfCompaction) {
  for (int i = 0; i < 300; ++i) append({{.key = "same", .value = std::to_string(i)}});
  compact(engine().end(), Duration::seconds(1));
  const Offset end = engine().end();
  for (int64_t from = 0; from < end.value; from += 13) {
    const BufferChain chain = read({from}, end, 1, true);
    ASSERT_EQ(chain.size(), 1u) << from;
    EXPECT_GT(record::parse_header(chain[0].bytes()).next_offset(), Offset{from});
  }
}

}  // namespace magpie::engine
