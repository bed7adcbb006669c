#include "control/journal.h"

#include <gtest/gtest.h>

#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::MemoryDisk;
using testing::one_node;
using testing::random_transaction;

constexpr char kPath[] = "control/journal";

class JournalTest : public ::testing::Test {
 protected:
  Status finish() {
    const auto completions = disk_.run(effects_);
    EXPECT_EQ(completions.size(), 1u);
    EXPECT_EQ(completions.front().then.owner, 4u);
    return journal_.finish(completions.front());
  }
  // Commits one transaction; true if it became durable.
  bool commit(const Transaction& transaction) {
    const Revision revision = state_.revision() + 1;
    journal_.append(state_, revision, transaction.changes, effects_);
    if (!finish()) return false;
    EXPECT_TRUE(state_.apply(revision, transaction.changes));
    return true;
  }
  Transaction some_transaction() {
    Transaction transaction;
    while (transaction.empty()) transaction = random_transaction(state_, one_node(), random_);
    return transaction;
  }
  RecoveredJournal recovered() {
    auto result = recover_journal(kPath, Buffer::copy_of(disk_.files[kPath]), "bridge");
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : RecoveredJournal{};
  }

  MemoryDisk disk_;
  port::Effects effects_;
  State state_;
  Random random_{11};
  Journal journal_{MemoryDisk::file(kPath), "bridge", {4, 0, 0}};
};

TEST_F(JournalTest, WhatIsAcknowledgedIsThere) {
  journal_.rewrite(state_, effects_);
  ASSERT_TRUE(finish());
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(commit(some_transaction()));
    ASSERT_EQ(recovered().state, state_);
    ASSERT_EQ(journal_.size_bytes(), disk_.files[kPath].size());
  }
}

TEST_F(JournalTest, GoesOnAfterARestart) {
  journal_.rewrite(state_, effects_);
  ASSERT_TRUE(finish());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(commit(some_transaction()));
    journal_ = Journal(MemoryDisk::file(kPath), "bridge", {4, 0, 0});
    journal_.adopt(recovered());
  }
  EXPECT_EQ(recovered().state, state_);
}

// What was read may be in memory only, left there by a sync that failed (journal.cc).
TEST_F(JournalTest, IsWrittenWholeByTheFirstAppendOfEveryLife) {
  journal_.rewrite(state_, effects_);
  ASSERT_TRUE(finish());
  ASSERT_TRUE(commit(some_transaction()));
  journal_ = Journal(MemoryDisk::file(kPath), "bridge", {4, 0, 0});
  journal_.adopt(recovered());
  for (const bool first : {true, false}) {
    journal_.append(state_, state_.revision() + 1, some_transaction().changes, effects_);
    ASSERT_EQ(effects_.list().size(), 1u);
    EXPECT_EQ(std::holds_alternative<port::ReplaceFile>(effects_.list().front()), first);
    ASSERT_TRUE(finish());
    state_ = recovered().state;
  }
}

TEST_F(JournalTest, DropsATornEndBeforeItAppends) {
  journal_.rewrite(state_, effects_);
  ASSERT_TRUE(finish());
  ASSERT_TRUE(commit(some_transaction()));
  disk_.files[kPath] += "MJR\1";
  const RecoveredJournal torn = recovered();
  EXPECT_EQ(torn.torn_bytes, 4u);
  journal_.adopt(torn);
  ASSERT_TRUE(commit(some_transaction()));
  EXPECT_EQ(recovered().state, state_);
  EXPECT_EQ(recovered().torn_bytes, 0u);
}

TEST_F(JournalTest, AFailedWriteLeavesNoTrace) {
  journal_.rewrite(state_, effects_);
  ASSERT_TRUE(finish());
  ASSERT_TRUE(commit(some_transaction()));
  disk_.write_error = Error{ErrorKind::kNoSpace, "no space left"};
  EXPECT_FALSE(commit(some_transaction()));
  // What the failed write left behind is unknown; here it is part of the record.
  disk_.files[kPath] += "MJR\1\0\0";
  EXPECT_FALSE(commit(some_transaction()));
  disk_.write_error.reset();
  ASSERT_TRUE(commit(some_transaction()));
  EXPECT_EQ(recovered().state, state_);
  EXPECT_EQ(recovered().torn_bytes, 0u);
}

TEST_F(JournalTest, IsRewrittenWhenMostOfItIsOvertaken) {
  journal_.rewrite(state_, effects_);
  ASSERT_TRUE(finish());
  uint64_t largest = 0;
  int rewrites = 0;
  for (int i = 0; i < 3'000; ++i) {
    const uint64_t before = journal_.size_bytes();
    ASSERT_TRUE(commit(decide_producer_id_block(state_)->transaction));
    if (journal_.size_bytes() < before) ++rewrites;
    largest = std::max(largest, journal_.size_bytes());
  }
  EXPECT_GT(rewrites, 0);
  EXPECT_LT(largest, 70'000u);
  EXPECT_EQ(recovered().state, state_);
}

}  // namespace
}  // namespace magpie::control
