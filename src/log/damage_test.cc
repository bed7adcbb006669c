// Bits that flip at rest where the checksum does not look, and pages that a failed sync left
// behind.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "log/log_harness.h"
#include "record/batch.h"
#include "record/builder.h"

namespace magpie::log {
namespace {

constexpr uint64_t kUnprotectedBytes = 17;  // base offset, length, epoch and magic

struct Stored {
  Offset base;
  Offset next;
  std::string path;
  uint64_t position = 0;
  std::string bytes;
};

class DamageTest : public testing::Test {
 protected:
  DamageTest() {
    harness_.config.segment_bytes = 700;
    harness_.config.recent_bytes = 0;
    harness_.boot();
    open(engine::OpenMode::kCreate);
    EXPECT_TRUE(harness_.take<engine::Opened>());
  }

  void open(engine::OpenMode mode) {
    engine::Output out = harness_.out();
    harness_.engine().open(harness_.now, mode, out);
    harness_.settle();
  }
  void append(int records, int32_t epoch) { append_at(harness_.engine().end(), records, epoch); }
  void append_at(Offset at, int records, int32_t epoch) {
    record::BatchBuilder builder;
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "value"});
    Buffer batch = builder.build();
    record::stamp(batch.mutable_bytes(), at, LeaderEpoch{epoch});
    const record::BatchHeader header = record::parse_header(batch.bytes());
    engine::Output out = harness_.out();
    harness_.engine().append(harness_.now, {std::move(batch), header}, out);
  }
  // Several segments, several epochs, all durable.
  void fill() {
    for (int i = 0; i < 14; ++i) append(i % 3 + 1, 1 + i / 4);
    harness_.settle();
    for (const auto& [path, content] : harness_.disk().contents()) {
      if (!path.ends_with(".log")) continue;
      for (uint64_t at = 0; at < content.size();) {
        const auto bytes = std::as_bytes(std::span(content).subspan(at));
        const record::BatchHeader header = record::parse_header(bytes);
        stored_.push_back({header.base_offset, header.next_offset(), path, at,
                           content.substr(at, header.size_bytes())});
        at += header.size_bytes();
      }
    }
    ASSERT_EQ(stored_.size(), 14u);
    ASSERT_NE(stored_.front().path, stored_.back().path);
  }
  void flip(const Stored& batch, uint64_t bit) {
    harness_.disk().flip_bit(batch.path, batch.position * 8 + bit);
  }
  // The batch that holds `from`, or nothing if the engine says that it is damaged.
  std::optional<std::string> read(Offset from) {
    engine::Output out = harness_.out();
    const engine::Read request{1, from, harness_.engine().end(), 1, true};
    EXPECT_FALSE(harness_.engine().read(harness_.now, request, out)) << "not from memory";
    harness_.settle();
    const auto done = harness_.take<engine::ReadDone>();
    if (!done || !done->status) return std::nullopt;
    return std::string(flatten(done->batches).text());
  }
  // Every batch is read as it was stored, or said to be damaged. Returns how many are damaged.
  size_t check_reads(const std::string& what) {
    size_t damaged = 0;
    for (size_t i = 0; i < stored_.size(); ++i) {
      const auto bytes = read(stored_[i].base);
      if (!bytes) {
        ++damaged;
      } else if (!is_same(i, *bytes)) {
        ADD_FAILURE() << what << ": other bytes were read from offset " << stored_[i].base.value;
      }
    }
    return damaged;
  }
  // A lower epoch looks right where reading begins, as does a higher one up to that of the next
  // batch in the segment.
  bool is_same(size_t i, std::string bytes) const {
    if (bytes.size() != stored_[i].bytes.size()) return false;
    const int32_t epoch = epoch_of(bytes);
    const bool last = i + 1 == stored_.size() || stored_[i + 1].path != stored_[i].path;
    if (epoch < -1 || (!last && epoch > epoch_of(stored_[i + 1].bytes))) return false;
    return bytes.replace(12, 4, stored_[i].bytes, 12, 4) == stored_[i].bytes;
  }
  static int32_t epoch_of(const std::string& bytes) {
    return record::parse_header(std::as_bytes(std::span(bytes))).leader_epoch.value;
  }
  static bool is_epoch(uint64_t bit) { return bit >= 12 * 8 && bit < 16 * 8; }

  LogHarness harness_{1};
  std::vector<Stored> stored_;
};

TEST_F(DamageTest, AFlippedBitOfAHeaderIsNeverServed) {
  fill();
  for (size_t i = 0; i < stored_.size(); ++i) {
    for (uint64_t bit = 0; bit < kUnprotectedBytes * 8; ++bit) {
      const std::string what = "batch " + std::to_string(i) + " bit " + std::to_string(bit);
      flip(stored_[i], bit);
      const size_t damaged = check_reads(what);
      flip(stored_[i], bit);
      EXPECT_TRUE(damaged > 0 || is_epoch(bit)) << what;
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_EQ(check_reads("undamaged"), 0u);
}

TEST_F(DamageTest, AFlippedBitOfAHeaderDoesNotShortenTheLog) {
  fill();
  const Offset end = harness_.engine().end();
  for (size_t i = 0; i + 1 < stored_.size(); ++i) {
    for (uint64_t bit = 0; bit < kUnprotectedBytes * 8; ++bit) {
      const std::string what = "batch " + std::to_string(i) + " bit " + std::to_string(bit);
      flip(stored_[i], bit);
      const std::map<std::string, std::string> before = harness_.disk().contents();
      harness_.crash(Crash::kProcess);
      harness_.boot();
      open(engine::OpenMode::kExisting);
      if (const auto failed = harness_.take<engine::OpenFailed>()) {
        EXPECT_EQ(failed->error.kind, ErrorKind::kCorrupt) << what;
        EXPECT_EQ(harness_.disk().contents(), before) << what << ": a refused log was changed";
      } else {
        EXPECT_EQ(harness_.engine().end(), end) << what;
        check_reads(what);
      }
      flip(stored_[i], bit);
      ASSERT_FALSE(HasFailure());
    }
  }
}

// The first segment spans so many offsets, by a jump in it, that the one after the next may begin
// where nothing could follow it in the same file. Only in a new epoch it may.
TEST_F(DamageTest, AFileThatIsMissingAfterAFarJumpIsNoticed) {
  append(1, 1);
  append_at(Offset{INT32_MAX - 40}, 1, 2);
  for (int i = 0; i < 40; ++i) append(3, 2);
  harness_.settle();
  const auto whole = harness_.disk().contents();
  std::vector<std::string> logs;
  for (const auto& [path, content] : whole) {
    if (path.ends_with(".log")) logs.push_back(path);
  }
  size_t far = 0;
  for (size_t i = 1; i + 1 < logs.size(); ++i) {
    const std::string name = logs[i + 1].substr(logs[i + 1].rfind('/') + 1);
    far += std::stoll(name) > INT32_MAX ? 1 : 0;
    harness_.crash(Crash::kProcess);
    for (const auto& [path, content] : harness_.disk().contents()) harness_.disk().remove(path);
    for (const auto& [path, content] : whole) {
      if (path != logs[i] && path.ends_with(".log")) harness_.disk().put(path, content);
    }
    harness_.boot();
    open(engine::OpenMode::kExisting);
    const auto failed = harness_.take<engine::OpenFailed>();
    ASSERT_TRUE(failed) << logs[i];
    EXPECT_NE(failed->error.message.find("but the segment before it ends at"), std::string::npos)
        << failed->error.message;
  }
  EXPECT_GT(far, 0u);
}

// A failed sync leaves its pages clean and unwritten; the process dies before it can do anything
// about it. The next one reads the batch from memory, serves it, and must have brought it to the
// disk before.
TEST_F(DamageTest, WhatAFailedSyncLeftInMemoryIsWrittenAgainByTheNextStart) {
  for (const bool closed : {false, true}) {
    append(2, 1);
    harness_.settle();
    const Offset durable = harness_.engine().end();
    harness_.disk().set_sync_error(Error{ErrorKind::kIo, "input/output error"});
    append(3, 1);
    // The write happens and its sync fails; the engine learns of it or not.
    while (!harness_.disk().idle() || !harness_.effects.empty()) {
      if (!harness_.step()) break;
      if (closed && harness_.take<engine::Failed>()) break;
    }
    harness_.disk().set_sync_error(std::nullopt);
    harness_.crash(Crash::kProcess);
    harness_.boot();
    open(engine::OpenMode::kExisting);
    ASSERT_TRUE(harness_.take<engine::Opened>());
    const Offset seen = harness_.engine().end();
    EXPECT_GE(seen, durable);
    harness_.crash(Crash::kLoseAll);
    harness_.boot();
    open(engine::OpenMode::kExisting);
    ASSERT_TRUE(harness_.take<engine::Opened>());
    EXPECT_EQ(harness_.engine().end(), seen) << "records that were served are gone";
  }
}

}  // namespace
}  // namespace magpie::log
