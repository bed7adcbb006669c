#include "server/dev_wan.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "os/testing.h"

namespace magpie::server {
namespace {

class DevWanTest : public ::testing::Test {
 protected:
  void SetUp() override { open("magpie"); }

  void open(const std::string& store) {
    DevOptions options;
    options.data = folder_.path();
    options.base_port = 0;
    options.wan = "rtt=40ms";
    options.store = store;
    plan_ = *make_dev_plan(options);
    wan_ = std::move(*DevWan::open(context_, plan_));
  }

  // The lanes that are not open, as "bj-sh:cut ".
  std::string closed() const {
    std::string text;
    for (const DevLane& lane : wan_->lanes()) {
      if (lane.state != "open") text += lane.from + "-" + lane.to + ":" + lane.state + " ";
    }
    return text;
  }

  os::TempFolder folder_;
  boost::asio::io_context context_;
  DevPlan plan_;
  std::unique_ptr<DevWan> wan_;
};

TEST_F(DevWanTest, EveryNodeReachesEveryOneByALaneOfItsOwn) {
  std::set<uint16_t> ports;
  for (const DevLane& lane : wan_->lanes()) ports.insert(lane.listen.port);
  EXPECT_EQ(ports.size(), 9u);  // three nodes, each to two others and the store
  for (const DevNode& node : plan_.nodes) {
    const DevRoutes routes = wan_->routes_of(plan_, node);
    EXPECT_EQ(routes.links.size(), 2u);
    ASSERT_EQ(routes.store.size(), 1u);
    EXPECT_EQ(routes.store[0].find(std::to_string(plan_.stores[0].clients.port)),
              std::string::npos);
  }
}

TEST_F(DevWanTest, ARegionIsCutOffInBothDirectionsAndFromTheStore) {
  ASSERT_TRUE(wan_->cut("bj", "").has_value());
  EXPECT_EQ(closed(), "bj-gz:cut bj-sh:cut bj-store:cut gz-bj:cut sh-bj:cut ");
  ASSERT_TRUE(wan_->heal("bj", "").has_value());
  EXPECT_EQ(closed(), "");
}

TEST_F(DevWanTest, SilenceMayLieBetweenTwoOrGoOneWay) {
  ASSERT_TRUE(wan_->silence("bj", "sh", false).has_value());
  EXPECT_EQ(closed(), "bj-sh:silent sh-bj:silent ");
  ASSERT_TRUE(wan_->heal("all", "").has_value());
  ASSERT_TRUE(wan_->silence("bj", "store", true).has_value());
  EXPECT_EQ(closed(), "bj-store:half silent ");
}

TEST_F(DevWanTest, OneWayIsOneWayAlsoWhereOneNameStandsForBothEnds) {
  ASSERT_TRUE(wan_->silence("all", "bj", true).has_value());
  EXPECT_EQ(closed(),
            "bj-gz:half silent bj-sh:half silent bj-store:half silent gz-bj:half silent "
            "sh-bj:half silent ");
  open("etcd");
  ASSERT_TRUE(wan_->silence("store", "etcd.bj", true).has_value());
  EXPECT_EQ(closed(),
            "etcd.bj-etcd.gz:half silent etcd.bj-etcd.sh:half silent "
            "etcd.gz-etcd.bj:half silent etcd.sh-etcd.bj:half silent ");
}

TEST_F(DevWanTest, ARegionIsCutOffWithItsMemberButNotFromIt) {
  open("etcd");
  EXPECT_EQ(wan_->lanes().size(), 21u);  // between nodes, members, and from each to each
  EXPECT_EQ(wan_->routes_of(plan_, plan_.nodes[0]).store.size(), 3u);
  ASSERT_TRUE(wan_->cut("bj", "").has_value());
  EXPECT_EQ(closed(),
            "bj-etcd.gz:cut bj-etcd.sh:cut bj-gz:cut bj-sh:cut etcd.bj-etcd.gz:cut "
            "etcd.bj-etcd.sh:cut etcd.gz-etcd.bj:cut etcd.sh-etcd.bj:cut gz-bj:cut gz-etcd.bj:cut "
            "sh-bj:cut sh-etcd.bj:cut ");
  ASSERT_TRUE(wan_->heal("bj", "").has_value());
  EXPECT_EQ(closed(), "");
  ASSERT_TRUE(wan_->silence("bj", "sh", false).has_value());
  EXPECT_EQ(closed(),
            "bj-etcd.sh:silent bj-sh:silent etcd.bj-etcd.sh:silent etcd.sh-etcd.bj:silent "
            "sh-bj:silent sh-etcd.bj:silent ");
}

TEST_F(DevWanTest, TheStoreOrOneMemberMayBeOutOfReachForAll) {
  open("etcd");
  ASSERT_TRUE(wan_->cut("etcd.bj", "").has_value());
  EXPECT_EQ(closed(),
            "bj-etcd.bj:cut etcd.bj-etcd.gz:cut etcd.bj-etcd.sh:cut etcd.gz-etcd.bj:cut "
            "etcd.sh-etcd.bj:cut gz-etcd.bj:cut sh-etcd.bj:cut ");
  ASSERT_TRUE(wan_->heal("all", "").has_value());
  ASSERT_TRUE(wan_->cut("store", "").has_value());
  EXPECT_EQ(closed(),
            "bj-etcd.bj:cut bj-etcd.gz:cut bj-etcd.sh:cut gz-etcd.bj:cut gz-etcd.gz:cut "
            "gz-etcd.sh:cut sh-etcd.bj:cut sh-etcd.gz:cut sh-etcd.sh:cut ");
}

TEST_F(DevWanTest, ConditionsChangeWhereTheyAreMeantTo) {
  EXPECT_TRUE(wan_->change("bj", "sh", "rtt=80ms").has_value());
  const Status wrong = wan_->change("bj", "sh", "rtt=80");
  ASSERT_FALSE(wrong.has_value());
  const Status nobody = wan_->change("hz", "", "rtt=80ms");
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().message, "there is no site 'hz'");
}

}  // namespace
}  // namespace magpie::server
