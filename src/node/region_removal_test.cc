// A region that is taken out while the cluster runs, and taken in again.
#include "node/testing/regions_fixture.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class RegionRemovalTest : public RegionsTest {
 protected:
  // All is open and has a first record; `member` is in the sync set.
  void begin(int& member) {
    start();
    create(0);
    world_.run_for(Duration::seconds(2));
    ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
    ASSERT_TRUE(world_.run_until([&] { return is_open("system") && !sync_set("system").empty(); }));
    member = sync_set().at(0);
  }
};

TEST_F(RegionRemovalTest, ARegionIsTakenOutWhileItRunsAndInAgain) {
  int out = 0;
  begin(out);
  const auto index = static_cast<size_t>(out - 1);
  const std::string path = std::string("/v1/regions/") + "abc"[index] + "/";
  EXPECT_EQ(ask(0, "POST", "/v1/regions/a/remove", "")["error"]["code"], "not_possible") << "leads";
  world_.run_for(Duration::seconds(60));
  json answer = json::object();
  int steps = 0;
  for (; steps < 50 && answer.value("state", "") != "removed"; ++steps) {
    answer = ask(0, "POST", path + "remove", "");
    // While it is let go, and after that, writes go on.
    ASSERT_EQ(produce_at(0, "more"), ErrorCode::kNone) << steps << answer.dump();
    world_.run_for(Duration::milliseconds(200));
  }
  EXPECT_EQ(answer["state"], "removed") << answer.dump();
  EXPECT_GT(steps, 1);
  for (const char* group : {"default", "system"}) {
    EXPECT_EQ(sync_set(group).size(), 1u) << group;
    EXPECT_NE(sync_set(group).at(0), out) << group;
  }
  EXPECT_EQ(world_.stored("nodes/" + std::to_string(out)), "");
  EXPECT_EQ(world_.stored("alive/" + std::to_string(out)), "") << "others go on with what it did";
  world_.run_for(Duration::seconds(1));
  NodeHarness& gone = world_.node(index);
  EXPECT_TRUE(gone.has_logged("region_removed"));
  EXPECT_EQ(gone.http("GET", "/readyz").status, 503);
  EXPECT_GT(files_at(index, "topics/t-0/"), 0u);
  const auto log_end = [&](size_t at) {
    const json topic = json::parse(world_.node(at).http("GET", "/v1/topics/t").body);
    return topic["partitions"][0]["log_end"].get<int64_t>();
  };
  const int64_t held = log_end(index);
  ASSERT_EQ(produce_at(0, "without it"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(2));
  EXPECT_EQ(log_end(index), held) << "it follows nobody";
  EXPECT_GT(log_end(0), held);
  // What is asked of it is refused at once: it is none of the cluster's nodes.
  const json refused = ask(index, "POST", path + "readmit", "");
  EXPECT_NE(refused.dump().find("at a node of another region"), std::string::npos)
      << refused.dump();

  EXPECT_EQ(world_.stored("alive/" + std::to_string(out)), "");
  EXPECT_EQ(ask(0, "POST", path + "readmit", "")["state"], "member");
  ASSERT_TRUE(world_.run_until([&] { return log_end(index) == log_end(0); }, Duration::seconds(20)))
      << "what it held is kept, and the rest comes";
  EXPECT_TRUE(gone.has_logged("region_readmitted"));
  EXPECT_FALSE(gone.has_logged("copy_begun_anew"));
  EXPECT_NE(world_.stored("alive/" + std::to_string(out)), "");
  EXPECT_EQ(gone.http("GET", "/readyz").status, 200);
}

TEST_F(RegionRemovalTest, ANodeOfARemovedRegionDoesNotStart) {
  start();
  create(0);
  ASSERT_TRUE(world_.run_until([&] { return is_open("system") && !sync_set("system").empty(); }));
  const int out = sync_set().at(0);
  const auto index = static_cast<size_t>(out - 1);
  world_.crash(index);
  world_.run_for(Duration::seconds(60));
  const std::string path = std::string("/v1/regions/") + "abc"[index] + "/remove";
  json answer = json::object();
  for (int i = 0; i < 100 && answer.value("state", "") != "removed"; ++i) {
    answer = ask(0, "POST", path, "");
    world_.run_for(Duration::milliseconds(300));
  }
  ASSERT_EQ(answer["state"], "removed") << answer.dump();
  ASSERT_EQ(produce_at(0, "without it"), ErrorCode::kNone);
  world_.boot(index);
  NodeHarness& gone = world_.node(index);
  ASSERT_TRUE(world_.run_until([&] { return gone.phase() == Phase::kFailed; }));
  EXPECT_TRUE(gone.has_logged("control.not_registered"));
  EXPECT_EQ(leader(), 1);
}

// Seed 96869. A node begins empty, and its region is removed before it has opened anything: what
// its former directory held must not count as created in this one, or the next start would take
// what it copies from now on for the rest of an interrupted creation.
TEST_F(RegionRemovalTest, ANodeThatBeginsEmptyWhileItsRegionGoesHasCreatedNothing) {
  int out = 0;
  begin(out);
  const auto index = static_cast<size_t>(out - 1);
  NodeHarness& gone = world_.node(index);
  world_.run_for(Duration::seconds(60));
  const auto registered = [&] {
    const std::string value = world_.stored("nodes/" + std::to_string(out));
    return value.empty() ? "" : json::parse(value)["incarnation"].get<std::string>();
  };
  const std::string topic = json::parse(world_.stored("topics/t"))["id"].get<std::string>();
  const std::string mark = "created/" + std::to_string(out) + "/" + topic + "/";
  const auto is_marked = [&](const std::string& directory) {
    return !world_.stored(mark + directory).empty();
  };
  const std::string before = registered();
  ASSERT_TRUE(is_marked(before));
  world_.crash(index);
  gone.disk.files().clear();
  gone.disk.hold_below("topics/");
  world_.boot(index);
  ASSERT_TRUE(world_.run_until([&] { return !registered().empty() && registered() != before; },
                               Duration::seconds(30)));
  const std::string empty = registered();
  const std::string path = std::string("/v1/regions/") + "abc"[index] + "/";
  json answer = json::object();
  for (int i = 0; i < 100 && answer.value("state", "") != "removed"; ++i) {
    answer = ask(0, "POST", path + "remove", "");
    world_.run_for(Duration::milliseconds(300));
  }
  ASSERT_EQ(answer["state"], "removed") << answer.dump();
  ASSERT_TRUE(world_.run_until([&] { return gone.has_logged("region_removed"); }));
  gone.disk.hold(false);
  world_.run_for(Duration::seconds(2));
  EXPECT_FALSE(is_marked(empty)) << "nobody is registered";
  ASSERT_EQ(ask(0, "POST", path + "readmit", "")["state"], "member");
  ASSERT_TRUE(world_.run_until([&] { return is_marked(empty); }, Duration::seconds(20)));
  EXPECT_TRUE(world_.run_until([&] { return files_at(index, "topics/t-0/") > 0; }));
}

}  // namespace
}  // namespace magpie::node::testing
