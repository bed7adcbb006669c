// Random lives of a compacted log: keyed records, tombstones, compaction, crashes in the middle of
// it, full disks. At every restart and at the end: the last value of every key is there, every
// record is one that was appended, and a tombstone went no earlier than it may.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "base/planted_bug.h"
#include "log/log_harness.h"
#include "record/builder.h"
#include "record/reader.h"

namespace magpie::log {
namespace {

constexpr Duration kTombstoneAge = Duration::seconds(20);

class CompactionLife {
 public:
  explicit CompactionLife(uint64_t seed) : random_(seed), harness_(random_.next()) {
    harness_.config.segment_bytes = random_.between(400, 3'000);
    harness_.config.index_interval_bytes = 200;
    harness_.config.min_dirty_percent = static_cast<int32_t>(random_.below(60));
    harness_.config.recent_bytes = 0;
    open(engine::OpenMode::kCreate);
  }

  // Returns the first broken rule, or "".
  std::string live(int actions) {
    for (int i = 0; i < actions && broken_.empty(); ++i) act();
    if (broken_.empty()) crash();
    return broken_;
  }
  int compacted() const { return compacted_; }
  uint64_t bytes_saved() const { return bytes_saved_; }

 private:
  struct Record {
    std::string key;
    std::optional<std::string> value;
    int64_t wall = 0;  // when it was appended

    bool operator==(const Record& other) const { return key == other.key && value == other.value; }
  };

  void expect(bool holds, const std::string& rule) {
    if (!holds && broken_.empty()) broken_ = rule;
  }

  void act() {
    harness_.now.wall.millis += static_cast<int64_t>(random_.below(1'500));
    const uint64_t dice = random_.below(100);
    if (dice < 45) {
      append();
    } else if (dice < 80) {
      for (uint64_t i = random_.below(20); i > 0 && harness_.step(); --i) drain();
    } else if (dice < 90) {
      compact();
    } else if (dice < 94) {
      harness_.settle();
      drain();
      check();
    } else if (dice < 97) {
      crash();
    } else {
      harness_.disk().set_write_error(Error{ErrorKind::kNoSpace, "disk full"});
      for (uint64_t i = random_.below(15); i > 0 && harness_.step(); --i) drain();
      harness_.disk().set_write_error(std::nullopt);
    }
    drain();
    if (failed_) reopen();
  }

  void append() {
    if (!open_) return;
    record::BatchBuilder builder(static_cast<record::Codec>(random_.below(5)));
    if (random_.chance(1, 3)) {
      builder.set_producer({static_cast<int64_t>(random_.below(3))}, {0}, 0);
    }
    const Offset base = harness_.engine().end();
    for (uint64_t i = 0, count = 1 + random_.below(4); i < count; ++i) {
      Record record{"key" + std::to_string(random_.below(12)), std::nullopt,
                    harness_.now.wall.millis};
      if (!random_.chance(1, 5)) record.value = std::string(random_.below(90), 'v');
      builder.add(
          {.timestamp = harness_.now.wall.millis,
           .key = record.key,
           .value = record.value ? std::optional<std::string_view>(*record.value) : std::nullopt});
      appended_[base.value + static_cast<int64_t>(i)] = record;
    }
    Buffer batch = builder.build();
    record::stamp(batch.mutable_bytes(), base, {1});
    engine::Output out = harness_.out();
    const record::BatchHeader header = record::parse_header(batch.bytes());
    harness_.engine().append(harness_.now, {std::move(batch), header}, out);
    if (harness_.engine().wants_checkpoint()) {
      harness_.engine().save_checkpoint(harness_.now, harness_.engine().end(),
                                        Buffer::copy_of("state"), out);
    }
  }

  void compact() {
    if (!open_ || compacting_) return;
    compacting_ = true;
    engine::Output out = harness_.out();
    harness_.engine().compact(harness_.now, durable_, kTombstoneAge, out);
  }

  void crash() {
    harness_.crash(random_.chance(1, 2) ? Crash::kTear : Crash::kProcess);
    open(engine::OpenMode::kExisting);
    expect(open_, "the log did not open");
    if (broken_.empty()) check();
  }

  void open(engine::OpenMode mode) {
    harness_.events.clear();
    open_ = failed_ = compacting_ = false;
    harness_.boot();
    engine::Output out = harness_.out();
    harness_.engine().open(harness_.now, mode, out);
    harness_.settle();
    drain();
  }

  void reopen() {
    failed_ = false;
    engine::Output out = harness_.out();
    harness_.engine().reopen(harness_.now, out);
    harness_.settle();
    drain();
  }

  void drain() {
    for (const engine::Event& event : std::exchange(harness_.events, {})) {
      if (const auto* durable = std::get_if<engine::Durable>(&event)) durable_ = durable->end;
      if (const auto* opened = std::get_if<engine::Opened>(&event)) {
        expect(opened->end >= durable_, "durable records are gone");
        set_end(opened->end);
        open_ = true;
      }
      if (const auto* failed = std::get_if<engine::Failed>(&event)) {
        set_end(failed->end);
        open_ = false;
        failed_ = true;
      }
      if (const auto* refused = std::get_if<engine::OpenFailed>(&event)) {
        expect(false, "OpenFailed: " + refused->error.message);
      }
      if (const auto* done = std::get_if<engine::Compacted>(&event)) {
        compacting_ = false;
        if (done->status && done->bytes_after < done->bytes_before) {
          ++compacted_;
          bytes_saved_ += done->bytes_before - done->bytes_after;
        }
      }
    }
  }

  // What was appended from there on may still come back in a crash; nothing below it is lost.
  void set_end(Offset end) { durable_ = end; }

  std::map<int64_t, Record> read_all() {
    std::map<int64_t, Record> found;
    Offset from{0};
    while (from < durable_ && broken_.empty()) {
      engine::Output out = harness_.out();
      auto chain = harness_.engine().read(harness_.now, {9, from, durable_, 700, true}, out);
      if (!chain) {
        while (harness_.step()) {
        }
        const auto done = harness_.take<engine::ReadDone>();
        drain();
        expect(done && done->status, "a read failed");
        if (!broken_.empty()) return found;
        chain = done->batches;
      }
      if (chain->empty()) break;
      for (const Buffer& batch : *chain) {
        auto reader = record::RecordReader::open(batch);
        while (auto record = *reader->next()) {
          Record& copy = found[record->offset.value];
          copy.key = *record->key;
          if (record->value) copy.value = std::string(*record->value);
        }
        from = record::parse_header(batch.bytes()).next_offset();
      }
    }
    expect(from == durable_, "the end of the log is not to be seen");
    return found;
  }

  void check() {
    const std::map<int64_t, Record> found = read_all();
    for (const auto& [offset, record] : found) {
      expect(appended_.contains(offset) && appended_[offset] == record,
             "a record was invented or changed");
    }
    std::map<std::string, int64_t> last;
    for (const auto& [offset, record] : appended_) {
      if (offset < durable_.value) last[record.key] = offset;
    }
    for (const auto& [key, offset] : last) {
      const Record& record = appended_[offset];
      const bool may_be_gone =
          !record.value && harness_.now.wall.millis - record.wall > kTombstoneAge.to_milliseconds();
      expect(found.contains(offset) || may_be_gone, "the last value of a key is gone");
    }
  }

  Random random_;
  LogHarness harness_;
  std::string broken_;
  std::map<int64_t, Record> appended_;
  Offset durable_;
  bool open_ = false;
  bool failed_ = false;
  bool compacting_ = false;
  int compacted_ = 0;
  uint64_t bytes_saved_ = 0;
};

TEST(CompactionLife, LastValuesSurviveAndNothingIsInvented) {
  int compacted = 0;
  uint64_t bytes_saved = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CompactionLife life(seed);
    ASSERT_EQ(life.live(250), "") << "seed " << seed;
    compacted += life.compacted();
    bytes_saved += life.bytes_saved();
  }
  EXPECT_GT(compacted, 300);
  EXPECT_GT(bytes_saved, 100'000u);
}

#ifdef MAGPIE_PLANTED_BUGS

TEST(CompactionLife, PlantedBugsAreNoticed) {
  for (const PlantedBug bug : {PlantedBug::kCompactionKeepsOldest, PlantedBug::kTombstoneKeptNot}) {
    plant(bug);
    uint64_t seed = 1;
    while (seed <= 50 && CompactionLife(seed).live(250).empty()) ++seed;
    plant(PlantedBug::kNone);
    EXPECT_LE(seed, 50u) << "bug " << static_cast<int>(bug);
  }
}

#endif

}  // namespace
}  // namespace magpie::log
