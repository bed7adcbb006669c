// `magpie dev` as a user meets it.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "server/testing.h"

namespace magpie::server {
namespace {

using nlohmann::json;

class DevTest : public ::testing::Test {
 protected:
  Process start(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"dev",   "--data",      data(), "--regions",
                                          "bj,sh", "--base-port", "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Process(arguments);
  }
  std::string data() const { return folder_.file("dev"); }
  CommandResult tell(std::vector<std::string> order) {
    std::vector<std::string> arguments = {"dev", "tell", "--data", data()};
    arguments.insert(arguments.end(), order.begin(), order.end());
    return run_magpie(arguments);
  }
  json about() const {
    std::ifstream file(data() + "/dev.json");
    return json::parse(file, nullptr, false);
  }
  json node(const std::string& name) const {
    for (const json& one : about().value("nodes", json::array())) {
      if (one.at("name") == name) return one;
    }
    return json::object();
  }
  // Everything that the file says runs.
  std::vector<pid_t> children() const {
    const json everyone = about();
    std::vector<pid_t> pids;
    for (const json& list : {everyone.at("store").at("members"), everyone.at("nodes")}) {
      for (const json& one : list) pids.push_back(one.at("pid").get<pid_t>());
    }
    return pids;
  }
  static bool runs(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    return std::getline(stat, line) && line.find(") Z") == std::string::npos;
  }

  os::TempFolder folder_;
};

TEST_F(DevTest, StartsEveryoneAndEndsEveryone) {
  Process dev = start();
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  EXPECT_EQ(about().at("state"), "ready");
  const std::vector<pid_t> pids = children();
  ASSERT_EQ(pids.size(), 3u);
  for (const pid_t pid : pids) EXPECT_TRUE(runs(pid));
  dev.signal(SIGTERM);
  EXPECT_EQ(dev.exit_code(), 0) << dev.output();
  for (const pid_t pid : pids) EXPECT_FALSE(runs(pid));
  EXPECT_EQ(about().at("state"), "stopped");
}

TEST_F(DevTest, ChildrenDieWithIt) {
  Process dev = start();
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  const std::vector<pid_t> pids = children();
  dev.signal(SIGKILL);
  EXPECT_EQ(dev.exit_code(), -1);
  for (const pid_t pid : pids) EXPECT_TRUE(os::eventually([pid] { return !runs(pid); }));
}

TEST_F(DevTest, ARegionMayBeKilledErasedAndStartedAgain) {
  Process dev = start();
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  EXPECT_EQ(tell({"erase", "bj"}).exit_code, 1);
  EXPECT_EQ(tell({"kill", "bj"}).exit_code, 0);
  ASSERT_TRUE(dev.says("bj ended as ordered: killed by signal 9 (Killed)")) << dev.output();
  EXPECT_EQ(node("bj").at("state"), "ended");
  EXPECT_EQ(node("sh").at("state"), "ready");
  const CommandResult twice = tell({"kill", "bj"});
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_EQ(twice.output, "magpie: bj does not run\n");
  EXPECT_EQ(tell({"erase", "bj"}).exit_code, 0);
  EXPECT_EQ(tell({"start", "bj"}).exit_code, 0);
  EXPECT_TRUE(dev.says("bj is ready")) << dev.output();
}

TEST_F(DevTest, OneOrderMayNameSeveralProcesses) {
  Process dev = start();
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  EXPECT_EQ(tell({"kill", "bj", "store"}).exit_code, 0);
  ASSERT_TRUE(dev.says("bj ended as ordered")) << dev.output();
  ASSERT_TRUE(dev.says("store ended as ordered")) << dev.output();
  EXPECT_EQ(tell({"erase", "store"}).output, "magpie: 'store' is no region here\n");
  EXPECT_EQ(tell({"start", "store", "bj"}).exit_code, 0);
  EXPECT_TRUE(dev.says("bj is ready")) << dev.output();
  EXPECT_EQ(tell({"start", "hz"}).output, "magpie: there is no 'hz' here\n");
}

TEST_F(DevTest, AnEtcdThatIsNotThereIsNamedWithWhatToDo) {
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  const CommandResult refused =
      run_magpie({"dev", "--data", data(), "--base-port", "0", "--store", "etcd"});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_NE(refused.output.find("apt-get install etcd-server"), std::string::npos)
      << refused.output;
}

TEST_F(DevTest, WhoDiesByItselfIsReportedAndStartedAgainIfWanted) {
  Process dev = start({"--restart"});
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  ::kill(node("sh").at("pid").get<pid_t>(), SIGKILL);
  ASSERT_TRUE(dev.says("sh ended: killed by signal 9 (Killed)")) << dev.output();
  EXPECT_TRUE(dev.says("sh is ready")) << dev.output();
}

TEST_F(DevTest, TheWanObeysOrders) {
  Process dev = start({"--wan", "rtt=2ms"});
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  EXPECT_EQ(tell({"silence", "bj", "to", "sh"}).exit_code, 0);
  EXPECT_EQ(tell({"wan", "rtt=4ms", "rate=1MB"}).exit_code, 0);
  EXPECT_EQ(tell({"heal", "all"}).exit_code, 0);
  const CommandResult nobody = tell({"cut", "hz"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_EQ(nobody.output, "magpie: there is no site 'hz'\n");
  const CommandResult status = tell({"status"});
  const json answer = json::parse(status.output, nullptr, false);
  ASSERT_TRUE(answer.is_object()) << status.output;
  EXPECT_EQ(answer.at("lanes").size(), 4u);
  EXPECT_EQ(tell({"dance"}).exit_code, 1);
}

TEST_F(DevTest, OneFolderOneCluster) {
  Process dev = start();
  ASSERT_TRUE(dev.says("ready after")) << dev.output();
  Process second = start();
  EXPECT_EQ(second.exit_code(), 3);
  EXPECT_NE(second.output().find("is in use by process"), std::string::npos) << second.output();
}

TEST_F(DevTest, TellingNobodyIsRefused) {
  const CommandResult nobody = tell({"status"});
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_NE(nobody.output.find("name the folder of a running `magpie dev`"), std::string::npos);
}

}  // namespace
}  // namespace magpie::server
