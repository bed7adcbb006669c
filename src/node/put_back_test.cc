// A data directory that was put back to an earlier state, in a cluster.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "node/testing/regions_fixture.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class PutBackTest : public RegionsTest {
 protected:
  void begin() {
    start();
    create(0);
    world_.run_for(Duration::seconds(2));
    ASSERT_EQ(leader(), 1);
    ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  }
  // It was some time ago that its directory was like this.
  void put_back(size_t index, const std::map<std::string, std::string>& snapshot) {
    world_.run_for(Duration::seconds(61));
    world_.crash(index);
    world_.node(index).disk.files() = snapshot;
  }
  std::string log_of(size_t index) {
    return world_.node(index).disk.files()["topics/t-0/00000000000000000000.log"];
  }
  bool has_refused(size_t index) {
    return world_.node(index).phase() == Phase::kFailed &&
           world_.node(index).node().failure().find("put back") != std::string::npos;
  }
};

TEST_F(PutBackTest, ALeaderThatWasPutBackDoesNotLeadWithLess) {
  begin();
  const auto snapshot = world_.node(0).disk.files();
  ASSERT_EQ(produce_at(0, "two"), ErrorCode::kNone);
  put_back(0, snapshot);
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] { return has_refused(0); }));
  EXPECT_EQ(leadership()["leader"]["node"], 1) << "nobody has moved it";
  world_.crash(0);
  const int other = sync_set().at(0);
  const size_t index = static_cast<size_t>(other - 1);
  const json done = operate(index, {{"kind", "failover"}, {"groups", {"default"}}});
  EXPECT_EQ(done["groups"][0]["loss"]["statement"], "zero-proven") << done.dump();
  EXPECT_EQ(values_at(index), (std::vector<std::string>{"one", "two"}));
  // As the message says.
  world_.node(0).disk.files().clear();
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(0).phase() == Phase::kRunning; }));
  ASSERT_TRUE(world_.run_until([&] { return log_of(0).find("two") != std::string::npos; }));
  EXPECT_NE(log_of(0).find("one"), std::string::npos);
}

TEST_F(PutBackTest, OneThatStartedWithoutTheStoreEndsWhenItReadsIt) {
  begin();
  const size_t index = static_cast<size_t>(sync_set().at(0) - 1);
  const auto snapshot = world_.node(index).disk.files();
  put_back(index, snapshot);
  world_.cut_store(index);
  world_.boot(index);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(index).phase() == Phase::kRunning; },
                               Duration::seconds(60)));
  world_.join_store(index);
  ASSERT_TRUE(world_.run_until([&] { return has_refused(index); }, Duration::seconds(60)));
}

// A volume that was not mounted: the node began empty, and then it is there again.
TEST_F(PutBackTest, ADirectoryThatComesBackAfterAnEmptyOneHoldsWhatItHeld) {
  begin();
  const std::string before = json::parse(world_.stored("nodes/1"))["incarnation"];
  const auto volume = world_.node(0).disk.files();
  world_.crash(0);
  world_.node(0).disk.files().clear();
  world_.boot(0);
  const std::string topic = json::parse(world_.stored("topics/t"))["id"];
  ASSERT_TRUE(world_.run_until(
      [&] {
        const std::string now = json::parse(world_.stored("nodes/1"))["incarnation"];
        return now != before && !world_.stored("created/1/" + topic + "/" + now).empty();
      },
      Duration::seconds(60)));
  world_.crash(0);
  world_.node(0).disk.files() = volume;
  for (size_t other : {1, 2}) world_.cut(0, other);
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(0).phase() == Phase::kRunning; },
                               Duration::seconds(60)));
  world_.run_for(Duration::seconds(2));
  EXPECT_NE(log_of(0).find("one"), std::string::npos) << "it was taken for leftovers";
}

// What a node has done can be ahead of its copy of the cluster state. Of what the copy does not
// know nothing is emptied or moved before the store was read.
class BehindTest : public PutBackTest {
 protected:
  // The member's copy is put back to what it was once it held `from` and did not know yet that the
  // partition exists; then it starts without the store, and later it has it.
  void start_behind(const std::string& from) {
    start();
    ASSERT_TRUE(world_.run_until([&] { return is_open("system") && !sync_set("system").empty(); }));
    index_ = static_cast<size_t>(sync_set().at(0) - 1);
    auto& files = world_.node(index_).disk.files();
    std::string behind = files["control/journal"];
    create_and_note(from, behind);
    ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
    world_.run_for(Duration::seconds(2));
    ASSERT_NE(log_of(index_).find("one"), std::string::npos);
    world_.crash(index_);
    files["control/journal"] = behind;
    world_.cut_store(index_);
    for (size_t other : {0, 1, 2}) {
      if (other != index_) world_.cut(index_, other);
    }
    world_.boot(index_);
    ASSERT_TRUE(world_.run_until([&] { return world_.node(index_).phase() == Phase::kRunning; },
                                 Duration::seconds(60)));
    world_.run_for(Duration::seconds(3));
    EXPECT_NE(log_of(index_).find("one"), std::string::npos) << "before the store was read";
    world_.join_store(index_);
    world_.run_for(Duration::seconds(10));
    EXPECT_NE(log_of(index_).find("one"), std::string::npos) << "after it was read";
    for (size_t other : {0, 1, 2}) {
      if (other != index_) world_.join(index_, other);
    }
    EXPECT_EQ(produce_at(0, "two"), ErrorCode::kNone);
    EXPECT_TRUE(world_.run_until([&] { return log_of(index_).find("two") != std::string::npos; },
                                 Duration::seconds(30)));
    EXPECT_FALSE(world_.node(index_).has_logged("folder_quarantined"));
    EXPECT_FALSE(world_.node(index_).has_logged("copy_begun_anew"));
  }

 private:
  // `behind`: the newest such copy, or as it is.
  void create_and_note(const std::string& from, std::string& behind) {
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1});
    world_.client(0).send(request, 5);
    const std::string mark = "created/" + std::to_string(index_ + 1) + "/";
    ASSERT_TRUE(world_.run_until([&] {
      const std::string copy = world_.node(index_).disk.files()["control/journal"];
      if (copy.find(mark) != std::string::npos) return true;
      if (copy.find(from) != std::string::npos) behind = copy;
      return false;
    }));
    world_.run_for(Duration::seconds(1));
    ASSERT_TRUE(world_.client(0).take<wire::CreateTopicsResponse>(5));
  }

  size_t index_ = 0;
};

TEST_F(BehindTest, AnUnmarkedPartitionIsNotEmptied) {
  start_behind("topics/t");
}

TEST_F(BehindTest, AnUnknownTopicIsNotPutIntoQuarantine) {
  start_behind("no such key");
}

}  // namespace
}  // namespace magpie::node::testing
