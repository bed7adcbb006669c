// Records that a new leader does not have, on their way to safety (G10).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "node/testing/regions_fixture.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class TailKeeperTest : public RegionsTest {
 protected:
  // Node 1 was lost when it had written "two", which node 2 has, but not on its disk yet. Node 3
  // leads without it.
  void lose_the_leader() {
    start_bulk();
    world_.cut(0, 2);
    world_.node(1).disk.hold_below("topics/t-0");
    ASSERT_EQ(produce_at(0, "two"), ErrorCode::kNone);
    world_.run_for(Duration::seconds(1));
    world_.crash(0);
    const json done =
        operate(2, {{"kind", "failover"}, {"groups", {"bulk"}}, {"to", "c"}, {"allow_loss", true}});
    ASSERT_EQ(leader("bulk"), 3) << done.dump();
    world_.run_for(Duration::seconds(3));
  }
};

TEST_F(TailKeeperTest, WhatIsStillBeingWrittenIsWaitedFor) {
  lose_the_leader();
  EXPECT_EQ(files_at(1, "salvage/"), 0u) << "it may not be readable yet";
  world_.node(1).disk.hold(false);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).has_logged("tail_kept"); }));
  std::string kept;
  for (const auto& [path, content] : world_.node(1).disk.files()) {
    if (path.starts_with("salvage/")) kept += content;
  }
  EXPECT_NE(kept.find("two"), std::string::npos);
  ASSERT_TRUE(world_.run_until([&] {
    return world_.node(1).disk.files()["topics/t-0/00000000000000000000.log"].find("two") ==
           std::string::npos;
  }));
}

}  // namespace
}  // namespace magpie::node::testing
