// A data directory that was put back to an earlier state, in a cluster.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "node/testing/regions_fixture.h"

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

}  // namespace
}  // namespace magpie::node::testing
