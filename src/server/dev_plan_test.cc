#include "server/dev_plan.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "os/testing.h"
#include "server/config.h"

namespace magpie::server {
namespace {

class DevPlanTest : public ::testing::Test {
 protected:
  DevOptions options() const {
    DevOptions chosen;
    chosen.data = folder_.file("dev");
    chosen.base_port = 0;
    return chosen;
  }
  static std::string refusal(const DevOptions& chosen) {
    const auto plan = make_dev_plan(chosen);
    return plan ? "" : plan.error().message;
  }

  os::TempFolder folder_;
};

TEST_F(DevPlanTest, EveryRegionHasANodeWithPortsOfItsOwn) {
  DevOptions chosen = options();
  chosen.witness = "w";
  const auto plan = make_dev_plan(chosen);
  ASSERT_TRUE(plan.has_value());
  ASSERT_EQ(plan->stores.size(), 1u);
  EXPECT_EQ(plan->stores[0].name, "store");
  std::set<uint16_t> ports = {plan->stores[0].clients.port, plan->control.port};
  std::string names;
  for (const DevNode& node : plan->nodes) {
    ports.insert({node.kafka.port, node.admin.port, node.link.port});
    names += node.name + (node.witness ? "(witness) " : " ") + std::to_string(node.id) + " ";
  }
  EXPECT_EQ(names, "bj 1 sh 2 gz 3 w(witness) 4 ");
  EXPECT_EQ(ports.size(), 14u);
}

TEST_F(DevPlanTest, AnEtcdHasAnOddNumberOfMembersEachInARegion) {
  const auto members = [&](const std::string& regions) {
    DevOptions chosen = options();
    chosen.store = "etcd";
    chosen.regions = regions;
    const auto plan = make_dev_plan(chosen);
    std::string names;
    for (const DevStore& store : plan->stores) names += store.name + "@" + store.site + " ";
    EXPECT_TRUE(plan->wan.has_value());
    return names;
  };
  EXPECT_EQ(members("bj"), "etcd.bj@bj ");
  EXPECT_EQ(members("bj,sh"), "etcd.bj@bj ");
  EXPECT_EQ(members("bj,sh,gz"), "etcd.bj@bj etcd.sh@sh etcd.gz@gz ");
  EXPECT_EQ(members("a,b,c,d"), "etcd.a@a etcd.b@b etcd.c@c ");
  EXPECT_EQ(members("a,b,c,d,e,f"), "etcd.a@a etcd.b@b etcd.c@c etcd.d@d etcd.e@e ");
}

TEST_F(DevPlanTest, MembersKnowEachOtherByAddressesThatStayAndAskTheirProxyForThem) {
  DevOptions chosen = options();
  chosen.store = "etcd";
  const auto plan = make_dev_plan(chosen);
  const std::vector<std::string> arguments = store_arguments(*plan, plan->stores[1]);
  std::string line;
  for (const std::string& argument : arguments) line += argument + " ";
  for (const std::string& wanted :
       {std::string("--name=etcd.sh"), "HTTPS_PROXY=http://" + host_port_text(plan->stores[1].exit),
        std::string("--initial-advertise-peer-urls=https://192.0.2.2:2380"),
        std::string("--initial-cluster=etcd.bj=https://192.0.2.1:2380,etcd.sh=https://"
                    "192.0.2.2:2380,etcd.gz=https://192.0.2.3:2380 ")}) {
    EXPECT_NE(line.find(wanted), std::string::npos) << line;
  }
}

TEST_F(DevPlanTest, RefusesWhatCannotBe) {
  DevOptions chosen = options();
  chosen.regions = "";
  EXPECT_EQ(refusal(chosen), "there can be 1 to 16 regions, with the witness");
  chosen.regions = "bj,sh,bj";
  EXPECT_EQ(refusal(chosen), "the region 'bj' is there twice");
  for (const std::string name : {"a b", "store", "../x", ""}) {
    chosen.regions = "bj," + name + ",sh";
    EXPECT_NE(refusal(chosen).find("'" + name + "' cannot name a region"), std::string::npos);
  }
  chosen = options();
  chosen.wan = "rtt=40";
  EXPECT_EQ(refusal(chosen),
            "--wan: 'rtt=40' is not understood; there are rtt=40ms, rate=50MB and loss=0.1%");
}

TEST_F(DevPlanTest, EnvironmentIsForOneNode) {
  DevOptions chosen = options();
  chosen.environment = {"sh:A=1:2", "sh:B="};
  const auto plan = make_dev_plan(chosen);
  ASSERT_TRUE(plan.has_value());
  const std::vector<std::string> line = node_arguments(plan->nodes[1]);
  ASSERT_EQ(line.size(), 7u);
  EXPECT_EQ(line[0] + " " + line[1] + " " + line[2], "env A=1:2 B=");
  EXPECT_EQ(node_arguments(plan->nodes[0]).size(), 4u);
  for (const std::string wrong : {"hz:A=1", "A=1", "sh:A", "sh:=1"}) {
    chosen.environment = {wrong};
    EXPECT_NE(refusal(chosen).find("'" + wrong + "'"), std::string::npos);
  }
}

TEST_F(DevPlanTest, APortInUseIsNamedWithWhatItIsFor) {
  const auto plan = make_dev_plan(options());
  ASSERT_TRUE(plan.has_value());
  DevOptions chosen = options();
  chosen.base_port = 65530;
  EXPECT_EQ(refusal(chosen),
            "port 65540, for Kafka clients of sh, cannot be had: no such port. Choose others with "
            "--base-port");
}

TEST_F(DevPlanTest, HalfARoundTripEachWay) {
  relay::Conditions conditions;
  ASSERT_TRUE(change_wan(conditions, "rtt=40ms,rate=50MB"));
  EXPECT_EQ(conditions.delay, Duration::milliseconds(20));
  EXPECT_EQ(conditions.rate, 50'000'000u);
  EXPECT_FALSE(change_wan(conditions, "rtt=10ms speed=3"));
  EXPECT_EQ(conditions.delay, Duration::milliseconds(20));
}

TEST_F(DevPlanTest, NodesAcceptWhatIsWrittenForThem) {
  DevOptions chosen = options();
  chosen.witness = "w";
  chosen.lease = "3s";
  const auto plan = make_dev_plan(chosen);
  ASSERT_TRUE(plan.has_value());
  ASSERT_TRUE(write_dev_certificates(*plan).has_value());
  for (const DevNode& node : plan->nodes) {
    const DevRoutes routes{{"http://127.0.0.1:7", "http://127.0.0.1:8"},
                           {"127.0.0.1:1=127.0.0.1:2"}};
    ASSERT_TRUE(write_node_config(*plan, node, routes).has_value());
    const ConfigReading reading = read_config_file(node.folder + "/magpie.yaml");
    for (const ConfigProblem& problem : reading.problems) ADD_FAILURE() << to_string(problem);
    EXPECT_TRUE(reading.warnings.empty());
    ASSERT_TRUE(reading.config.node.cluster.has_value());
    EXPECT_TRUE(reading.config.node.cluster->links_encrypted);
    EXPECT_EQ(reading.config.node.cluster->lease_seconds, 3);
    EXPECT_EQ(reading.config.node.cluster->region_role == control::RegionRole::kWitness,
              node.name == "w");
    EXPECT_EQ(reading.config.node.region, node.name);
    EXPECT_EQ(reading.config.driver.links.routes.size(), 1u);
  }
}

TEST_F(DevPlanTest, AFolderKeepsTheStoreThatItBeganWith) {
  DevOptions chosen = options();
  const auto before = make_dev_plan(chosen);
  ASSERT_TRUE(before.has_value());
  std::filesystem::create_directories(before->folder);
  ASSERT_TRUE(keep_store(*before).has_value());
  EXPECT_TRUE(keep_store(*before).has_value());
  chosen.store = "etcd";
  const auto other = make_dev_plan(chosen);
  ASSERT_TRUE(other.has_value());
  const Status refused = keep_store(*other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("began with the control store 'magpie'"),
            std::string::npos)
      << refused.error().message;
}

TEST_F(DevPlanTest, AnAuthorityIsKeptAndKeysAreSecret) {
  const auto plan = make_dev_plan(options());
  ASSERT_TRUE(plan.has_value());
  ASSERT_TRUE(write_dev_certificates(*plan).has_value());
  const std::string authority = plan->folder + "/certificates/authority.pem";
  struct stat before {};
  ASSERT_EQ(::stat(authority.c_str(), &before), 0);
  ASSERT_TRUE(write_dev_certificates(*plan).has_value());
  struct stat after {};
  ASSERT_EQ(::stat(authority.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  struct stat key {};
  ASSERT_EQ(::stat((plan->folder + "/certificates/bj.key").c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);
}

}  // namespace
}  // namespace magpie::server
