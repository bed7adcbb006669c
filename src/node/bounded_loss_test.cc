// What a failover says of its loss where a max_lag bounds it (G11).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "node/testing/regions_fixture.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class BoundedLossTest : public RegionsTest {
 protected:
  void begin() { start_bulk({{"max_lag_ms", 2'000}}); }
  void cut_off_the_leader() {
    world_.cut(0, 1);
    world_.cut(0, 2);
  }
  json fail_over(size_t to) {
    world_.crash(0);
    const json done =
        operate(to, {{"kind", "failover"}, {"groups", {"bulk"}}, {"allow_loss", true}});
    return done.contains("groups") ? done["groups"][0]["loss"] : done;
  }
};

TEST_F(BoundedLossTest, IsSaidWhenEveryCopyHadCaughtUp) {
  begin();
  cut_off_the_leader();
  EXPECT_EQ(produce_at(0, "two"), ErrorCode::kNone) << "for as long as max_lag allows";
  const json loss = fail_over(1);
  EXPECT_EQ(loss["statement"], "bounded") << loss.dump();
}

// The leader stopped when its copies were as old as max_lag allows; one of them went after that.
TEST_F(BoundedLossTest, IsNotSaidWhenACopyWasEmptiedAfterTheLeaderWasCutOff) {
  begin();
  cut_off_the_leader();
  world_.lose(1);
  world_.boot(1);
  world_.run_for(Duration::seconds(5));
  const json loss = fail_over(2);
  EXPECT_EQ(loss["statement"], "unknown") << loss.dump();
  EXPECT_NE(loss["basis"].get<std::string>().find("nodes 2 have not caught up"), std::string::npos)
      << loss.dump();
}

// What was written before the limit came may be older than it says.
TEST_F(BoundedLossTest, IsNotSaidOfALimitThatWasNeverReached) {
  begin();
  ask(0, "PATCH", "/v1/failover-groups/bulk", json{{"max_lag_ms", nullptr}}.dump());
  ASSERT_TRUE(world_.run_until([&] { return !leadership("bulk").contains("max_lag_ms"); }));
  cut_off_the_leader();
  EXPECT_EQ(produce_at(0, "two"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(20));
  ask(0, "PATCH", "/v1/failover-groups/bulk", json{{"max_lag_ms", 2'000}}.dump());
  world_.run_for(Duration::seconds(3));
  const json loss = fail_over(1);
  EXPECT_EQ(loss["statement"], "unknown") << loss.dump();
}

TEST_F(BoundedLossTest, IsNotSaidByThoseWhomALeaderDidNotCountOn) {
  begin();
  world_.cut(0, 1);
  EXPECT_EQ(produce_at(0, "two"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(20));
  EXPECT_EQ(produce_at(0, "three"), ErrorCode::kNone) << "c holds what it writes";
  ask(1, "PATCH", "/v1/failover-groups/bulk", json{{"regions", {"a", "b"}}}.dump());
  world_.run_for(Duration::seconds(3));
  EXPECT_NE(produce_at(0, "four"), ErrorCode::kNone) << "nobody follows who is near enough";
  const json loss = fail_over(1);
  EXPECT_EQ(loss["statement"], "unknown") << loss.dump();
}

}  // namespace
}  // namespace magpie::node::testing
