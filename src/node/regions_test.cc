// Several nodes together: who leads, what is copied, what survives which loss.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class RegionsTest : public ::testing::Test {
 protected:
  // Who leads the group and in which epoch, as the control store says.
  json leadership(const std::string& group = "default") {
    const std::string value = world_.stored("leadership/" + group);
    return value.empty() ? json::object() : json::parse(value);
  }
  int leader(const std::string& group = "default") {
    const json term = leadership(group);
    return term.empty() ? 0 : term["leader"]["node"].get<int>();
  }
  bool is_open(const std::string& group = "default") {
    const json term = leadership(group);
    return !term.empty() && term["open"].get<bool>();
  }
  std::vector<int> sync_set(const std::string& group = "default") {
    std::vector<int> nodes;
    const json term = leadership(group);
    for (const json& member : term.at("sync")) nodes.push_back(member["node"].get<int>());
    return nodes;
  }
  void start() {
    world_.boot_all();
    ASSERT_TRUE(world_.run_until([&] { return is_open() && sync_set().size() == 1; }))
        << leadership().dump();
  }
  // Sends to the leader and waits for the answer.
  ErrorCode produce_at(size_t index, const std::string& value,
                       Duration limit = Duration::seconds(5)) {
    TestClient& client = world_.client(index);
    client.send(produce_request("t", 0, batch_of({value})), 11);
    std::optional<wire::ProduceResponse> answer;
    world_.run_until([&] { return (answer = client.take<wire::ProduceResponse>(11)).has_value(); },
                     limit);
    if (!answer) return ErrorCode::kRequestTimedOut;
    return answer->responses.at(0).partition_responses.at(0).error_code;
  }
  void create(size_t index) {
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1});
    TestClient& client = world_.client(index);
    client.send(request, 5);
    std::optional<wire::CreateTopicsResponse> answer;
    ASSERT_TRUE(world_.run_until(
        [&] { return (answer = client.take<wire::CreateTopicsResponse>(5)).has_value(); }));
    ASSERT_EQ(answer->topics.at(0).error_code, ErrorCode::kNone);
  }

  RegionsWorld world_{{"a", "b", "c"}};
};

TEST_F(RegionsTest, TheHomeRegionLeadsAndOneOtherIsInSync) {
  start();
  EXPECT_EQ(leader(), 1);
  EXPECT_EQ(leader("system"), 1);
}

TEST_F(RegionsTest, AnAcknowledgementTakesOneRoundTrip) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  const Instant before = world_.now().instant;
  EXPECT_EQ(produce_at(0, "first"), ErrorCode::kNone);
  EXPECT_GE(world_.now().instant - before, Duration::milliseconds(40));
  EXPECT_LT(world_.now().instant - before, Duration::milliseconds(45));
}

TEST_F(RegionsTest, WithoutTheFollowerNothingIsAcknowledgedUntilItLeaves) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  world_.cut(0, 1);
  world_.cut(0, 2);
  EXPECT_EQ(produce_at(0, "early", Duration::seconds(4)), ErrorCode::kRequestTimedOut);
  // The group `default` goes on alone after a while.
  ASSERT_TRUE(world_.run_until([&] { return sync_set().empty(); }, Duration::seconds(30)));
  EXPECT_EQ(leadership()["state"], "degraded");
}

TEST_F(RegionsTest, ALeaderThatRestartsTakesANewEpoch) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  const int epoch = leadership()["epoch"].get<int>();
  world_.crash(0);
  world_.run_for(Duration::seconds(1));
  world_.boot(0);
  ASSERT_TRUE(
      world_.run_until([&] { return leadership()["epoch"].get<int>() > epoch && is_open(); }));
  EXPECT_EQ(leader(), 1);
  world_.run_for(Duration::seconds(1));
  EXPECT_EQ(produce_at(0, "two"), ErrorCode::kNone);
  EXPECT_EQ(records_in(fetch(world_.client(0), "t", 0, 0)).size(), 2u);
}

// G13.
TEST_F(RegionsTest, WithoutTheControlStoreWritesGoOn) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  for (size_t i = 0; i < 3; ++i) world_.cut_store(i);
  world_.run_for(Duration::seconds(30));
  EXPECT_EQ(produce_at(0, "still"), ErrorCode::kNone);
}

TEST_F(RegionsTest, WithoutStoreAndOtherRegionsNothingIsAcknowledged) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  world_.cut_store(0);
  world_.cut(0, 1);
  world_.cut(0, 2);
  world_.run_for(Duration::seconds(30));
  EXPECT_NE(produce_at(0, "alone", Duration::seconds(2)), ErrorCode::kNone);
  EXPECT_TRUE(world_.node(0).has_logged("lease_lost"));
}

}  // namespace
}  // namespace magpie::node::testing
