// A leader gives its groups away: because the node is stopped, or because its log is damaged.
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

class HandOversTest : public ::testing::Test {
 protected:
  void start(const std::vector<std::string>& regions) {
    world_.emplace(regions);
    boot();
  }
  // The nodes, and a topic.
  void boot() {
    world_->boot_all();
    ASSERT_TRUE(world_->run_until([&] { return is_open("default") && is_open("system"); }));
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1});
    world_->client(0).send(request, 5);
    ASSERT_TRUE(world_->run_until(
        [&] { return world_->client(0).take<wire::CreateTopicsResponse>(5).has_value(); }));
    world_->run_for(Duration::seconds(2));
  }
  json leadership(const std::string& group = "default") {
    const std::string value = world_->stored("leadership/" + group);
    return value.empty() ? json{{"leader", {{"node", 0}}}, {"open", false}} : json::parse(value);
  }
  int leader(const std::string& group = "default") {
    return leadership(group)["leader"]["node"].get<int>();
  }
  bool is_open(const std::string& group) { return leadership(group)["open"].get<bool>(); }
  void send(size_t index, const std::string& value) {
    world_->client(index).send(produce_request("t", 0, batch_of({value})), 11);
  }
  // None if there is no answer within the time.
  std::optional<ErrorCode> answer(size_t index, Duration limit) {
    std::optional<wire::ProduceResponse> found;
    world_->run_until(
        [&] { return (found = world_->client(index).take<wire::ProduceResponse>(11)).has_value(); },
        limit);
    if (!found) return std::nullopt;
    return found->responses.at(0).partition_responses.at(0).error_code;
  }
  // How long the node takes to stop.
  Duration stop(size_t index) {
    const Instant before = world_->now().instant;
    world_->node(index).request_stop();
    EXPECT_TRUE(world_->run_until([&] { return world_->node(index).phase() == Phase::kStopped; }));
    return world_->now().instant - before;
  }
  // Until a write is taken there.
  Duration stall(size_t index) {
    const Instant before = world_->now().instant;
    while (world_->now().instant - before < Duration::seconds(60)) {
      send(index, "after");
      const auto taken = answer(index, Duration::seconds(20));
      if (!taken || *taken == ErrorCode::kNone) break;
      world_->run_for(Duration::milliseconds(20));
    }
    return world_->now().instant - before;
  }
  std::vector<std::string> values_at(size_t index) {
    std::vector<std::string> values;
    for (const auto& [offset, value] : records_in(fetch(world_->client(index), "t", 0, 0))) {
      values.push_back(value);
    }
    return values;
  }

  std::optional<RegionsWorld> world_;
};

TEST_F(HandOversTest, ALeaderThatStopsFinishesWhatItTookAndHandsOver) {
  start({"a", "b", "c"});
  ASSERT_EQ(leader(), 1);
  send(0, "first");
  ASSERT_EQ(answer(0, Duration::seconds(5)), ErrorCode::kNone);
  send(0, "under way");
  const Duration took = stop(0);
  EXPECT_LT(took, Duration::seconds(1));
  EXPECT_EQ(answer(0, {}), ErrorCode::kNone);
  EXPECT_TRUE(world_->node(0).has_logged("group_handed_over"));
  const int now_leads = leader();
  ASSERT_NE(now_leads, 1);
  EXPECT_NE(leader("system"), 1);
  world_->crash(0);
  const auto at = static_cast<size_t>(now_leads - 1);
  EXPECT_LT(stall(at), Duration::seconds(1));
  EXPECT_EQ(values_at(at), (std::vector<std::string>{"first", "under way", "after"}));

  const json listed = json::parse(world_->node(at).http("GET", "/v1/operations").body);
  ASSERT_TRUE(world_->run_until([&] {
    const json all = json::parse(world_->node(at).http("GET", "/v1/operations/1").body);
    return all.value("over", false);
  })) << listed.dump(1);
  const json record = json::parse(world_->node(at).http("GET", "/v1/operations/1").body);
  EXPECT_EQ(record["step"], "done") << record.dump(1);
  EXPECT_EQ(record["groups"].size(), 2u) << "one stop, one operation";
  EXPECT_EQ(record["groups"][0]["loss"]["statement"], "zero-proven") << record.dump(1);

  // It comes back as a copy.
  world_->boot(0);
  world_->run_for(Duration::seconds(20));
  EXPECT_EQ(leader(), now_leads);
  EXPECT_EQ(values_at(at).size(), 3u);
}

TEST_F(HandOversTest, ALeaderThatStopsTakesNoNewWrites) {
  start({"a", "b", "c"});
  world_->node(0).request_stop();
  world_->run_for(Duration::milliseconds(290));
  send(0, "in time");
  EXPECT_EQ(answer(0, Duration::milliseconds(100)), ErrorCode::kNone);
  // While it waits for the store, which is slow now.
  world_->store_delay = Duration::milliseconds(500);
  world_->run_for(Duration::milliseconds(40));
  ASSERT_EQ(world_->node(0).phase(), Phase::kStopping);
  send(0, "late");
  EXPECT_EQ(answer(0, Duration::milliseconds(100)), ErrorCode::kNotEnoughReplicas);
}

// With two regions, whoever led in the other one would have no copy.
TEST_F(HandOversTest, NothingIsHandedOverThatWouldBeLeftWithTooFewCopies) {
  start({"a", "b"});
  send(0, "under way");
  EXPECT_LT(stop(0), Duration::seconds(1));
  EXPECT_EQ(answer(0, {}), ErrorCode::kNone) << "it is finished all the same";
  EXPECT_TRUE(world_->node(0).has_logged("group_not_handed_over"));
  world_->crash(0);
  EXPECT_EQ(leader(), 1);
  world_->boot(0);
  ASSERT_TRUE(world_->run_until([&] { return is_open("default"); }));
  EXPECT_EQ(leader(), 1);
  EXPECT_LT(stall(0), Duration::seconds(15));
}

// Who stops at the same time takes nothing over.
TEST_F(HandOversTest, AClusterThatIsStoppedMovesNothing) {
  start({"a", "b", "c"});
  for (size_t i = 0; i < 3; ++i) world_->node(i).request_stop();
  ASSERT_TRUE(world_->run_until([&] {
    return world_->node(0).phase() == Phase::kStopped &&
           world_->node(1).phase() == Phase::kStopped && world_->node(2).phase() == Phase::kStopped;
  }));
  EXPECT_EQ(leader(), 1);
  EXPECT_EQ(world_->stored("operations/1"), "");
}

// What cannot be committed does not hold a stop up for ever, and is answered as stored only if the
// group goes on alone just in time.
TEST_F(HandOversTest, AStopEndsAlthoughTheOtherRegionsAreGone) {
  start({"a", "b", "c"});
  world_->cut(0, 1);
  world_->cut(0, 2);
  send(0, "nowhere else");
  world_->run_for(Duration::milliseconds(50));
  EXPECT_LT(stop(0), Duration::seconds(12));
  const bool alone = leadership()["sync"].empty();
  EXPECT_EQ(answer(0, {}) == ErrorCode::kNone, alone);
  EXPECT_EQ(leader(), 1);
}

// --- damage --------------------------------------------------------------------------------------

class DamageTest : public HandOversTest {
 protected:
  // A record whose bytes on the leader's disk rot, and a fetch that meets them.
  void damage() {
    world_->node(0).disk.files().at("topics/t-0/00000000000000000000.log")[70] ^= 1;
    fetch(world_->client(0), "t", 0, 0);
  }
  void begin(const std::vector<std::string>& regions) {
    world_.emplace(regions);
    // Everything is read from the disk.
    world_->node(0).config.limits.recent_batches_bytes = 1;
    boot();
    send(0, "one");
    ASSERT_EQ(answer(0, Duration::seconds(5)), ErrorCode::kNone);
  }
};

TEST_F(DamageTest, ALeaderWhoseLogIsDamagedHandsTheGroupOver) {
  begin({"a", "b", "c"});
  damage();
  ASSERT_TRUE(world_->run_until([&] { return leader() != 1; }, Duration::seconds(5)));
  EXPECT_EQ(leader("system"), 1) << "what can be read stays";
  const auto at = static_cast<size_t>(leader() - 1);
  EXPECT_LT(stall(at), Duration::seconds(1));
  EXPECT_EQ(values_at(at), (std::vector<std::string>{"one", "after"}));
  const json record = json::parse(world_->node(at).http("GET", "/v1/operations/1").body);
  EXPECT_EQ(record["requested_by"], "node 1, whose copy of t-0 is damaged");
}

// G13: a proposal that nobody decides stops nothing.
TEST_F(DamageTest, ItTakesWritesWhileTheStoreIsAway) {
  begin({"a", "b", "c"});
  for (const size_t index : {0u, 1u, 2u}) world_->cut_store(index);
  damage();
  world_->run_for(Duration::seconds(3));
  send(0, "after");
  EXPECT_EQ(answer(0, Duration::seconds(1)), ErrorCode::kNone);
  EXPECT_EQ(leader(), 1);
  for (const size_t index : {0u, 1u, 2u}) world_->join_store(index);
  ASSERT_TRUE(world_->run_until([&] { return leader() != 1; }, Duration::seconds(120)));
  const auto at = static_cast<size_t>(leader() - 1);
  EXPECT_LT(stall(at), Duration::seconds(20));
  EXPECT_EQ(values_at(at), (std::vector<std::string>{"one", "after", "after"}));
}

TEST_F(DamageTest, ItLeadsOnIfNobodyElseCan) {
  begin({"a", "b", "c"});
  world_->crash(1);
  world_->crash(2);
  world_->run_for(Duration::seconds(1));
  damage();
  world_->run_for(Duration::seconds(1));
  EXPECT_TRUE(world_->node(0).has_logged("group_not_handed_over"));
  EXPECT_EQ(leader(), 1);
  world_->boot(1);
  world_->boot(2);
  EXPECT_LT(stall(0), Duration::seconds(20)) << "it takes writes";
  EXPECT_TRUE(world_->run_until([&] { return leader() != 1; }, Duration::seconds(60)))
      << "it is tried again";
}

}  // namespace
}  // namespace magpie::node::testing
