// A compaction that a failing disk meets at any of its steps ends, and says so, once.
#include <gtest/gtest.h>

#include "log/log_harness.h"
#include "record/builder.h"

namespace magpie::log {
namespace {

class CompactionFailure : public testing::Test {
 protected:
  CompactionFailure() {
    harness_.config.segment_bytes = 700;
    harness_.config.recent_bytes = 0;
    harness_.config.may_have_gaps = true;
    harness_.config.min_dirty_percent = 0;
    harness_.boot();
    engine::Output out = harness_.out();
    harness_.engine().open(harness_.now, engine::OpenMode::kCreate, out);
    harness_.settle();
    for (int i = 0; i < 40; ++i) append();
    harness_.settle();
    harness_.engine().save_checkpoint(harness_.now, harness_.engine().end(), Buffer(), out);
    harness_.settle();
    harness_.events.clear();
  }

  void append() {
    record::BatchBuilder builder;
    builder.add({.timestamp = 1, .key = "the same", .value = "value"});
    Buffer batch = builder.build();
    record::stamp(batch.mutable_bytes(), harness_.engine().end(), LeaderEpoch{1});
    const record::BatchHeader header = record::parse_header(batch.bytes());
    engine::Output out = harness_.out();
    harness_.engine().append(harness_.now, {std::move(batch), header}, out);
  }
  int compactions_ended() {
    int ended = 0;
    while (harness_.take<engine::Compacted>()) ++ended;
    return ended;
  }

  LogHarness harness_{1};
};

class CompactionFailureAt : public CompactionFailure, public testing::WithParamInterface<int> {};

TEST_P(CompactionFailureAt, EndsOnce) {
  engine::Output out = harness_.out();
  harness_.engine().compact(harness_.now, harness_.engine().end(), Duration::seconds(1), out);
  for (int i = 0; i < GetParam(); ++i) harness_.step();
  harness_.disk().set_write_error(Error{ErrorKind::kIo, "input/output error"});
  append();
  harness_.settle();
  ASSERT_TRUE(harness_.take<engine::Failed>());
  harness_.disk().set_write_error(std::nullopt);
  harness_.engine().reopen(harness_.now, out);
  harness_.settle();
  ASSERT_TRUE(harness_.take<engine::Opened>());
  EXPECT_EQ(compactions_ended(), 1);
  // And another one can begin.
  append();
  harness_.settle();
  harness_.engine().compact(harness_.now, harness_.engine().end(), Duration::seconds(1), out);
  harness_.settle();
  EXPECT_EQ(compactions_ended(), 1);
}

INSTANTIATE_TEST_SUITE_P(Steps, CompactionFailureAt, testing::Range(0, 60));

}  // namespace
}  // namespace magpie::log
