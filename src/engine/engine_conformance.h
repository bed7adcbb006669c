// What every engine must do, as tests. An engine's own tests derive a harness, which knows how to
// start the engine over its storage, and instantiate the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, EngineConformance, testing::Values(&make_memory_harness));
//
// Engines differ in when they answer; the tests let the harness settle and then look at the
// answers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "record/builder.h"
#include "record/reader.h"

namespace magpie::engine {

// Runs one engine and its storage.
class EngineHarness {
 public:
  virtual ~EngineHarness() = default;

  // Makes a new engine over the same storage, not yet opened; the former one is gone.
  virtual void boot() = 0;
  virtual Engine& engine() = 0;
  // Carries out what the engine asked for, and what it asks for then, until nothing is left.
  virtual void settle() = 0;
  // Power loss: what was not durable may be gone, in part or wholly. boot() follows.
  virtual void crash() = 0;

  Output out() { return {effects, events}; }

  // Takes the first event of type T out of the list.
  template <typename T>
  std::optional<T> take() {
    for (auto event = events.begin(); event != events.end(); ++event) {
      if (auto* wanted = std::get_if<T>(&*event)) {
        T taken = std::move(*wanted);
        events.erase(event);
        return taken;
      }
    }
    return std::nullopt;
  }

  EngineConfig config{.segment_bytes = 4'096, .index_interval_bytes = 256};
  Now now{{1'000'000'000}, {1'700'000'000'000}};
  port::Effects effects;
  std::vector<Event> events;
};

using HarnessFactory = std::unique_ptr<EngineHarness> (*)();

// A record of a test batch.
struct TestRecord {
  int64_t timestamp = 1'000;
  std::optional<std::string> key;
  std::optional<std::string> value = "value";
};

class EngineConformance : public testing::TestWithParam<HarnessFactory> {
 protected:
  void SetUp() override {
    harness_ = GetParam()();
    harness_->boot();
    open(OpenMode::kCreate);
    ASSERT_TRUE(harness_->take<Opened>());
  }

  Engine& engine() { return harness_->engine(); }
  Now& now() { return harness_->now; }

  void open(OpenMode mode) {
    Output out = harness_->out();
    engine().open(now(), mode, out);
    harness_->settle();
  }

  // Ends the process, in order or by power loss, and opens the log again.
  Opened restart(bool orderly) {
    if (orderly) {
      Output out = harness_->out();
      engine().close(now(), out);
      harness_->settle();
      EXPECT_TRUE(harness_->take<Closed>());
    } else {
      harness_->crash();
    }
    harness_->events.clear();
    harness_->boot();
    open(OpenMode::kExisting);
    const auto opened = harness_->take<Opened>();
    EXPECT_TRUE(opened);
    return opened.value_or(Opened{});
  }

  static Buffer build(const std::vector<TestRecord>& records,
                      record::Codec codec = record::Codec::kNone) {
    record::BatchBuilder builder(codec);
    for (const TestRecord& record : records) {
      builder.add(
          {.timestamp = record.timestamp,
           .key = record.key ? std::optional<std::string_view>(*record.key) : std::nullopt,
           .value = record.value ? std::optional<std::string_view>(*record.value) : std::nullopt});
    }
    return builder.build();
  }

  // Appends without waiting.
  void append_batch(Buffer batch) { append_batch_at(engine().end(), {3}, std::move(batch)); }

  void append_batch_at(Offset base, LeaderEpoch epoch, Buffer batch) {
    record::stamp(batch.mutable_bytes(), base, epoch);
    appended_.push_back(batch);
    Output out = harness_->out();
    const record::BatchHeader header = record::parse_header(batch.bytes());
    engine().append(now(), {std::move(batch), header}, out);
  }

  void append(const std::vector<TestRecord>& records, record::Codec codec = record::Codec::kNone) {
    append_batch(build(records, codec));
    harness_->settle();
  }

  // Fills with batches of `count` records each until `bytes` were appended.
  void fill(size_t bytes, int count = 3) {
    for (size_t filled = 0; filled < bytes;) {
      std::vector<TestRecord> records;
      for (int i = 0; i < count; ++i) {
        records.push_back({.timestamp = 1'000 + engine().end().value + i,
                           .key = std::nullopt,
                           .value = std::string(50, 'v')});
      }
      append(records);
      filled += appended_.back().size();
    }
  }

  // The answer to a read, at once or later.
  BufferChain read(Offset from, Offset limit, uint64_t max_bytes = 1 << 20,
                   bool at_least_one = false) {
    Output out = harness_->out();
    auto chain = engine().read(now(), {77, from, limit, max_bytes, at_least_one}, out);
    if (chain) return *chain;
    harness_->settle();
    const auto done = harness_->take<ReadDone>();
    EXPECT_TRUE(done && done->ticket == 77);
    if (!done) return {};
    EXPECT_TRUE(done->status) << done->status.error().message;
    return done->batches;
  }

  // All batches in [from, limit), by as many reads as it takes.
  BufferChain read_all(Offset from, Offset limit) {
    BufferChain all;
    while (true) {
      const BufferChain some = read(from, limit, 1'000, true);
      if (some.empty()) return all;
      for (const Buffer& batch : some) all.push_back(batch);
      from = record::parse_header(some.back().bytes()).next_offset();
    }
  }

  TimestampFound find_timestamp(int64_t timestamp, Offset limit) {
    Output out = harness_->out();
    engine().find_timestamp(now(), 5, timestamp, limit, out);
    harness_->settle();
    return harness_->take<TimestampFound>().value_or(TimestampFound{});
  }

  TimestampFound find_max_timestamp(Offset limit) {
    Output out = harness_->out();
    engine().find_max_timestamp(now(), 5, limit, out);
    harness_->settle();
    return harness_->take<TimestampFound>().value_or(TimestampFound{});
  }

  void trim(Offset start) {
    Output out = harness_->out();
    engine().trim(now(), start, out);
    harness_->settle();
    const auto trimmed = harness_->take<Trimmed>();
    ASSERT_TRUE(trimmed);
    EXPECT_EQ(trimmed->start, start);
  }

  void save_checkpoint(Offset at, std::string_view state) {
    Output out = harness_->out();
    engine().save_checkpoint(now(), at, Buffer::copy_of(state), out);
    harness_->settle();
  }

  void cut(Offset end) {
    Output out = harness_->out();
    engine().cut(now(), end, out);
    harness_->settle();
    const auto done = harness_->take<CutDone>();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->end, end);
    std::erase_if(appended_, [&](const Buffer& batch) {
      return record::parse_header(batch.bytes()).base_offset >= end;
    });
  }

  void begin_anew(Offset at) {
    harness_->events.clear();
    Output out = harness_->out();
    engine().begin_anew(now(), at, out);
    harness_->settle();
    const auto began = harness_->take<ReplayBegan>();
    ASSERT_TRUE(began);
    EXPECT_TRUE(began->checkpoint.empty());
    EXPECT_FALSE(harness_->take<Replayed>());
    const auto done = harness_->take<CutDone>();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->end, at);
    appended_.clear();
  }

  void compact(Offset limit, Duration tombstone_age) {
    save_checkpoint(engine().end(), "s");
    Output out = harness_->out();
    engine().compact(now(), limit, tombstone_age, out);
    harness_->settle();
    const auto compacted = harness_->take<Compacted>();
    ASSERT_TRUE(compacted);
    EXPECT_TRUE(compacted->status) << compacted->status.error().message;
  }

  // "offset:key=value" of every record, in order; null as "-".
  std::vector<std::string> records(Offset from, Offset limit) {
    std::vector<std::string> found;
    for (const Buffer& batch : read_all(from, limit)) {
      auto reader = record::RecordReader::open(batch);
      EXPECT_TRUE(reader);
      while (auto record = reader ? *reader->next() : std::nullopt) {
        found.push_back(std::to_string(record->offset.value) + ":" +
                        std::string(record->key.value_or("-")) + "=" +
                        std::string(record->value.value_or("-")));
      }
    }
    return found;
  }

  std::unique_ptr<EngineHarness> harness_;
  std::vector<Buffer> appended_;  // every batch, stamped, minus what was cut
};

}  // namespace magpie::engine
