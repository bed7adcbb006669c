// What a cluster writes down of the times in which it acknowledged with fewer copies than wanted.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class ExposureTest : public ::testing::Test {
 protected:
  void start() {
    world_.boot_all();
    ASSERT_TRUE(world_.run_until([&] { return state() == "sync"; })) << history().dump(1);
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1});
    TestClient& client = world_.client(0);
    client.send(request, 5);
    ASSERT_TRUE(
        world_.run_until([&] { return client.take<wire::CreateTopicsResponse>(5).has_value(); }));
    world_.run_for(Duration::seconds(2));
    known_ = history()["episodes"].size();
  }
  std::string state(const std::string& group = "default") {
    const std::string value = world_.stored("leadership/" + group);
    return value.empty() ? "" : json::parse(value)["state"].get<std::string>();
  }
  json history(size_t index = 0, const std::string& group = "default") {
    const std::string path = "/v1/failover-groups/" + group + "/exposure";
    return json::parse(world_.node(index).http("GET", path).body);
  }
  // Asks node 0 to change something.
  void change(const std::string& method, const std::string& path, const json& body) {
    const auto exchange = world_.node(0).begin_http(method, path, body.dump());
    std::optional<port::HttpRespond> answer;
    world_.run_until([&] { return (answer = world_.node(0).take_http(exchange)).has_value(); });
    ASSERT_TRUE(answer && answer->status < 300) << (answer ? answer->body : "no answer");
  }
  // The newest episode, if there is one since the start.
  json newest(size_t index = 0) {
    const json episodes = history(index)["episodes"];
    return episodes.size() > known_ ? episodes[0] : json(nullptr);
  }
  std::string metric(const std::string& name) {
    const std::string page = world_.node(0).http("GET", "/metrics").body;
    const std::string start = "\nmagpie_failover_group_" + name + "{failover_group=\"default\"} ";
    const size_t at = page.find(start);
    if (at == std::string::npos) return "";
    const size_t value = at + start.size();
    return page.substr(value, page.find('\n', value) - value);
  }
  ErrorCode produce(size_t index, const std::string& value) {
    TestClient& client = world_.client(index);
    client.send(produce_request("t", 0, batch_of({value})), 11);
    std::optional<wire::ProduceResponse> answer;
    world_.run_until([&] { return (answer = client.take<wire::ProduceResponse>(11)).has_value(); },
                     Duration::seconds(5));
    if (!answer) return ErrorCode::kRequestTimedOut;
    return answer->responses.at(0).partition_responses.at(0).error_code;
  }
  // Neither of the others is heard any more, and the group goes on alone.
  void go_on_alone() {
    world_.cut(0, 1);
    world_.cut(0, 2);
    ASSERT_TRUE(world_.run_until([&] { return state() == "degraded"; }));
    world_.run_for(Duration::milliseconds(200));
  }
  void join_all() {
    world_.join(0, 1);
    world_.join(0, 2);
  }

  RegionsWorld world_{{"a", "b", "c"}};
  size_t known_ = 0;
};

TEST_F(ExposureTest, RecordsAcknowledgedAloneAreCounted) {
  start();
  ASSERT_EQ(produce(0, "safe"), ErrorCode::kNone);
  go_on_alone();
  EXPECT_TRUE(world_.node(0).has_logged("copies_missing"));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(produce(0, "alone"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(3));
  json episode = newest();
  EXPECT_EQ(episode["ended_ms"], nullptr) << episode.dump(1);
  EXPECT_EQ(episode["records"], 3) << episode.dump(1);
  EXPECT_FALSE(episode["complete"]);
  EXPECT_EQ(metric("short_of_copies_records"), "3");
  EXPECT_NE(metric("short_of_copies_bytes_estimate"), "0");
  EXPECT_NE(metric("short_of_copies_seconds"), "0");
  ASSERT_EQ(produce(0, "also alone"), ErrorCode::kNone);
  join_all();
  ASSERT_TRUE(world_.run_until([&] { return state() == "sync"; }));
  ASSERT_EQ(produce(0, "safe again"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(1));
  episode = newest();
  EXPECT_EQ(episode["records"], 4) << episode.dump(1);
  EXPECT_TRUE(episode["complete"]) << episode.dump(1);
  EXPECT_EQ(episode["end"], "enough-copies");
  EXPECT_EQ(episode["fewest_copies"], 0);
  EXPECT_GT(episode["duration_ms"], 3'000);
  EXPECT_EQ(episode["changes"][0]["state"], "degraded");
  EXPECT_EQ(episode["changes"][1]["state"], "catching-up");
  EXPECT_EQ(newest(2), episode) << "every node shows the same";
  EXPECT_EQ(metric("short_of_copies_records"), "0");
  EXPECT_TRUE(world_.node(0).has_logged("copies_restored"));
}

TEST_F(ExposureTest, ALeaderThatDiesLeavesALowerBound) {
  start();
  go_on_alone();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(produce(0, "alone"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(60));
  ASSERT_EQ(newest()["records"], 3);
  ASSERT_EQ(produce(0, "not written down"), ErrorCode::kNone);
  world_.crash(0);
  join_all();
  world_.run_for(Duration::seconds(1));
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] { return state() == "sync"; }));
  world_.run_for(Duration::seconds(1));
  const json all = history();
  json first;
  for (const json& episode : all["episodes"]) {
    if (episode["end"] == "term-ended") first = episode;
  }
  ASSERT_FALSE(first.is_null()) << all.dump(1);
  EXPECT_EQ(first["records"], 3) << all.dump(1);
  EXPECT_FALSE(first["complete"]);
}

TEST_F(ExposureTest, AnAlteredPolicyIsNoticedLate) {
  start();
  world_.crash(2);
  world_.run_for(Duration::seconds(10));
  ASSERT_TRUE(newest().is_null()) << "the other one is in sync";
  change("PATCH", "/v1/failover-groups/default", {{"copies", 2}});
  ASSERT_TRUE(world_.run_until([&] { return state() == "degraded"; }));
  ASSERT_EQ(produce(0, "with one copy of two"), ErrorCode::kNone);
  world_.boot(2);
  ASSERT_TRUE(world_.run_until([&] { return state() == "sync"; }));
  world_.run_for(Duration::seconds(1));
  const json episode = newest();
  EXPECT_EQ(episode["wanted_copies"], 2) << episode.dump(1);
  EXPECT_EQ(episode["fewest_copies"], 1);
  EXPECT_EQ(episode["records"], 1);
  EXPECT_EQ(episode["end"], "enough-copies");
  EXPECT_FALSE(episode["complete"]) << "more may have been acknowledged before it was noticed";
}

TEST_F(ExposureTest, APartitionThatMovesIsCountedWhereItBelongs) {
  start();
  change("POST", "/v1/failover-groups",
         {{"name", "logs"}, {"preset", "standard"}, {"regions", {"a", "b", "c"}}});
  ASSERT_TRUE(world_.run_until([&] { return state("logs") == "sync"; }));
  go_on_alone();
  for (int i = 0; i < 2; ++i) ASSERT_EQ(produce(0, "in default"), ErrorCode::kNone);
  change("POST", "/v1/failover-groups/logs/partitions", {{"topic", "t"}});
  ASSERT_TRUE(world_.run_until([&] { return produce(0, "in logs") == ErrorCode::kNone; }));
  for (int i = 0; i < 4; ++i) ASSERT_EQ(produce(0, "in logs"), ErrorCode::kNone);
  join_all();
  ASSERT_TRUE(world_.run_until([&] { return state() == "sync" && state("logs") == "sync"; }));
  world_.run_for(Duration::seconds(1));
  const json left = newest();
  EXPECT_EQ(left["records"], 2) << left.dump(1);
  EXPECT_TRUE(left["complete"]);
  const json got = history(0, "logs")["episodes"];
  ASSERT_FALSE(got.empty());
  // Also of requests that waited for the epoch to be opened longer than their client did.
  const json topic = json::parse(world_.node(0).http("GET", "/v1/topics/t").body);
  const auto all = topic["partitions"][0]["high_watermark"].get<int64_t>();
  EXPECT_GE(all, 2 + 5);
  EXPECT_EQ(got[0]["records"], all - 2) << got.dump(1);
  EXPECT_TRUE(got[0]["complete"]);
  EXPECT_EQ(got[0]["end"], "enough-copies");
}

}  // namespace
}  // namespace magpie::node::testing
