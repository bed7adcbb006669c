// What is cut without being kept must be noticed, also on a disk that failed once.
#include "sim/log_watch.h"

#include <gtest/gtest.h>

#include "record/builder.h"

namespace magpie::sim {
namespace {

constexpr const char* kLog = "topics/plain-0-0/00000000000000000000.log";

class LogWatchTest : public testing::Test {
 protected:
  LogWatchTest() {
    disk_.set_deliver([](const port::DiskDone&) {});
    watch_.watch(NodeId{1}, disk_);
  }

  static Buffer batch(int64_t offset, int32_t epoch) {
    record::BatchBuilder builder;
    builder.add({.timestamp = 1, .key = "k", .value = "v"});
    Buffer bytes = builder.build();
    record::stamp(bytes.mutable_bytes(), Offset{offset}, LeaderEpoch{epoch});
    return bytes;
  }
  port::FileRef file(const std::string& path) {
    return std::make_shared<const port::FileName>(port::FileName{port::FileId{next_id_++}, path});
  }
  void write(const std::string& path, uint64_t position, const Buffer& bytes, bool sync = true) {
    disk_.submit(port::WriteFile{file(path), position, {bytes}, sync, {1, 0, 0}});
    settle();
  }
  void cut(uint64_t size) {
    disk_.submit(port::TruncateFile{file(kLog), size, {1, 0, 0}});
    settle();
  }
  void settle() {
    while (scene_.queue.run_one()) {
    }
  }
  std::string broken() const { return scene_.violation ? scene_.violation->guarantee : ""; }

  Scene scene_{7};
  Knobs knobs_;
  Disk disk_{scene_, knobs_};
  LogWatch watch_{scene_};
  uint64_t next_id_ = 1;
};

TEST_F(LogWatchTest, KnowsWhatIsSafe) {
  write(kLog, 0, batch(0, 3));
  write(kLog, batch(0, 3).size(), batch(1, 3));
  EXPECT_TRUE(watch_.holds(NodeId{1}, "plain-0-0", 1, 0));
  EXPECT_FALSE(watch_.holds(NodeId{1}, "plain-0-0", 2, 0));
  const uint32_t crc = record::parse_header(batch(0, 3).bytes()).crc;
  EXPECT_EQ(watch_.spans(NodeId{1}, "plain-0-0"),
            (LogWatch::Spans{{0, {0, crc, false}}, {1, {1, crc, false}}}));
}

TEST_F(LogWatchTest, RecordsAreReadFromAllSegmentsOfAPartition) {
  const std::string folder = "topics/compacted-0/";
  write(folder + "00000000000000000000.log", 0, batch(0, 3));
  write(folder + "00000000000000000007.log", 0, batch(7, 3));
  write(folder + "00000000000000000007.log.cleaned", 0, batch(9, 3));
  write("topics/compacted-01/00000000000000000000.log", 0, batch(1, 3));
  EXPECT_EQ(read_records(disk_, "compacted-0"),
            (std::map<int64_t, std::string>{{0, "v"}, {7, "v"}}));
}

TEST_F(LogWatchTest, AnotherRecordAtTheSameOffsetIsNotHeld) {
  write(kLog, 0, batch(0, 3));
  const uint32_t crc = record::parse_header(batch(0, 3).bytes()).crc;
  EXPECT_TRUE(watch_.holds(NodeId{1}, "plain-0-0", 0, crc));
  EXPECT_FALSE(watch_.holds(NodeId{1}, "plain-0-0", 0, crc + 1));
  EXPECT_EQ(watch_.holders("plain-0-0", 0, crc + 1), 0u);
}

TEST_F(LogWatchTest, WhatIsDoubtfulMayBeTheRecord) {
  disk_.set_write_error(Error{ErrorKind::kIo, "input/output error"});
  write(kLog, 0, batch(0, 3));
  disk_.set_write_error(std::nullopt);
  write(kLog, 0, batch(0, 3));
  EXPECT_TRUE(watch_.holds(NodeId{1}, "plain-0-0", 0, 1));
  EXPECT_FALSE(watch_.holds(NodeId{1}, "plain-0-0", 1, 1));
}

TEST_F(LogWatchTest, WhatIsNotSyncedIsHeldByWhoSaysSo) {
  write(kLog, 0, batch(0, 3), false);
  EXPECT_FALSE(watch_.holds(NodeId{1}, "plain-0-0", 0, 0));
  LogWatch weak(scene_);
  weak.watch(NodeId{1}, disk_, true);
  EXPECT_TRUE(weak.holds(NodeId{1}, "plain-0-0", 0, 0));
  EXPECT_FALSE(weak.holds(NodeId{1}, "plain-0-0", 1, 0));
  EXPECT_EQ(weak.holders("plain-0-0", 0, 0), 1u);
  disk_.files().clear();
  EXPECT_FALSE(weak.holds(NodeId{1}, "plain-0-0", 0, 0)) << "until it is gone";
}

TEST_F(LogWatchTest, ACutWithoutACopyIsNoticed) {
  write(kLog, 0, batch(0, 3));
  cut(0);
  EXPECT_EQ(broken(), "G10");
}

TEST_F(LogWatchTest, WhatIsInSalvageMayGo) {
  write(kLog, 0, batch(0, 3));
  write("salvage/plain-0-0/records", 0, batch(0, 3));
  cut(0);
  EXPECT_EQ(broken(), "");
}

TEST_F(LogWatchTest, WhatWasWrittenBehindAFailureIsOfNoLog) {
  write(kLog, 0, batch(0, 3));
  const uint64_t size = batch(0, 3).size();
  disk_.set_write_error(Error{ErrorKind::kIo, "input/output error"});
  write(kLog, size, batch(1, 3));
  disk_.set_write_error(std::nullopt);
  write(kLog, size, batch(1, 3));
  cut(size);
  EXPECT_EQ(broken(), "");
  // And afterwards all is as before.
  write(kLog, size, batch(1, 4));
  cut(size);
  EXPECT_EQ(broken(), "G10");
}

TEST_F(LogWatchTest, TwoWritersOfAnEpochAreNoticed) {
  write(kLog, 0, batch(0, 3));
  record::BatchBuilder other;
  other.add({.timestamp = 1, .key = "k", .value = "another"});
  Buffer bytes = other.build();
  record::stamp(bytes.mutable_bytes(), Offset{0}, LeaderEpoch{3});
  write(kLog, 0, bytes);
  EXPECT_EQ(broken(), "G2");
}

}  // namespace
}  // namespace magpie::sim
