// How much nodes send to those of other regions.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class LinkLimits : public ::testing::Test {
 protected:
  std::vector<int> sync_set() {
    const std::string value = world_.stored("leadership/default");
    if (value.empty() || !json::parse(value)["open"].get<bool>()) return {};
    std::vector<int> nodes;
    const json term = json::parse(value);
    for (const json& member : term["sync"]) nodes.push_back(member["node"].get<int>());
    return nodes;
  }
  void create() {
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1});
    world_.client(0).send(request, 5);
    ASSERT_TRUE(world_.run_until(
        [&] { return world_.client(0).take<wire::CreateTopicsResponse>(5).has_value(); }));
    world_.run_for(Duration::seconds(2));
  }
  ErrorCode produce(const std::string& value) {
    TestClient& client = world_.client(0);
    client.send(produce_request("t", 0, batch_of({value})), 11);
    std::optional<wire::ProduceResponse> answer;
    world_.run_until([&] { return (answer = client.take<wire::ProduceResponse>(11)).has_value(); },
                     Duration::seconds(5));
    if (!answer) return ErrorCode::kRequestTimedOut;
    return answer->responses.at(0).partition_responses.at(0).error_code;
  }
  int64_t log_end(size_t at) {
    const json topic = json::parse(world_.node(at).http("GET", "/v1/topics/t").body);
    if (!topic.contains("partitions") || topic["partitions"].empty()) return 0;
    return topic["partitions"][0].value("log_end", int64_t{0});
  }

  RegionsWorld world_{{"a", "b", "c"}};
};

// Three megabytes at half a megabyte per second, while others are served as ever.
TEST_F(LinkLimits, ANewRegionFillsUpWithinItsLimit) {
  world_.node(0).config.cluster->catch_up_limits = {{"*", 500'000}};
  world_.node(0).config.limits.recent_batches_bytes = 64 * 1024;
  world_.boot(0);
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return sync_set().size() == 1; }));
  create();
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(produce(std::string(100'000, 'x')), ErrorCode::kNone);
  }
  world_.boot(2);
  ASSERT_TRUE(world_.run_until([&] { return log_end(2) > 0; }));
  world_.run_for(Duration::seconds(2));
  EXPECT_LT(log_end(2), 25);
  const Instant before = world_.now().instant;
  EXPECT_EQ(produce("urgent"), ErrorCode::kNone);
  EXPECT_LT(world_.now().instant - before, Duration::milliseconds(60));
  EXPECT_EQ(sync_set(), std::vector<int>{2});
  EXPECT_TRUE(world_.run_until([&] { return log_end(2) == log_end(0); }, Duration::seconds(20)));
}

}  // namespace
}  // namespace magpie::node::testing
