// A member that does not sync what it says it holds, and ends without having stopped in order.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

// The node in `weak` uses `fsync: never`.
class UnsyncedTest : public ::testing::Test {
 protected:
  void start(size_t weak) {
    world_.node(weak).config.fsync = engine::FsyncPolicy::kNever;
    world_.boot_all();
    ASSERT_TRUE(world_.run_until([&] { return is_open() && !leadership()["sync"].empty(); }));
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1});
    world_.client(0).send(request, 5);
    ASSERT_TRUE(world_.run_until(
        [&] { return world_.client(0).take<wire::CreateTopicsResponse>(5).has_value(); }));
    world_.run_for(Duration::seconds(2));
    ASSERT_EQ(produce("one"), ErrorCode::kNone);
  }
  json leadership() {
    const std::string value = world_.stored("leadership/default");
    return value.empty() ? json{{"open", false}} : json::parse(value);
  }
  bool is_open() { return leadership()["open"].get<bool>(); }
  ErrorCode produce(const std::string& value) {
    TestClient& client = world_.client(0);
    client.send(produce_request("t", 0, batch_of({value})), 11);
    std::optional<wire::ProduceResponse> answer;
    world_.run_until([&] { return (answer = client.take<wire::ProduceResponse>(11)).has_value(); },
                     Duration::seconds(20));
    if (!answer) return ErrorCode::kRequestTimedOut;
    return answer->responses.at(0).partition_responses.at(0).error_code;
  }
  std::string log_of(size_t index) {
    return world_.node(index).disk.files().at("topics/t-0/00000000000000000000.log");
  }

  RegionsWorld world_{{"a", "b", "c"}};
};

TEST_F(UnsyncedTest, AMemberThatCrashedIsAnotherOneAndKeepsItsFiles) {
  start(1);
  const json member = leadership()["sync"][0];
  ASSERT_EQ(member["node"], 2);
  world_.crash(1);
  world_.cut(0, 1);
  world_.cut(1, 2);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  EXPECT_TRUE(world_.node(1).has_logged("incarnation_renewed"));
  EXPECT_NE(log_of(1).find("one"), std::string::npos) << "nobody could have sent it again";
  world_.join(0, 1);
  world_.join(1, 2);
  // It follows with what it has, and can be a member again as what it is now.
  world_.crash(2);
  ASSERT_TRUE(world_.run_until([&] {
    const json sync = leadership()["sync"];
    return sync.size() == 1 && sync[0]["node"] == 2 && sync[0] != member;
  })) << leadership().dump();
  EXPECT_EQ(produce("two"), ErrorCode::kNone);
  EXPECT_NE(log_of(1).find("two"), std::string::npos);
}

TEST_F(UnsyncedTest, AMemberThatStoppedInOrderStaysWhoItWas) {
  start(1);
  const std::string identity = world_.node(1).disk.files().at("identity");
  ASSERT_TRUE(world_.node(1).disk.files().contains("control/unsynced"));
  world_.node(1).request_stop();
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kStopped; }));
  EXPECT_FALSE(world_.node(1).disk.files().contains("control/unsynced"));
  world_.crash(1);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  EXPECT_FALSE(world_.node(1).has_logged("incarnation_renewed"));
  EXPECT_EQ(world_.node(1).disk.files().at("identity"), identity);
}

// Who finds the mark once must find it until it has said who it is now.
TEST_F(UnsyncedTest, AMemberThatCrashesAgainAtOnceIsAnotherOneAgain) {
  start(1);
  const std::string first = world_.node(1).disk.files().at("identity");
  world_.crash(1);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).has_logged("incarnation_renewed"); }));
  world_.crash(1);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  const std::string now = world_.node(1).disk.files().at("identity");
  EXPECT_EQ(json::parse(now)["directory"], json::parse(first)["incarnation"]);
  EXPECT_NE(json::parse(now)["incarnation"], json::parse(first)["incarnation"]);
  EXPECT_NE(log_of(1).find("one"), std::string::npos);
}

// Its files are its own, also while nobody can be told of the new incarnation.
TEST_F(UnsyncedTest, WithoutTheStoreItServesFromItsCopyAndIsInNoSet) {
  start(1);
  world_.crash(1);
  world_.cut_store(1);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  EXPECT_TRUE(world_.node(1).has_logged("incarnation_renewed"));
  // The others know it as who it was, and do not listen to it: it is replaced.
  ASSERT_TRUE(world_.run_until([&] {
    const json sync = leadership()["sync"];
    return sync.size() == 1 && sync[0]["node"] == 3;
  })) << leadership().dump();
  EXPECT_EQ(produce("two"), ErrorCode::kNone);
  EXPECT_EQ(log_of(1).find("two"), std::string::npos);
  world_.join_store(1);
  ASSERT_TRUE(world_.run_until([&] { return log_of(1).find("two") != std::string::npos; }));
}

TEST_F(UnsyncedTest, OnlyWhoHoldsRecordsUnsyncedLeavesAMark) {
  RegionsWorld world({"a", "b", "witness"});
  world.node(1).config.fsync = world.node(2).config.fsync = engine::FsyncPolicy::kInterval;
  world.boot_all();
  ASSERT_TRUE(world.run_until([&] {
    return world.node(0).phase() == Phase::kRunning && world.node(1).phase() == Phase::kRunning &&
           world.node(2).phase() == Phase::kRunning;
  }));
  EXPECT_FALSE(world.node(0).disk.files().contains("control/unsynced"));
  EXPECT_TRUE(world.node(1).disk.files().contains("control/unsynced"));
  EXPECT_FALSE(world.node(2).disk.files().contains("control/unsynced"));
}

TEST_F(UnsyncedTest, AMarkThatTheDiskRefusesIsTriedAgain) {
  world_.node(1).config.cluster->machine_run = "first";
  start(1);
  world_.crash(1);
  world_.node(1).disk.set_write_error(Error{ErrorKind::kIo, "input/output error"});
  world_.boot(1);
  world_.run_for(Duration::seconds(5));
  EXPECT_EQ(world_.node(1).phase(), Phase::kStarting);
  EXPECT_TRUE(world_.node(1).has_logged("start_delayed"));
  world_.node(1).disk.set_write_error(std::nullopt);
  EXPECT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
}

// The operating system has what a process wrote that is gone.
TEST_F(UnsyncedTest, AMemberOnAMachineThatStayedUpStaysWhoItWas) {
  world_.node(1).config.cluster->machine_run = "first";
  start(1);
  world_.crash(1);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  EXPECT_FALSE(world_.node(1).has_logged("incarnation_renewed"));
  world_.crash(1);
  world_.node(1).config.cluster->machine_run = "second";
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  EXPECT_TRUE(world_.node(1).has_logged("incarnation_renewed"));
}

TEST_F(UnsyncedTest, WhoSyncsEverythingNowIsAnotherOneOnlyOnce) {
  world_.node(1).config.cluster->machine_run = "first";
  start(1);
  const auto start_again = [&](const std::string& run, engine::FsyncPolicy fsync) {
    world_.crash(1);
    world_.node(1).config.cluster->machine_run = run;
    world_.node(1).config.fsync = fsync;
    world_.boot(1);
    ASSERT_TRUE(world_.run_until([&] { return world_.node(1).phase() == Phase::kRunning; }));
  };
  start_again("first", engine::FsyncPolicy::kAlways);
  EXPECT_TRUE(world_.node(1).disk.files().contains("control/unsynced"))
      << "the machine is the same";
  start_again("second", engine::FsyncPolicy::kAlways);
  const std::string renewed = world_.node(1).disk.files().at("identity");
  EXPECT_NE(json::parse(renewed)["incarnation"], json::parse(renewed)["directory"]);
  EXPECT_FALSE(world_.node(1).disk.files().contains("control/unsynced"));
  start_again("third", engine::FsyncPolicy::kAlways);
  EXPECT_EQ(world_.node(1).disk.files().at("identity"), renewed);
}

// Also if it syncs everything from now on: what it said before was said by another policy.
TEST_F(UnsyncedTest, ALeaderThatCrashedDoesNotLeadOn) {
  start(0);
  world_.crash(0);
  world_.node(0).config.fsync = engine::FsyncPolicy::kAlways;
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] { return world_.node(0).phase() == Phase::kRunning; }));
  world_.run_for(Duration::seconds(20));
  EXPECT_NE(produce("two"), ErrorCode::kNone) << "it may lack what it acknowledged";
  const auto exchange = world_.node(1).begin_http("POST", "/v1/operations",
                                                  R"({"kind":"failover","groups":["default"]})");
  ASSERT_TRUE(world_.run_until([&] { return world_.node(1).take_http(exchange).has_value(); }));
  ASSERT_TRUE(world_.run_until([&] { return is_open() && leadership()["leader"]["node"] == 2; }))
      << leadership().dump();
  const json record = json::parse(world_.node(1).http("GET", "/v1/operations/1").body);
  EXPECT_EQ(record["groups"][0]["loss"]["statement"], "zero-proven") << record.dump(1);
}

}  // namespace
}  // namespace magpie::node::testing
