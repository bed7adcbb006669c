#include "control/deleted_group.h"

#include <gtest/gtest.h>

#include "control/decide_groups.h"
#include "control/exposure.h"

namespace magpie::control {
namespace {

class DeletedGroups : public ::testing::Test {
 protected:
  DeletedGroups() {
    for (const char* region : {"bj", "sh", "gz"}) {
      commit(decide_register_region(state_, {region, RegionRole::kData}));
    }
  }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  static FailoverGroup policy(const std::string& name, const char* kind = "critical") {
    FailoverGroup group = *preset(kind);
    group.name = name;
    group.regions = {"bj", "sh", "gz"};
    return group;
  }
  void remove(const std::string& name, int64_t at) {
    commit(decide_delete_group(state_, name, Duration::seconds(60), {at}));
  }

  State state_;
};

TEST_F(DeletedGroups, AGroupComesBackAsItWas) {
  commit(decide_create_group(state_, policy("pay")));
  remove("pay", 1'000);
  EXPECT_EQ(state_.find_group("pay"), nullptr);
  EXPECT_EQ(deleted_groups(state_).at("pay").kept_until, WallTime{61'000});
  EXPECT_FALSE(decide_restore_group(state_, "logs", {2'000}));
  EXPECT_FALSE(decide_restore_group(state_, "pay", {61'000})) << "its time is over";
  commit(decide_restore_group(state_, "pay", {2'000}));
  EXPECT_EQ(*state_.find_group("pay"), policy("pay"));
  EXPECT_TRUE(deleted_groups(state_).empty());
}

TEST_F(DeletedGroups, ANewOneStandsInTheWay) {
  commit(decide_create_group(state_, policy("pay")));
  remove("pay", 1'000);
  commit(decide_create_group(state_, policy("pay", "bulk")));
  EXPECT_FALSE(decide_restore_group(state_, "pay", {2'000}));
  remove("pay", 3'000);
  commit(decide_restore_group(state_, "pay", {4'000}));
  EXPECT_EQ(*state_.find_group("pay"), policy("pay", "bulk")) << "of two the later one is kept";
}

TEST_F(DeletedGroups, WhatIsKeptHasALimitAndATime) {
  for (size_t i = 0; i < kDeletedGroupsMax + 1; ++i) {
    const std::string name = "g" + std::to_string(i);
    commit(decide_create_group(state_, policy(name)));
    remove(name, static_cast<int64_t>(1'000 + i));
  }
  EXPECT_EQ(deleted_groups(state_).size(), kDeletedGroupsMax);
  EXPECT_FALSE(deleted_groups(state_).contains("g0"));
  commit(decide_create_group(state_, policy("late")));
  std::vector<Change> episodes;
  for (int64_t i = 1; i <= 100; ++i) episodes.push_back({episode_key("late", i), R"({"v":2})"});
  ASSERT_TRUE(state_.apply(state_.revision() + 1, episodes));
  const auto late = decide_delete_group(state_, "late", Duration::seconds(60), {1'000'000});
  ASSERT_TRUE(late);
  EXPECT_LT(late->transaction.changes.size(), 120u) << "what a transaction may change at most";
  commit(late);
  EXPECT_EQ(deleted_groups(state_).size(), kDeletedGroupsMax - 10 + 1) << "a few at a time";
  for (int64_t i = 0; i < 4; ++i) {
    commit(decide_create_group(state_, policy("later")));
    remove("later", 1'000'000 + i);
  }
  EXPECT_EQ(deleted_groups(state_).size(), 2u);
  commit(decide_create_group(state_, policy("never")));
  commit(decide_delete_group(state_, "never"));
  EXPECT_FALSE(deleted_groups(state_).contains("never")) << "nothing says to keep it";
}

TEST_F(DeletedGroups, ValuesAreRead) {
  const DeletedGroup deleted{policy("pay"), {1'000}, {2'000}};
  const std::string text = encode_deleted_group(deleted);
  EXPECT_EQ(*decode_deleted_group("k", "pay", text), deleted);
  EXPECT_EQ(text.substr(0, 47), R"({"deleted_at":1000,"kept_until":2000,"policy":{)");
  for (const char* bad : {"{}", R"({"v":1})", R"({"v":1,"deleted_at":1,"kept_until":2})"}) {
    EXPECT_FALSE(decode_deleted_group("k", "pay", bad)) << bad;
  }
}

}  // namespace
}  // namespace magpie::control
