#include "os/file_store.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "os/testing.h"

namespace magpie::os {
namespace {

// Counts syncs by kind and lets one named call fail.
class CountingCalls final : public FileCalls {
 public:
  int sync_data(int file) override {
    ++data_syncs;
    if (fail_data_sync != 0) {
      errno = fail_data_sync;
      return -1;
    }
    return FileCalls::sync_data(file);
  }
  int sync(int file) override {
    ++syncs;
    return FileCalls::sync(file);
  }
  ssize_t write_at(int file, const iovec* pieces, int count, uint64_t position) override {
    if (longest_write == 0) return FileCalls::write_at(file, pieces, count, position);
    const iovec first{pieces[0].iov_base, std::min(pieces[0].iov_len, longest_write)};
    return FileCalls::write_at(file, &first, 1, position);
  }

  int data_syncs = 0;
  int syncs = 0;
  int fail_data_sync = 0;
  size_t longest_write = 0;
};

class FileStoreTest : public ::testing::Test {
 protected:
  FileStoreTest() { reopen(folder_.path()); }

  void reopen(const std::string& root) {
    auto store = FileStore::open(root, calls_);
    ASSERT_TRUE(store.has_value());
    store_ = std::move(*store);
  }

  Status write(const std::string& path, const std::string& text, uint64_t position = 0) {
    Result<OpenFileRef> file = store_->open_file(path, Access::kWrite);
    if (!file) return fail(file.error());
    uint64_t written = 0;
    return store_->write(**file, path, {{const_cast<char*>(text.data()), text.size()}}, position,
                         &written);
  }

  std::string read(const std::string& path) {
    Result<OpenFileRef> file = store_->open_file(path, Access::kRead);
    if (!file) return "(" + file.error().message + ")";
    Result<Buffer> data = store_->read(**file, path, 0, 1'000'000);
    return data ? std::string(data->text()) : "(" + data.error().message + ")";
  }

  TempFolder folder_;
  CountingCalls calls_;
  std::unique_ptr<FileStore> store_;
};

TEST_F(FileStoreTest, NamesStayInsideTheDataDirectory) {
  for (const char* good : {"a", "a/b", "a.b/..c", "a/b-0/0000.log"}) {
    EXPECT_TRUE(check_path(good).has_value()) << good;
  }
  for (const char* bad : {"", "/", "/etc/passwd", "a/", "a//b", "..", "a/../b", "./a", "a/."}) {
    EXPECT_EQ(check_path(bad).error().kind, ErrorKind::kInvalidArgument) << bad;
    EXPECT_FALSE(write(bad, "x").has_value()) << bad;
  }
  EXPECT_FALSE(check_path(std::string_view("a\0b", 3)).has_value());
}

TEST_F(FileStoreTest, WritesAllPiecesHoweverShortTheSingleWritesAre) {
  calls_.longest_write = 3;
  Result<OpenFileRef> file = store_->open_file("f", Access::kWrite);
  ASSERT_TRUE(file.has_value());
  std::string one = "magpies ";
  std::string two = "build a bridge";
  uint64_t written = 0;
  ASSERT_TRUE(store_->write(**file, "f",
                            {{one.data(), one.size()}, {nullptr, 0}, {two.data(), two.size()}}, 2,
                            &written));
  EXPECT_EQ(written, one.size() + two.size());
  EXPECT_EQ(read("f"), std::string("\0\0", 2) + one + two);
}

TEST_F(FileStoreTest, TheFirstSyncAlsoSyncsTheNewFoldersAbove) {
  ASSERT_TRUE(write("a/b/one", "1"));
  Result<OpenFileRef> file = store_->open_file("a/b/one", Access::kRead);
  ASSERT_TRUE(store_->sync(**file, "a/b/one"));
  EXPECT_EQ(calls_.syncs, 3);  // a/b, a and the data directory
  ASSERT_TRUE(store_->sync(**file, "a/b/one"));
  EXPECT_EQ(calls_.syncs, 3);
  EXPECT_EQ(calls_.data_syncs, 2);
  ASSERT_TRUE(write("a/b/two", "2"));
  file = store_->open_file("a/b/two", Access::kRead);
  ASSERT_TRUE(store_->sync(**file, "a/b/two"));
  EXPECT_EQ(calls_.syncs, 4);  // a/b alone has a new entry
}

TEST_F(FileStoreTest, FoldersThatAreRenamedKeepWhatWasNotSynced) {
  ASSERT_TRUE(write("old/b/one", "1"));
  ASSERT_TRUE(store_->rename("old", "new"));
  const int before = calls_.syncs;
  Result<OpenFileRef> file = store_->open_file("new/b/one", Access::kRead);
  ASSERT_TRUE(store_->sync(**file, "new/b/one"));
  EXPECT_EQ(calls_.syncs - before, 2);  // new/b and new; the data directory was synced by rename()
}

TEST_F(FileStoreTest, AFailedSyncSaysThatLaterSyncsProveNothing) {
  ASSERT_TRUE(write("f", "x"));
  Result<OpenFileRef> file = store_->open_file("f", Access::kRead);
  calls_.fail_data_sync = EIO;
  const Status synced = store_->sync(**file, "f");
  ASSERT_FALSE(synced.has_value());
  EXPECT_EQ(synced.error().kind, ErrorKind::kIo);
  EXPECT_EQ(synced.error().message,
            "cannot sync f; bytes written to it since the last sync may be lost even if a later "
            "sync succeeds: Input/output error");
}

TEST_F(FileStoreTest, ReplacesAsAWholeAndHidesWhatAnInterruptedReplaceLeft) {
  ASSERT_TRUE(write("c/state", "the old and longer content"));
  ASSERT_TRUE(write("c/state.replacing", "left over from a crash, longer than the new content"));
  ASSERT_TRUE(store_->replace("c/state", {Buffer::copy_of("new "), Buffer::copy_of("content")}));
  EXPECT_EQ(read("c/state"), "new content");
  ASSERT_TRUE(write("c/other.replacing", "x"));
  auto entries = store_->list("c");
  ASSERT_TRUE(entries.has_value());
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ((*entries)[0].name, "state");
  EXPECT_EQ((*entries)[0].size, 11u);
}

TEST_F(FileStoreTest, ListsSortedAndAMissingFolderIsEmpty) {
  ASSERT_TRUE(write("d/b", "22"));
  ASSERT_TRUE(write("d/a/x", "1"));
  ASSERT_TRUE(write("d/c", ""));
  auto entries = store_->list("d");
  ASSERT_TRUE(entries.has_value());
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_TRUE((*entries)[0].is_folder);
  EXPECT_EQ((*entries)[1].name, "b");
  EXPECT_EQ((*entries)[1].size, 2u);
  EXPECT_EQ((*entries)[2].name, "c");
  EXPECT_EQ(store_->list("nowhere")->size(), 0u);
  EXPECT_EQ(store_->list("")->size(), 1u);
}

TEST_F(FileStoreTest, CutsRemovesAndMissesFiles) {
  ASSERT_TRUE(write("f", "0123456789"));
  ASSERT_TRUE(store_->truncate("f", 4));
  EXPECT_EQ(read("f"), "0123");
  ASSERT_TRUE(store_->remove("f"));
  ASSERT_TRUE(store_->remove("f"));
  EXPECT_EQ(store_->truncate("f", 0).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(store_->open_file("f", Access::kRead).error().kind, ErrorKind::kNotFound);
  ASSERT_TRUE(write("d/e/f", "x"));
  ASSERT_TRUE(write("d/g.replacing", "x"));
  ASSERT_TRUE(store_->remove_folder("d"));
  ASSERT_TRUE(store_->remove_folder("d"));
  EXPECT_FALSE(std::filesystem::exists(folder_.file("d")));
}

TEST_F(FileStoreTest, ReadsPiecesAndStopsAtTheEnd) {
  ASSERT_TRUE(write("f", "0123456789"));
  Result<OpenFileRef> file = store_->open_file("f", Access::kRead);
  EXPECT_EQ(store_->read(**file, "f", 7, 100)->text(), "789");
  EXPECT_EQ(store_->read(**file, "f", 10, 100)->size(), 0u);
  EXPECT_EQ(store_->read(**file, "f", 99, 100)->size(), 0u);
  const std::optional<Buffer> cached = store_->read_cached(**file, 2, 3);
  if (cached.has_value()) {
    EXPECT_EQ(cached->text(), "234");
  }
}

TEST_F(FileStoreTest, AFullDeviceIsNoSpace) {
  std::error_code error;
  std::filesystem::create_symlink("/dev/full", folder_.file("full"), error);
  ASSERT_FALSE(error);
  const Status written = write("full", "x");
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(written.error().message, "cannot write at 0 of full: No space left on device");
}

TEST_F(FileStoreTest, AFullFileSystemIsNoSpaceAndHealsWhenSpaceReturns) {
  const std::string small = folder_.file("small");
  std::filesystem::create_directory(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "mounting a small file system is not permitted here: " << strerror(errno);
  }
  reopen(small);
  ASSERT_TRUE(write("filler", std::string(900'000, 'x')));
  const Status full = write("more", std::string(900'000, 'y'));
  const bool removed = store_->remove("filler").has_value();
  const Status after = write("more", std::string(900'000, 'y'));
  reopen(folder_.path());
  ::umount(small.c_str());
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().kind, ErrorKind::kNoSpace);
  EXPECT_TRUE(removed);
  EXPECT_TRUE(after.has_value());
}

TEST_F(FileStoreTest, ReadsGoOnWhereWritingIsForbidden) {
  const std::string frozen = folder_.file("frozen");
  ASSERT_TRUE(write("frozen/f", "still here"));
  if (::mount(frozen.c_str(), frozen.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, frozen.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    GTEST_SKIP() << "mounting read-only is not permitted here: " << strerror(errno);
  }
  const std::string text = read("frozen/f");
  const Status written = write("frozen/f", "no");
  ::umount(frozen.c_str());
  EXPECT_EQ(text, "still here");
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind, ErrorKind::kIo);
}

TEST(ErrorKind, SaysWhetherSpaceOrTheDeviceIsTheProblem) {
  EXPECT_EQ(error_kind(ENOSPC), ErrorKind::kNoSpace);
  EXPECT_EQ(error_kind(EDQUOT), ErrorKind::kNoSpace);
  EXPECT_EQ(error_kind(EIO), ErrorKind::kIo);
  EXPECT_EQ(error_kind(EFBIG), ErrorKind::kIo);
  EXPECT_EQ(error_kind(ENOENT), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace magpie::os
