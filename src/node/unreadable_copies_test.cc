// Copies of which not all can be read: repaired from another region, without a person (G12).
#include <algorithm>

#include "node/testing/regions_fixture.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class UnreadableCopiesTest : public RegionsTest {
 protected:
  static constexpr const char* kLog = "topics/t-0/00000000000000000000.log";

  void begin() {
    // Everything is read from the disk.
    for (size_t i = 0; i < 3; ++i) world_.node(i).config.limits.recent_batches_bytes = 1;
    start();
    create(0);
    world_.run_for(Duration::seconds(2));
    for (const char* value : {"one", "two", "three"}) {
      ASSERT_EQ(produce_at(0, value), ErrorCode::kNone);
    }
    world_.run_for(Duration::seconds(1));
  }
  // In the first record.
  void rot(size_t index) { world_.node(index).disk.files().at(kLog)[70] ^= 1; }
  bool was_put_away(size_t index) {
    return world_.node(index).has_logged("copy_put_away") && files_at(index, "quarantine/t-0.") > 0;
  }
  std::string log_at(size_t index) {
    const auto& files = world_.node(index).disk.files();
    const auto found = files.find(kLog);
    return found == files.end() ? "none" : found->second;
  }
  bool same_logs() { return log_at(0) == log_at(1) && log_at(0) == log_at(2); }
};

TEST_F(UnreadableCopiesTest, ALeaderWhoseLogIsDamagedHandsOverAndCopiesItAnew) {
  begin();
  rot(0);
  fetch(world_.client(0), "t", 0, 0);
  ASSERT_TRUE(world_.run_until([&] { return leader() != 1; }, Duration::seconds(5)));
  ASSERT_TRUE(world_.run_until([&] { return was_put_away(0); }, Duration::seconds(30)));
  ASSERT_TRUE(world_.run_until([&] { return same_logs(); }, Duration::seconds(30)));
  world_.run_for(Duration::seconds(61));  // the rule `cooldown`
  const json back = operate(0, {{"kind", "switchover"},
                                {"groups", {"default"}},
                                {"to", "a"},
                                {"overrides", {"not-in-sync"}}});
  EXPECT_EQ(back["step"], "done") << back.dump(1);
  EXPECT_EQ(values_at(0), (std::vector<std::string>{"one", "two", "three"}));
}

// It is in the sync set: the leader takes the other one in first.
TEST_F(UnreadableCopiesTest, ACopyThatCannotBeOpenedIsCopiedAnewOnceNobodyReliesOnIt) {
  begin();
  const auto member = static_cast<size_t>(sync_set().at(0) - 1);
  world_.crash(member);
  rot(member);
  world_.boot(member);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(member).has_logged("partition_offline"); },
                               Duration::seconds(10)));
  ASSERT_TRUE(world_.run_until([&] { return was_put_away(member); }, Duration::seconds(60)));
  const std::vector<int> relied_on = sync_set();
  EXPECT_EQ(std::count(relied_on.begin(), relied_on.end(), static_cast<int>(member) + 1), 0);
  ASSERT_TRUE(world_.run_until([&] { return same_logs(); }, Duration::seconds(30)));
  EXPECT_EQ(produce_at(0, "four"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(1));
  EXPECT_TRUE(same_logs());
}

TEST_F(UnreadableCopiesTest, FilesThatAreGoneAreCopiedAnew) {
  begin();
  const auto member = static_cast<size_t>(sync_set().at(0) - 1);
  world_.crash(member);
  std::erase_if(world_.node(member).disk.files(),
                [](const auto& file) { return file.first.starts_with("topics/t-0/"); });
  world_.boot(member);
  ASSERT_TRUE(world_.run_until([&] { return same_logs(); }, Duration::seconds(60)));
  EXPECT_TRUE(world_.node(member).has_logged("copy_put_away"));
}

// Nobody would lead the group otherwise, until a person comes.
TEST_F(UnreadableCopiesTest, ALeaderThatComesBackWithoutItsLogHandsOver) {
  begin();
  const int member = sync_set().at(0);
  world_.crash(0);
  rot(0);
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(0).has_logged("group_not_led"); },
                               Duration::seconds(10)));
  ASSERT_TRUE(world_.run_until([&] { return leader() == member; }, Duration::seconds(10)));
  world_.run_for(Duration::seconds(1));
  const auto at = static_cast<size_t>(member - 1);
  const json record = json::parse(world_.node(at).http("GET", "/v1/operations/1").body);
  EXPECT_EQ(record["requested_by"], "node 1, which cannot read its copy of t-0");
  ASSERT_TRUE(
      world_.run_until([&] { return was_put_away(0) && same_logs(); }, Duration::seconds(60)));
  EXPECT_EQ(values_at(at), (std::vector<std::string>{"one", "two", "three"}));
}

// Whoever it is copied from may not know who relies on it by now.
TEST_F(UnreadableCopiesTest, NothingIsPutAwayBeforeTheStoreWasRead) {
  begin();
  const auto member = static_cast<size_t>(sync_set().at(0) - 1);
  world_.crash(member);
  rot(member);
  world_.cut_store(member);
  world_.boot(member);
  world_.run_for(Duration::seconds(60));
  EXPECT_TRUE(world_.node(member).has_logged("partition_offline"));
  EXPECT_FALSE(world_.node(member).has_logged("copy_put_away"));
  world_.join_store(member);
  ASSERT_TRUE(world_.run_until([&] { return same_logs(); }, Duration::seconds(60)));
}

}  // namespace
}  // namespace magpie::node::testing
