#include "log/segment_log.h"

#include <gtest/gtest.h>

#include "engine/engine_conformance_tests.h"
#include "log/log_harness.h"

namespace magpie::engine {
namespace {

template <log::Crash mode, uint64_t seed>
std::unique_ptr<EngineHarness> make_harness() {
  return std::make_unique<log::LogHarness>(seed, mode);
}

INSTANTIATE_TEST_SUITE_P(SegmentLog, EngineConformance,
                         testing::Values(&make_harness<log::Crash::kProcess, 1>,
                                         &make_harness<log::Crash::kLoseAll, 2>,
                                         &make_harness<log::Crash::kTear, 3>,
                                         &make_harness<log::Crash::kTear, 4>));

}  // namespace
}  // namespace magpie::engine

namespace magpie::log {
namespace {

void append(LogHarness& harness, int batches) {
  for (int i = 0; i < batches; ++i) {
    record::BatchBuilder builder;
    builder.add({.timestamp = 1'000, .key = "k", .value = std::string(700, 'v')});
    Buffer batch = builder.build();
    record::stamp(batch.mutable_bytes(), harness.engine().end(), {1});
    engine::Output out = harness.out();
    harness.engine().append(harness.now, {batch, record::parse_header(batch.bytes())}, out);
    harness.settle();
  }
}

engine::Opened reopen(LogHarness& harness) {
  harness.crash();
  harness.events.clear();
  harness.boot();
  engine::Output out = harness.out();
  harness.engine().open(harness.now, engine::OpenMode::kExisting, out);
  harness.settle();
  const auto opened = harness.take<engine::Opened>();
  EXPECT_TRUE(opened);
  return opened.value_or(engine::Opened{});
}

// Crashes after `effects` of them; false if begin_anew had ended by then.
bool crash_while_begun_anew(int effects, int64_t at, Crash mode) {
  LogHarness harness(static_cast<uint64_t>(effects) + 1, mode);
  harness.boot();
  engine::Output out = harness.out();
  harness.engine().open(harness.now, engine::OpenMode::kCreate, out);
  harness.settle();
  append(harness, 20);
  harness.events.clear();
  harness.engine().begin_anew(harness.now, {at}, out);
  for (int i = 0; i < effects && harness.step(); ++i) {
  }
  const bool ended = harness.take<engine::CutDone>().has_value();
  const engine::Opened first = reopen(harness);
  const bool old = first.start == Offset{0} && first.end == Offset{20};
  const bool anew = first.start == Offset{at} && first.end == Offset{at};
  EXPECT_TRUE(ended ? anew : old || anew) << "after " << effects << " effects";
  append(harness, 10);
  const engine::Opened second = reopen(harness);
  EXPECT_EQ(second.start, first.start);
  EXPECT_EQ(second.end, first.end + 10);
  return !ended;
}

TEST(SegmentLog, ACrashLeavesTheOldLogOrTheOneBegunAnew) {
  for (const Crash mode : {Crash::kProcess, Crash::kLoseAll, Crash::kTear}) {
    for (const int64_t at : {0, 7, 1'000}) {
      int effects = 0;
      while (crash_while_begun_anew(effects, at, mode)) ++effects;
      EXPECT_GT(effects, 5);
    }
  }
}

// A compaction is under way, for `effects` effects, when the log is cut to `end`, or begun anew
// there. False if the compaction had ended by then.
bool cut_while_compacted(int effects, int64_t end, bool anew) {
  LogHarness harness(static_cast<uint64_t>(effects) + 1, Crash::kTear);
  harness.config.min_dirty_percent = 0;
  harness.boot();
  engine::Output out = harness.out();
  harness.engine().open(harness.now, engine::OpenMode::kCreate, out);
  harness.settle();
  append(harness, 30);
  harness.engine().save_checkpoint(harness.now, harness.engine().end(), Buffer::copy_of("s"), out);
  harness.settle();
  harness.events.clear();
  harness.engine().compact(harness.now, {30}, Duration::seconds(1), out);
  for (int i = 0; i < effects && harness.step(); ++i) {
  }
  const bool ended = harness.take<engine::Compacted>().has_value();
  if (anew) {
    harness.engine().begin_anew(harness.now, {end}, out);
  } else {
    harness.engine().cut(harness.now, {end}, out);
  }
  harness.settle();
  const auto done = harness.take<engine::CutDone>();
  EXPECT_TRUE(done && done->end == Offset{end}) << "after " << effects << " effects";
  append(harness, 10);
  harness.engine().compact(harness.now, {end + 10}, Duration::seconds(1), out);
  harness.settle();
  EXPECT_EQ(reopen(harness).end, Offset{end + 10}) << "after " << effects << " effects";
  return !ended;
}

TEST(SegmentLog, ACutDuringACompactionWaitsUntilItsFilesAreInOrder) {
  for (const bool anew : {false, true}) {
    for (const int64_t end : {0, 7, 29}) {
      int effects = 0;
      while (cut_while_compacted(effects, end, anew)) ++effects;
      EXPECT_GT(effects, 10);
    }
  }
}

}  // namespace
}  // namespace magpie::log
