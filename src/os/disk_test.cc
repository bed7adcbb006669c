#include "os/disk.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/random.h"
#include "os/testing.h"

namespace magpie::os {
namespace {

// Counts syncs and can hold them back or let them fail.
class GatedCalls final : public FileCalls {
 public:
  int sync_data(int file) override {
    std::unique_lock lock(mutex_);
    ++started_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    if (error_ != 0) {
      errno = error_;
      return -1;
    }
    lock.unlock();
    return FileCalls::sync_data(file);
  }
  int sync_file_system(int file) override {
    ++file_system_syncs;
    if (fail_file_system_sync) {
      errno = EIO;
      return -1;
    }
    return FileCalls::sync_file_system(file);
  }
  ssize_t write_at(int file, const iovec* pieces, int count, uint64_t position) override {
    ++writes;
    if (fail_writes_from.load() <= position) {
      errno = ENOSPC;
      return -1;
    }
    return FileCalls::write_at(file, pieces, count, position);
  }

  void close_gate() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open_gate() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void fail_syncs(int error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  void wait_for_syncs(int count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kTestDeadline, [&] { return started_ >= count; }));
  }
  int syncs() {
    const std::lock_guard lock(mutex_);
    return started_;
  }

  std::atomic<int> writes = 0;
  std::atomic<int> file_system_syncs = 0;
  std::atomic<bool> fail_file_system_sync = false;
  std::atomic<uint64_t> fail_writes_from = UINT64_MAX;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int error_ = 0;
  int started_ = 0;
};

class DiskTest : public ::testing::Test {
 protected:
  void open(const std::function<void(DiskConfig&)>& configure = {}) {
    DiskConfig config;
    config.directory = folder_.path();
    config.files_per_file_system_sync = 0;
    if (configure) configure(config);
    auto disk = Disk::open(config, calls_);
    ASSERT_TRUE(disk.has_value());
    disk_ = std::move(*disk);
  }
  void TearDown() override { calls_.open_gate(); }

  port::FileRef file(const std::string& path) {
    return std::make_shared<const port::FileName>(port::FileName{{++last_file_}, path});
  }
  port::Completion next() { return {.cookie = ++last_cookie_}; }

  uint64_t write(const port::FileRef& file, uint64_t position, const std::string& text,
                 bool sync = true) {
    disk_->carry_out(port::WriteFile{file, position, {Buffer::copy_of(text)}, sync, next()});
    return last_cookie_;
  }
  uint64_t read(const port::FileRef& file, uint64_t position = 0, uint64_t length = 1'000'000) {
    disk_->carry_out(port::ReadFile{file, position, length, next()});
    return last_cookie_;
  }

  // The completion of one effect; collects until it is there.
  const port::DiskDone& done(uint64_t cookie) {
    EXPECT_TRUE(eventually([&] {
      collect();
      return done_.contains(cookie);
    })) << "effect "
        << cookie << " was not completed";
    return done_[cookie];
  }
  bool is_done(uint64_t cookie) {
    collect();
    return done_.contains(cookie);
  }
  void collect() {
    std::vector<port::Event> events;
    disk_->collect(events);
    for (port::Event& event : events) {
      auto& one = std::get<port::DiskDone>(event);
      order_.push_back(one.then.cookie);
      EXPECT_FALSE(done_.contains(one.then.cookie)) << "completed twice";
      done_[one.then.cookie] = std::move(one);
    }
  }

  TempFolder folder_;
  GatedCalls calls_;
  std::unique_ptr<Disk> disk_;
  uint64_t last_file_ = 0;
  uint64_t last_cookie_ = 0;
  std::map<uint64_t, port::DiskDone> done_;
  std::vector<uint64_t> order_;
};

TEST_F(DiskTest, WritesWithoutSyncAndCachedReadsAreDoneAtOnce) {
  open();
  const auto notes = file("a/notes");
  const uint64_t written = write(notes, 0, "magpie", false);
  EXPECT_TRUE(is_done(written));
  const uint64_t got = read(notes, 3, 100);
  EXPECT_EQ(done(got).data.text(), "pie");
  EXPECT_EQ(calls_.syncs(), 0);
}

TEST_F(DiskTest, OneSyncCoversEverythingThatArrivedMeanwhile) {
  open();
  const auto log = file("log");
  calls_.close_gate();
  const uint64_t first = write(log, 0, "0");
  calls_.wait_for_syncs(1);
  std::vector<uint64_t> later;
  for (uint64_t i = 1; i <= 100; ++i) later.push_back(write(log, i, std::to_string(i % 10)));
  disk_->carry_out(port::SyncFile{log, next()});
  later.push_back(last_cookie_);
  EXPECT_FALSE(is_done(first));
  const int writes_before = calls_.writes;
  calls_.open_gate();
  for (const uint64_t cookie : later) EXPECT_TRUE(done(cookie).status.has_value());
  EXPECT_EQ(calls_.syncs(), 2);
  EXPECT_EQ(calls_.writes - writes_before, 1);  // and one gathered write
  EXPECT_TRUE(std::is_sorted(order_.begin(), order_.end()));
  EXPECT_EQ(done(read(log)).data.size(), 101u);
}

TEST_F(DiskTest, FilesSyncInParallel) {
  open([](DiskConfig& config) { config.workers = 3; });
  calls_.close_gate();
  for (int i = 0; i < 3; ++i) write(file("f" + std::to_string(i)), 0, "x");
  calls_.wait_for_syncs(3);  // hangs up to the deadline if they went one after the other
  EXPECT_FALSE(is_done(1));
  calls_.open_gate();
  for (uint64_t cookie = 1; cookie <= 3; ++cookie) EXPECT_TRUE(done(cookie).status.has_value());
}

TEST_F(DiskTest, WritesGoOnBesideASyncThatNoneOfThemWaitsFor) {
  open([](DiskConfig& config) { config.inline_write_bytes = 8; });
  const auto log = file("log");
  done(write(log, 0, "0123456789", false));
  calls_.close_gate();
  disk_->carry_out(port::SyncFile{log, next()});
  const uint64_t sync = last_cookie_;
  calls_.wait_for_syncs(1);
  EXPECT_TRUE(is_done(write(log, 10, "inline", false)));
  done(write(log, 16, "by a worker", false));
  EXPECT_EQ(done(read(log)).data.text(), "0123456789inlineby a worker");
  // One sync of a file at a time, and whatever changes the file otherwise waits for it.
  const uint64_t durable = write(log, 27, "!", true);
  disk_->carry_out(port::TruncateFile{log, 4, next()});
  const uint64_t cut = last_cookie_;
  EXPECT_FALSE(is_done(sync));
  EXPECT_FALSE(is_done(durable));
  EXPECT_EQ(calls_.syncs(), 1);
  calls_.open_gate();
  EXPECT_TRUE(done(cut).status.has_value());
  EXPECT_TRUE(is_done(sync));
  EXPECT_TRUE(is_done(durable));
  EXPECT_EQ(done(read(log)).data.text(), "0123");
}

TEST_F(DiskTest, SyncsAskedForMeanwhileAreOne) {
  open();
  const auto log = file("log");
  done(write(log, 0, "x", false));
  calls_.close_gate();
  disk_->carry_out(port::SyncFile{log, next()});
  calls_.wait_for_syncs(1);
  for (int i = 0; i < 5; ++i) disk_->carry_out(port::SyncFile{log, next()});
  const uint64_t last = last_cookie_;
  calls_.open_gate();
  for (uint64_t cookie = last - 5; cookie <= last; ++cookie) {
    EXPECT_TRUE(done(cookie).status.has_value());
  }
  EXPECT_LE(calls_.syncs(), 3);
}

TEST_F(DiskTest, SyncsThatTakeLongLeaveWorkersForWrites) {
  open([](DiskConfig& config) {
    config.workers = 1;
    config.slow_workers = 2;
    config.files_per_file_system_sync = 0;
    config.inline_write_bytes = 0;
  });
  std::vector<port::FileRef> files;
  for (int i = 0; i < 5; ++i) {
    files.push_back(file("f" + std::to_string(i)));
    done(write(files.back(), 0, "x", false));
  }
  calls_.close_gate();
  for (const port::FileRef& one : files) disk_->carry_out(port::SyncFile{one, next()});
  const uint64_t last = last_cookie_;
  calls_.wait_for_syncs(2);
  for (const port::FileRef& one : files) EXPECT_TRUE(done(write(one, 1, "y", false)).status);
  EXPECT_EQ(calls_.syncs(), 2);
  calls_.open_gate();
  for (uint64_t cookie = last - 4; cookie <= last; ++cookie) {
    EXPECT_TRUE(done(cookie).status.has_value());
  }
}

TEST_F(DiskTest, AFailedSyncFailsWhatItCoveredAndNothingElse) {
  open();
  const auto log = file("log");
  calls_.fail_syncs(EIO);
  const uint64_t bad = write(log, 0, "x");
  EXPECT_EQ(done(bad).status.error().kind, ErrorKind::kIo);
  calls_.fail_syncs(0);
  EXPECT_TRUE(done(write(log, 1, "y")).status.has_value());
}

TEST_F(DiskTest, AfterAFailedWriteTheQueuedOnesFailToo) {
  open([](DiskConfig& config) { config.workers = 1; });
  const auto log = file("log");
  calls_.close_gate();
  const uint64_t first = write(log, 0, "0000");
  calls_.wait_for_syncs(1);
  const uint64_t good = write(log, 4, "1111");
  const uint64_t bad = write(log, 100, "2222");   // not adjacent: a call of its own, which fails
  const uint64_t behind = write(log, 8, "3333");  // would succeed, but stands behind it
  calls_.fail_writes_from = 100;
  calls_.open_gate();
  EXPECT_TRUE(done(first).status.has_value());
  EXPECT_TRUE(done(good).status.has_value());
  EXPECT_EQ(done(bad).status.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(done(behind).status.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(done(read(log)).data.text(), "00001111");
  calls_.fail_writes_from = UINT64_MAX;  // space has returned
  EXPECT_TRUE(done(write(log, 8, "4444")).status.has_value());
}

TEST_F(DiskTest, ReadsBelowTheWaitingWritesDoNotWait) {
  open();
  const auto log = file("log");
  done(write(log, 0, "old bytes"));
  calls_.close_gate();
  write(log, 9, " and new");
  calls_.wait_for_syncs(2);
  EXPECT_EQ(done(read(log, 0, 9)).data.text(), "old bytes");
  const uint64_t overlapping = read(log, 0, 100);
  EXPECT_FALSE(is_done(overlapping));
  calls_.open_gate();
  EXPECT_EQ(done(overlapping).data.text(), "old bytes and new");
}

TEST_F(DiskTest, EffectsOnOneFileHappenInTheOrderGiven) {
  open();
  const auto one = file("d/one");
  const auto two = file("d/two");
  write(one, 0, "0123456789");
  disk_->carry_out(port::TruncateFile{one, 4, next()});
  write(one, 4, "abc");
  const uint64_t first = read(one);
  disk_->carry_out(port::RenameFile{one, two, next()});
  write(two, 7, "!");
  const uint64_t second = read(two);
  disk_->carry_out(port::ReplaceFile{two, {Buffer::copy_of("new")}, next()});
  const uint64_t third = read(two);
  disk_->carry_out(port::RemoveFile{two, next()});
  const uint64_t gone = read(two);
  disk_->carry_out(port::ListFolder{"d", next()});
  const uint64_t list = last_cookie_;
  EXPECT_EQ(done(list).listing.size(), 0u);
  EXPECT_EQ(done(first).data.text(), "0123abc");
  EXPECT_EQ(done(second).data.text(), "0123abc!");
  EXPECT_EQ(done(third).data.text(), "new");
  EXPECT_EQ(done(gone).status.error().kind, ErrorKind::kNotFound);
  for (const auto& [cookie, one_done] : done_) {
    EXPECT_EQ(one_done.status.has_value(), cookie != gone) << cookie;
  }
}

TEST_F(DiskTest, FolderEffectsWaitForTheFilesInsideAndHoldBackLaterOnes) {
  open();
  const auto inside = file("topic/0.log");
  calls_.close_gate();
  const uint64_t written = write(inside, 0, "x");
  calls_.wait_for_syncs(1);
  disk_->carry_out(port::RenameFolder{"topic", "removed", next()});
  const uint64_t renamed = last_cookie_;
  disk_->carry_out(port::RemoveFolder{"removed", next()});
  const uint64_t removed = last_cookie_;
  const auto again = file("topic/0.log");
  const uint64_t fresh = write(again, 0, "second life", false);
  const uint64_t elsewhere = write(file("topic-2/0.log"), 0, "y", false);
  EXPECT_TRUE(is_done(elsewhere));
  EXPECT_FALSE(is_done(renamed));
  EXPECT_FALSE(is_done(fresh));
  calls_.open_gate();
  EXPECT_TRUE(done(written).status.has_value());
  EXPECT_TRUE(done(renamed).status.has_value());
  EXPECT_TRUE(done(removed).status.has_value());
  EXPECT_TRUE(done(fresh).status.has_value());
  EXPECT_EQ(done(read(again)).data.text(), "second life");
}

TEST_F(DiskTest, KeepsFewDescriptorsOpen) {
  open([](DiskConfig& config) { config.open_files = 8; });
  std::vector<port::FileRef> files;
  for (int i = 0; i < 50; ++i) {
    files.push_back(file("f" + std::to_string(i)));
    write(files.back(), 0, std::to_string(i), i % 2 == 0);
  }
  for (uint64_t cookie = 1; cookie <= 50; ++cookie) ASSERT_TRUE(done(cookie).status.has_value());
  EXPECT_LE(disk_->counters().open_files, 8u);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(done(read(files[static_cast<size_t>(i)])).data.text(), std::to_string(i));
  }
  EXPECT_LE(disk_->counters().open_files, 8u);
}

TEST_F(DiskTest, AFileThatMayNotGrowIsAnIoError) {
  open();
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{4'096, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto log = file("log");
  const port::DiskDone fits = done(write(log, 0, std::string(4'096, 'x')));
  const port::DiskDone too_large = done(write(log, 4'096, "y"));
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(fits.status.has_value());
  ASSERT_FALSE(too_large.status.has_value());
  EXPECT_EQ(too_large.status.error().kind, ErrorKind::kIo);
  EXPECT_EQ(too_large.status.error().message, "cannot write at 4096 of log: File too large");
}

TEST_F(DiskTest, ManyWaitingFilesShareOneSyncOfTheFileSystem) {
  open([](DiskConfig& config) {
    config.workers = 1;
    config.files_per_file_system_sync = 10;
  });
  calls_.close_gate();
  write(file("first"), 0, "x");
  calls_.wait_for_syncs(1);
  std::vector<uint64_t> waiting;
  for (int i = 0; i < 50; ++i) waiting.push_back(write(file("f" + std::to_string(i)), 0, "x"));
  calls_.open_gate();
  for (const uint64_t cookie : waiting) EXPECT_TRUE(done(cookie).status.has_value());
  if (disk_->counters().file_system_syncs == 0) {
    GTEST_SKIP() << "the file system of " << folder_.path() << " is not one that is synced whole";
  }
  EXPECT_EQ(calls_.file_system_syncs, 1);
  EXPECT_EQ(calls_.syncs(), 1);
}

TEST_F(DiskTest, WhenTheSharedSyncFailsEveryFileIsAsked) {
  open([](DiskConfig& config) {
    config.workers = 1;
    config.files_per_file_system_sync = 10;
  });
  calls_.fail_file_system_sync = true;
  calls_.close_gate();
  write(file("first"), 0, "x");
  calls_.wait_for_syncs(1);
  std::vector<uint64_t> waiting;
  for (int i = 0; i < 20; ++i) waiting.push_back(write(file("f" + std::to_string(i)), 0, "x"));
  calls_.open_gate();
  for (const uint64_t cookie : waiting) EXPECT_TRUE(done(cookie).status.has_value());
  EXPECT_EQ(calls_.syncs(), 21);
}

// Random effects on a few files, compared with strings in memory.
TEST_F(DiskTest, BehavesLikeStringsInMemory) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    open([&](DiskConfig& config) {
      config.workers = static_cast<int>(random.between(1, 4));
      config.open_files = random.between(1, 4);
      config.files_per_file_system_sync = random.below(4);
      config.inline_read_bytes = random.chance(1, 2) ? 8 : 1'000;
      config.inline_write_bytes = random.chance(1, 2) ? 8 : 1'000;
    });
    std::vector<port::FileRef> files;
    std::map<uint64_t, std::string> expected_reads;
    std::vector<std::optional<std::string>> contents(5);
    for (int i = 0; i < 5; ++i) {
      files.push_back(file("s" + std::to_string(seed) + "/d" + std::to_string(i % 2) + "/f" +
                           std::to_string(i)));
    }
    for (int step = 0; step < 200; ++step) {
      const size_t which = random.below(files.size());
      std::optional<std::string>& content = contents[which];
      const uint64_t choice = random.below(10);
      if (choice < 5) {
        const std::string text(random.between(1, 20), static_cast<char>('a' + random.below(26)));
        const uint64_t position = random.below(content.value_or("").size() + 1);
        write(files[which], position, text, random.chance(1, 2));
        if (!content) content = "";
        content->replace(position, std::min(text.size(), content->size() - position), text);
        if (random.chance(1, 5)) disk_->carry_out(port::SyncFile{files[which], next()});
      } else if (choice < 8 && content) {
        expected_reads[read(files[which])] = *content;
      } else if (choice == 8 && content) {
        const uint64_t size = random.below(content->size() + 1);
        disk_->carry_out(port::TruncateFile{files[which], size, next()});
        content->resize(size);
      } else if (random.chance(1, 2)) {
        disk_->carry_out(port::RemoveFile{files[which], next()});
        content.reset();
      } else {
        disk_->carry_out(port::ReplaceFile{files[which], {Buffer::copy_of("fresh")}, next()});
        content = "fresh";
      }
    }
    const uint64_t last = last_cookie_;
    for (uint64_t cookie = 1; cookie <= last; ++cookie) {
      ASSERT_TRUE(done(cookie).status.has_value()) << done(cookie).status.error().message;
    }
    for (const auto& [cookie, text] : expected_reads) {
      ASSERT_EQ(done(cookie).data.text(), text) << "seed " << seed << ", effect " << cookie;
    }
    disk_.reset();
    done_.clear();
    last_cookie_ = 0;
  }
}

}  // namespace
}  // namespace magpie::os
