#include "sim/disk.h"

#include <gtest/gtest.h>

#include <set>

namespace magpie::sim {
namespace {

class DiskTest : public testing::Test {
 protected:
  DiskTest() {
    disk_.set_deliver([this](port::DiskDone done) { done_.push_back(std::move(done)); });
  }

  port::FileRef file(const std::string& path) {
    return std::make_shared<const port::FileName>(port::FileName{port::FileId{next_id_++}, path});
  }
  void write(const std::string& path, uint64_t position, const std::string& text, bool sync) {
    disk_.submit(port::WriteFile{
        file(path), position, {Buffer::copy_of(text)}, sync, {1, 0, next_cookie_++}});
  }
  void settle() {
    while (scene_.queue.run_one()) {
    }
  }

  Scene scene_{7};
  Knobs knobs_;
  Disk disk_{scene_, knobs_};
  std::vector<port::DiskDone> done_;
  uint64_t next_id_ = 1;
  uint64_t next_cookie_ = 0;
};

TEST_F(DiskTest, EffectsOnOneFileKeepTheirOrder) {
  for (int i = 0; i < 50; ++i) write("a", 0, std::to_string(i), i % 3 == 0);
  settle();
  ASSERT_EQ(done_.size(), 50u);
  for (size_t i = 0; i < done_.size(); ++i) EXPECT_EQ(done_[i].then.cookie, i);
  EXPECT_EQ(disk_.files()["a"].content(), "49");
}

TEST_F(DiskTest, EffectsOnDifferentFilesOvertakeEachOther) {
  for (int i = 0; i < 50; ++i) write(std::to_string(i), 0, "x", true);
  settle();
  bool overtaken = false;
  for (size_t i = 0; i < done_.size(); ++i) overtaken |= done_[i].then.cookie != i;
  EXPECT_TRUE(overtaken);
}

TEST_F(DiskTest, ASyncCoversNothingThatOvertookIt) {
  const std::string text(5'000, 's');
  bool lost = false;
  for (int i = 0; i < 40; ++i) {
    const std::string path = std::to_string(i);
    write(path, 0, text, false);
    disk_.submit(port::SyncFile{file(path), {1, 1, next_cookie_++}});
    write(path, 5'000, std::string(5'000, 'u'), false);
  }
  settle();
  disk_.crash(Crash::kPower);
  for (int i = 0; i < 40; ++i) {
    const std::string& content = disk_.files()[std::to_string(i)].content();
    EXPECT_EQ(content.substr(0, 5'000), text);
    lost |= content.size() < 10'000;
  }
  EXPECT_TRUE(lost);
}

TEST_F(DiskTest, SyncedBytesSurviveAPowerLoss) {
  const std::string text(5'000, 's');
  write("a", 0, text, true);
  settle();
  write("a", 5'000, std::string(5'000, 'u'), false);
  settle();
  disk_.crash(Crash::kPower);
  EXPECT_EQ(disk_.files()["a"].content().substr(0, 5'000), text);
}

TEST_F(DiskTest, UnsyncedSectorsMayGoOneByOne) {
  std::set<std::string> outcomes;
  for (int i = 0; i < 30; ++i) {
    const std::string path = std::to_string(i);
    write(path, 0, "s", true);
    settle();
    write(path, 0, std::string(4 * kSectorBytes, 'u'), false);
    settle();
    disk_.crash(Crash::kPower);
    outcomes.insert(disk_.files()[path].content());
  }
  EXPECT_GT(outcomes.size(), 5u);
}

TEST_F(DiskTest, AFailedSyncLeavesItsPagesCleanAndUnsafe) {
  write("a", 0, "old", true);
  settle();
  disk_.set_sync_error(Error{ErrorKind::kIo, "broken"});
  write("a", 0, "new", true);
  settle();
  EXPECT_FALSE(done_.back().status.has_value());
  disk_.set_sync_error(std::nullopt);
  disk_.submit(port::SyncFile{file("a"), {}});
  settle();
  EXPECT_TRUE(done_.back().status.has_value());
  EXPECT_EQ(disk_.files()["a"].content(), "new");
  bool lost = false;
  SimFile copy = disk_.files()["a"];
  Random random(3);
  for (int i = 0; i < 50; ++i) {
    SimFile crashed = copy;
    crashed.lose_power(random);
    lost |= crashed.content() == "old";
  }
  EXPECT_TRUE(lost);
}

TEST_F(DiskTest, AFailedWriteTakesTheOnesBehindItAlong) {
  disk_.set_write_error(Error{ErrorKind::kNoSpace, "full"});
  write("a", 0, "1", true);
  write("a", 1, "2", true);
  scene_.queue.run_one();
  disk_.set_write_error(std::nullopt);
  settle();
  ASSERT_EQ(done_.size(), 2u);
  EXPECT_FALSE(done_[1].status.has_value()) << "a hole would appear";
}

TEST_F(DiskTest, AFailedWriteTakesNoSyncAlongThatItHasOvertaken) {
  bool overtaken = false;
  for (int i = 0; i < 40; ++i) {
    const std::string path = std::to_string(i);
    write(path, 0, "old", false);
    settle();
    done_.clear();
    disk_.submit(port::SyncFile{file(path), {1, 1, 0}});
    disk_.set_write_error(Error{ErrorKind::kIo, "broken"});
    write(path, 3, "new", false);
    settle();
    disk_.set_write_error(std::nullopt);
    ASSERT_EQ(done_.size(), 2u);
    overtaken |= done_[0].then.kind == 0;
    for (const port::DiskDone& done : done_)
      EXPECT_EQ(done.status.has_value(), done.then.kind == 1);
    EXPECT_EQ(disk_.files()[path].durable().substr(0, 3), "old");
  }
  EXPECT_TRUE(overtaken);
}

}  // namespace
}  // namespace magpie::sim
