#include "control/created_partitions.h"

#include <gtest/gtest.h>

#include "control/decide_topic.h"
#include "control/groups_fixture.h"
#include "control/keys.h"

namespace magpie::control {
namespace {

class CreatedPartitionsTest : public GroupsFixture {
 protected:
  // The node begins in the directory, or comes back in it.
  DataDirectory begin(uint8_t directory) {
    const Node known = node(1, "bj", directory);
    commit(decide_register_node(state_, known));
    return {NodeId{1}, known.incarnation};
  }
  void mark(const DataDirectory& disk, int32_t partitions) {
    commit(decide_mark_created(state_, disk, id_, partitions));
  }
  size_t marks() const {
    size_t count = 0;
    for (const auto& [key, entry] : state_.entries()) count += key.starts_with(kCreatedPrefix);
    return count;
  }

  void SetUp() override {
    three_regions();
    id_ = create_topic("a", "default").id;
  }

  Uuid id_;
};

TEST_F(CreatedPartitionsTest, ADirectoryHoldsWhatItHeldWhenItComesBack) {
  const DataDirectory first = begin(1);
  mark(first, 4);
  const DataDirectory empty = begin(2);
  EXPECT_FALSE(state_.is_created(empty, id_, 0));
  mark(empty, 2);
  EXPECT_TRUE(state_.is_created(empty, id_, 1));
  EXPECT_FALSE(state_.is_created(empty, id_, 3));
  begin(1);
  EXPECT_TRUE(state_.is_created(first, id_, 3));
  EXPECT_TRUE(decide_mark_created(state_, first, id_, 4)->transaction.empty());
}

TEST_F(CreatedPartitionsTest, OnlyTheRegisteredDirectoryMarks) {
  const DataDirectory first = begin(1);
  const auto late = decide_mark_created(state_, first, id_, 4);
  begin(2);
  EXPECT_FALSE(state_.allows(late->transaction));
  EXPECT_NE(refusal(decide_mark_created(state_, first, id_, 4)).find("not registered"),
            std::string::npos);
  const DataDirectory stranger{NodeId{9}, first.incarnation};
  EXPECT_NE(refusal(decide_mark_created(state_, stranger, id_, 4)).find("not registered"),
            std::string::npos);
}

TEST_F(CreatedPartitionsTest, OfManyDirectoriesThoseMarkedLongestAgoAreForgotten) {
  const DataDirectory first = begin(1);
  mark(first, 4);
  for (uint8_t later = 2; later <= 9; ++later) mark(begin(later), 4);
  EXPECT_EQ(marks(), 4u);
  EXPECT_FALSE(state_.is_created(first, id_, 0));
  EXPECT_TRUE(state_.is_created(begin(6), id_, 0));
}

TEST_F(CreatedPartitionsTest, TheyGoWithTheTopic) {
  mark(begin(1), 4);
  mark(begin(2), 4);
  commit(decide_delete_topic(state_, {"a", std::nullopt}));
  EXPECT_EQ(marks(), 0u);
}

// As it was written before each directory had a key of its own.
TEST_F(CreatedPartitionsTest, ReadsWhatOlderBuildsWrote) {
  const DataDirectory first = begin(1);
  const std::string value =
      R"({"incarnation":")" + to_string(*first.incarnation) + R"(","partitions":2,"v":1})";
  ASSERT_TRUE(state_.apply(state_.revision() + 1, {{created_key(NodeId{1}, id_), value}}));
  EXPECT_TRUE(state_.is_created(first, id_, 1));
  EXPECT_FALSE(state_.is_created(begin(2), id_, 1));
  mark(begin(1), 4);
  EXPECT_TRUE(state_.is_created(first, id_, 1));
  EXPECT_TRUE(state_.is_created(first, id_, 3));
}

}  // namespace
}  // namespace magpie::control
