#include "engine/memory_engine.h"

#include <gtest/gtest.h>

#include "engine/engine_conformance_tests.h"

namespace magpie::engine {
namespace {

class MemoryHarness final : public EngineHarness {
 public:
  void boot() override { engine_ = std::make_unique<MemoryEngine>(image_, config); }
  Engine& engine() override { return *engine_; }
  void settle() override { EXPECT_TRUE(effects.empty()); }
  void crash() override { engine_.reset(); }

  MemoryEngine& memory() { return *engine_; }

 private:
  MemoryImage image_;
  std::unique_ptr<MemoryEngine> engine_;
};

std::unique_ptr<EngineHarness> make_harness() {
  return std::make_unique<MemoryHarness>();
}

INSTANTIATE_TEST_SUITE_P(Memory, EngineConformance, testing::Values(&make_harness));

class MemoryEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    harness_.boot();
    Output out = harness_.out();
    harness_.engine().open(harness_.now, OpenMode::kCreate, out);
    harness_.events.clear();
  }

  void append() {
    record::BatchBuilder builder;
    builder.add({.timestamp = 1, .value = "v"});
    Buffer batch = builder.build();
    record::stamp(batch.mutable_bytes(), harness_.engine().end(), {1});
    Output out = harness_.out();
    harness_.engine().append(harness_.now, {batch, record::parse_header(batch.bytes())}, out);
  }

  MemoryHarness harness_;
};

TEST_F(MemoryEngineTest, HeldAppendsBecomeDurableWhenSettled) {
  harness_.memory().hold();
  append();
  append();
  EXPECT_FALSE(harness_.take<Durable>());
  EXPECT_EQ(harness_.engine().end(), Offset{2});
  Output out = harness_.out();
  harness_.memory().settle(out);
  EXPECT_EQ(harness_.take<Durable>()->end, Offset{2});
}

TEST_F(MemoryEngineTest, FailedWritesDropWhatWasNotDurable) {
  append();
  harness_.memory().hold();
  append();
  Output out = harness_.out();
  harness_.memory().fail_writes({ErrorKind::kNoSpace, "full"}, false, out);
  EXPECT_EQ(harness_.take<Failed>()->end, Offset{1});
  EXPECT_EQ(harness_.engine().end(), Offset{1});
  harness_.engine().reopen(harness_.now, out);
  EXPECT_TRUE(harness_.take<Failed>());
  harness_.memory().fail_writes({ErrorKind::kNoSpace, "full"}, true, out);
  harness_.engine().reopen(harness_.now, out);
  EXPECT_EQ(harness_.take<Opened>()->end, Offset{1});
  append();
  EXPECT_EQ(harness_.engine().end(), Offset{2});
}

TEST_F(MemoryEngineTest, LosesHeldAppendsInACrash) {
  harness_.memory().hold();
  append();
  harness_.crash();
  harness_.boot();
  Output out = harness_.out();
  harness_.engine().open(harness_.now, OpenMode::kExisting, out);
  EXPECT_EQ(harness_.take<Opened>()->end, Offset{0});
}

}  // namespace
}  // namespace magpie::engine
