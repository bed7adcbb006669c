#include "control/directory_age.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::MemoryDisk;

constexpr Uuid kDirectory{{7}};

TEST(DirectoryAge, ItsFileIsOneReadableLine) {
  EXPECT_EQ(encode_age_file(12), "12 7355c460\n");
  EXPECT_EQ(*decode_age_file("control/age", encode_age_file(12)), 12);
}

TEST(DirectoryAge, AFileThatIsAnythingElseIsRefusedByName) {
  const std::string whole = encode_age_file(1234);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    for (const std::string& text : {whole.substr(0, at), flipped}) {
      const auto age = decode_age_file("control/age", text);
      ASSERT_FALSE(age) << text;
      EXPECT_EQ(age.error().kind, ErrorKind::kCorrupt);
      EXPECT_NE(age.error().message.find("control/age"), std::string::npos);
    }
  }
  EXPECT_FALSE(decode_age_file("control/age", encode_age_file(-3)));
}

TEST(DirectoryAge, WhatTheStoreKnowsComesBackAsItWas) {
  EXPECT_EQ(encode_known_age(9), R"({"age":9,"v":1})");
  EXPECT_EQ(decode_known_age(encode_known_age(9)), 9);
  EXPECT_EQ(decode_known_age(R"({"age":0,"v":1})"), std::nullopt);
  EXPECT_EQ(decode_known_age(R"({"v":1})"), std::nullopt);
  EXPECT_EQ(decode_known_age("9"), std::nullopt);
}

TEST(DirectoryAge, OneThatTheStoreKnowsOlderWasPutBack) {
  State state;
  const NodeId node{3};
  EXPECT_FALSE(age_problem(state, node, kDirectory, 0)) << "the store knows nothing of it";
  ASSERT_TRUE(state.apply(1, {{directory_age_key(node, kDirectory), encode_known_age(9)}}));
  EXPECT_FALSE(age_problem(state, node, kDirectory, 9));
  EXPECT_FALSE(age_problem(state, node, kDirectory, 10)) << "the store is told afterwards";
  EXPECT_FALSE(age_problem(state, node, Uuid{{8}}, 1)) << "another directory";
  EXPECT_FALSE(age_problem(state, NodeId{4}, kDirectory, 1)) << "of another node";
  for (const int64_t age : {0, 8}) {
    const auto problem = age_problem(state, node, kDirectory, age);
    ASSERT_TRUE(problem) << age;
    for (const std::string& said :
         {std::string("node 3"), "age is " + std::to_string(age), std::string("with 9"),
          std::string("Move it away"), std::string("magpie failover")}) {
      EXPECT_NE(problem->message.find(said), std::string::npos) << problem->message;
    }
  }
}

TEST(DirectoryAge, WhatCannotBeReadIsHeldAgainstTheDirectory) {
  State state;
  const std::string key = directory_age_key(NodeId{3}, kDirectory);
  ASSERT_TRUE(state.apply(1, {{key, R"({"age":9,"v":2})"}}));
  const auto problem = age_problem(state, NodeId{3}, kDirectory, 10);
  ASSERT_TRUE(problem);
  EXPECT_NE(problem->message.find(key), std::string::npos) << problem->message;
}

TEST(DirectoryAge, AnEarlierOneThatArrivesLateIsNotTaken) {
  State state;
  const NodeId node{3};
  const Transaction late = tell_age(state, node, kDirectory, 5);
  const Transaction next = tell_age(state, node, kDirectory, 6);
  ASSERT_TRUE(state.apply(1, next.changes));
  const bool passes = std::all_of(late.compares.begin(), late.compares.end(), [&](auto& compare) {
    return state.modified(compare.key) == compare.modified;
  });
  EXPECT_FALSE(passes);
}

class AgeTest : public ::testing::Test {
 protected:
  AgeTest() { age_.begin(4); }

  // Whether anything was written.
  bool tick(Instant now) {
    port::Effects effects;
    age_.tick(now, effects);
    for (const port::DiskDone& done : disk_.run(effects)) {
      age_.finish(done, effects);
      lines_ += effects.size();
      return true;
    }
    return false;
  }

  MemoryDisk disk_;
  size_t lines_ = 0;  // of the log
  DirectoryAge age_{MemoryDisk::file(kDirectoryAgePath), {}, Duration::seconds(60)};
  const Instant start_ = Instant{} + Duration::seconds(5);
};

TEST_F(AgeTest, GrowsAtOnceAndThenOnceInAnInterval) {
  EXPECT_FALSE(age_.has_news());
  EXPECT_TRUE(tick(start_));
  EXPECT_EQ(age_.on_disk(), 5);
  EXPECT_EQ(disk_.files.at(std::string(kDirectoryAgePath)), encode_age_file(5));
  EXPECT_TRUE(age_.has_news());
  age_.told(5);
  EXPECT_FALSE(age_.has_news());
  EXPECT_FALSE(tick(start_ + Duration::seconds(59)));
  EXPECT_EQ(age_.next_deadline(), start_ + Duration::seconds(60));
  EXPECT_TRUE(tick(start_ + Duration::seconds(60)));
  EXPECT_EQ(age_.on_disk(), 6);
}

TEST_F(AgeTest, IsNotTheNextOneBeforeTheDiskHasIt) {
  port::Effects effects;
  age_.tick(start_, effects);
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_TRUE(age_.busy());
  EXPECT_EQ(age_.on_disk(), 4);
  EXPECT_FALSE(age_.has_news());
  age_.tick(start_ + Duration::seconds(120), effects);
  EXPECT_EQ(effects.size(), 1u) << "one write at a time";
  for (const port::DiskDone& done : disk_.run(effects)) age_.finish(done, effects);
  EXPECT_EQ(age_.on_disk(), 5);
}

TEST_F(AgeTest, ADiskThatRefusesIsAskedAgainLater) {
  disk_.write_error = Error{ErrorKind::kNoSpace, "full"};
  EXPECT_TRUE(tick(start_));
  EXPECT_EQ(age_.on_disk(), 4);
  EXPECT_FALSE(age_.has_news());
  EXPECT_TRUE(tick(start_ + Duration::seconds(60)));
  EXPECT_EQ(lines_, 1u) << "it is said once";
  disk_.write_error.reset();
  EXPECT_TRUE(tick(start_ + Duration::seconds(120)));
  EXPECT_EQ(age_.on_disk(), 5);
  EXPECT_EQ(lines_, 1u);
}

}  // namespace
}  // namespace magpie::control
