// Several nodes together: who leads, what is copied, what survives which loss.
#include "node/testing/regions_fixture.h"
#include "wire/delete_topics.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

TEST_F(RegionsTest, TheHomeRegionLeadsAndOneOtherIsInSync) {
  start();
  EXPECT_EQ(leader(), 1);
  EXPECT_EQ(leader("system"), 1);
  world_.run_for(Duration::seconds(1));
  const std::string metrics = world_.node(0).http("GET", "/metrics").body;
  EXPECT_NE(metrics.find("magpie_link_up{node=\"2\"} 1"), std::string::npos);
  EXPECT_NE(metrics.find("magpie_failover_group_exposed_records{failover_group=\"default\"} 0"),
            std::string::npos);
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

// Else one error of a disk, at a start, stops writes whenever the store is away.
TEST_F(RegionsTest, ASiteWhoseDiskRefusedItsVotesVotesWhenItCanReadThem) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  for (const size_t other : {1u, 2u}) {
    world_.crash(other);
    world_.node(other).disk.set_unreadable("control/accepted-epochs");
    world_.boot(other);
    world_.run_for(Duration::seconds(5));
    EXPECT_TRUE(world_.node(other).has_logged("votes_unreadable"));
    EXPECT_FALSE(world_.node(other).has_logged("votes_read"));
    world_.node(other).disk.set_unreadable(std::nullopt);
  }
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

// --- operations ----------------------------------------------------------------------------------

TEST_F(RegionsTest, ASwitchoverLosesNothingAndFailsBack) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  const json there = operate(0, {{"kind", "switchover"}, {"groups", {"default"}}, {"to", "b"}});
  EXPECT_EQ(there["step"], "done") << there.dump(1);
  EXPECT_EQ(leader(), 2);
  EXPECT_EQ(produce_at(1, "two"), ErrorCode::kNone);
  EXPECT_NE(produce_at(0, "no"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(61));  // the rule `cooldown`
  const json back = operate(2, {{"kind", "switchover"}, {"groups", {"default"}}, {"to", "a"}});
  EXPECT_EQ(back["step"], "done") << back.dump(1);
  EXPECT_EQ(leader(), 1);
  EXPECT_EQ(produce_at(0, "three"), ErrorCode::kNone);
  EXPECT_EQ(values_at(0), (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(RegionsTest, AFailoverToWhoIsInSyncIsProvenLossless) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  world_.cut(0, 1);
  world_.cut(0, 2);
  world_.crash(0);
  const Instant before = world_.now().instant;
  const json moved = operate(1, {{"kind", "failover"}, {"from", "a"}});
  EXPECT_EQ(moved["step"], "done") << moved.dump(1);
  EXPECT_EQ(moved["groups"][0]["loss"]["statement"], "zero-proven") << moved.dump(1);
  EXPECT_EQ(leader(), 2);
  EXPECT_EQ(produce_at(1, "two"), ErrorCode::kNone);
  EXPECT_LT(world_.now().instant - before, Duration::seconds(20));
  EXPECT_EQ(values_at(1), (std::vector<std::string>{"one", "two"}));
  // The lost region comes back and follows.
  world_.join(0, 1);
  world_.join(0, 2);
  world_.boot(0);
  world_.run_for(Duration::seconds(20));
  EXPECT_EQ(leader(), 2);
  const json back = operate(
      1, {{"kind", "switchover"}, {"from", "b"}, {"to", "a"}, {"overrides", {"cooldown", "lag"}}});
  EXPECT_EQ(back["step"], "done") << back.dump(1);
  EXPECT_EQ(produce_at(0, "three"), ErrorCode::kNone);
  EXPECT_EQ(values_at(0), (std::vector<std::string>{"one", "two", "three"}));
}

// What only the lost leader had is salvaged when it comes back, and its offsets are not used again.
TEST_F(RegionsTest, AFailoverWithLossKeepsTheTailOfTheLostLeader) {
  start();
  create(0);
  json bulk = ask(0, "POST", "/v1/failover-groups", R"({"name":"bulk","preset":"bulk"})");
  ASSERT_TRUE(world_.run_until([&] { return leader("bulk") == 1 && is_open("bulk"); }));
  bulk = ask(0, "POST", "/v1/failover-groups/bulk/partitions", R"({"topic":"t"})");
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "everywhere"), ErrorCode::kNone) << bulk.dump(1);
  world_.run_for(Duration::seconds(1));
  world_.cut(0, 1);
  world_.cut(0, 2);
  ASSERT_EQ(produce_at(0, "only there"), ErrorCode::kNone);
  world_.crash(0);
  const json refused = operate(1, {{"kind", "failover"}, {"from", "a"}, {"groups", {"bulk"}}});
  EXPECT_FALSE(refused.contains("id")) << refused.dump(1);
  const json moved =
      operate(1, {{"kind", "failover"}, {"from", "a"}, {"groups", {"bulk"}}, {"allow_loss", true}});
  ASSERT_EQ(moved["step"], "done") << moved.dump(1);
  EXPECT_NE(moved["groups"][0]["loss"]["statement"], "zero-proven") << moved.dump(1);
  const int now_leads = leader("bulk");
  ASSERT_NE(now_leads, 1);
  const auto at = static_cast<size_t>(now_leads - 1);
  EXPECT_EQ(produce_at(at, "after"), ErrorCode::kNone);
  const auto records = records_in(fetch(world_.client(at), "t", 0, 1));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_GT(records.front().first, 1'000'000) << "above everything that was reserved";

  world_.join(0, 1);
  world_.join(0, 2);
  world_.boot(0);
  world_.run_for(Duration::seconds(20));
  EXPECT_TRUE(world_.node(0).has_logged("tail_kept"));
  bool kept = false;
  for (const auto& [path, content] : world_.node(0).disk.files()) {
    kept =
        kept || (path.starts_with("salvage/") && content.find("only there") != std::string::npos);
  }
  EXPECT_TRUE(kept);
}

// G13. A site that has accepted the failover's epoch promises nothing to a lower one.
TEST_F(RegionsTest, AFailoverThatIsAbandonedDoesNotCostTheLeaderItsPromises) {
  start();
  create(0);
  ask(0, "POST", "/v1/failover-groups", R"({"name":"bulk","preset":"bulk"})");
  ASSERT_TRUE(world_.run_until([&] { return leader("bulk") == 1 && is_open("bulk"); }));
  ask(0, "POST", "/v1/failover-groups/bulk/partitions", R"({"topic":"t"})");
  world_.run_for(Duration::seconds(2));
  // The leader is out of reach, and of the other sites only one can accept.
  world_.cut_store(0);
  world_.cut(0, 1);
  world_.cut(0, 2);
  world_.crash(2);
  const json begun = ask(1, "POST", "/v1/operations",
                         R"({"kind":"failover","groups":["bulk"],"to":"b","allow_loss":true})");
  ASSERT_TRUE(begun.contains("id")) << begun.dump(1);
  const std::string name = "/v1/operations/" + begun["id"].dump();
  world_.run_for(Duration::seconds(20));
  ASSERT_EQ(ask(1, "GET", name, "")["step"], "fencing");
  world_.join_store(0);
  world_.join(0, 1);
  world_.join(0, 2);
  const json ended = ask(1, "POST", name + "/abandon", R"({"by":"anna"})");
  ASSERT_EQ(ended["step"], "abandoned") << ended.dump(1);
  world_.boot(2);
  world_.run_for(Duration::seconds(20));
  ASSERT_EQ(leader("bulk"), 1);
  ASSERT_EQ(produce_at(0, "back"), ErrorCode::kNone);
  for (size_t i = 0; i < 3; ++i) world_.cut_store(i);
  world_.run_for(Duration::seconds(30));
  EXPECT_EQ(produce_at(0, "still"), ErrorCode::kNone);
}

// A region that lost its disk is filled again.
TEST_F(RegionsTest, ARegionThatWasRebuiltEmptyBecomesACopyAgain) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  world_.lose(1);
  ASSERT_TRUE(world_.run_until([&] { return sync_set() == std::vector<int>{3}; }))
      << "another takes its place: " << leadership().dump();
  ASSERT_EQ(produce_at(0, "two"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(15));
  world_.boot(1);
  world_.run_for(Duration::seconds(20));
  const json moved = operate(
      0, {{"kind", "switchover"}, {"groups", {"default"}}, {"to", "b"}, {"overrides", {"lag"}}});
  EXPECT_EQ(moved["step"], "done") << moved.dump(1);
  EXPECT_EQ(values_at(1), (std::vector<std::string>{"one", "two"}));
}

// Found by the simulator: its copy of the state told of the partitions of the directory before.
TEST_F(RegionsTest, ARebuiltNodeDoesNotServeFromACopyThatKnowsTheOldDirectory) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  world_.lose(2);
  world_.boot(2);  // turned away: the old directory's lease is still held
  world_.run_for(Duration::seconds(2));
  world_.crash(2);
  world_.cut_store(2);
  world_.boot(2);
  world_.run_for(Duration::seconds(30));
  EXPECT_FALSE(world_.node(2).has_logged("partition_offline"));
  world_.join_store(2);
  world_.run_for(Duration::seconds(30));
  const json moved = operate(
      0, {{"kind", "switchover"}, {"groups", {"default"}}, {"to", "c"}, {"overrides", {"lag"}}});
  EXPECT_EQ(moved["step"], "done") << moved.dump(1);
  EXPECT_EQ(values_at(2), (std::vector<std::string>{"one"}));
}

// What a member's former directory held says nothing of the new one, which must enter the sync set
// itself: until then it cannot be promoted, so nothing may be acknowledged on its word.
TEST_F(RegionsTest, AMemberThatWasRebuiltEntersTheSyncSetAnew) {
  start();
  create(0);
  ask(0, "POST", "/v1/failover-groups", R"({"name":"pay","preset":"critical"})");
  ASSERT_TRUE(world_.run_until([&] { return is_open("pay") && sync_set("pay").size() == 1; }));
  ask(0, "POST", "/v1/failover-groups/pay/partitions", R"({"topic":"t"})");
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  ASSERT_EQ(sync_set("pay"), std::vector<int>{2});
  const json before = leadership("pay")["sync"][0];
  // Nobody else can take its place.
  world_.crash(2);
  world_.lose(1);
  world_.run_for(Duration::seconds(15));
  world_.boot(1);
  ASSERT_TRUE(world_.run_until([&] { return produce_at(0, "two") == ErrorCode::kNone; }));
  ASSERT_EQ(sync_set("pay"), std::vector<int>{2}) << leadership("pay").dump();
  EXPECT_NE(leadership("pay")["sync"][0], before) << leadership("pay").dump();

  world_.cut(0, 1);
  world_.crash(0);
  const json moved = operate(1, {{"kind", "failover"}, {"from", "a"}, {"groups", {"pay"}}});
  ASSERT_TRUE(moved.contains("id")) << moved.dump(1);
  EXPECT_EQ(moved["groups"][0]["loss"]["statement"], "zero-proven") << moved.dump(1);
  EXPECT_EQ(leader("pay"), 2);
}

// The node hosted another partition of the topic before.
TEST_F(RegionsTest, ARegionThatIsAddedToAGroupCopiesItsPartitions) {
  start();
  create_group("east", {"b", "c"});
  create_spread("default,east");
  ASSERT_EQ(files_at(0, "topics/t-1/"), 0u);
  ask(0, "PATCH", "/v1/failover-groups/east", R"({"regions":["b","c","a"]})");
  world_.run_for(Duration::seconds(20));
  EXPECT_FALSE(world_.node(0).has_logged("partition_offline"));
  EXPECT_GT(files_at(0, "topics/t-1/"), 0u);
  world_.crash(0);
  world_.boot(0);
  world_.run_for(Duration::seconds(20));
  EXPECT_FALSE(world_.node(0).has_logged("partition_offline"));
}

// One that came takes the place of one that went: their number is the same.
TEST_F(RegionsTest, PartitionsThatChangeGroupsInTurnAreOpenedWhereTheyBelong) {
  start();
  create_group("ab", {"b", "a"});
  create_group("bc", {"b", "c"});
  create_spread("ab,bc");
  ask(0, "POST", "/v1/failover-groups/bc/partitions", R"({"topic":"t","partitions":[0]})");
  world_.run_for(Duration::seconds(5));
  ask(0, "POST", "/v1/failover-groups/ab/partitions", R"({"topic":"t","partitions":[1]})");
  world_.run_for(Duration::seconds(10));
  EXPECT_FALSE(world_.node(0).has_logged("partition_offline"));
  EXPECT_GT(files_at(0, "topics/t-1/"), 0u) << "it belongs to a group of this region now";
}

// What happened meanwhile comes in one piece: the topic is gone before its coming is carried out.
TEST_F(RegionsTest, ATopicMayComeAndGoWhileTheStoreIsAway) {
  start();
  create(0);
  world_.cut_store(2);
  world_.run_for(Duration::seconds(2));
  create(0, "short");
  wire::DeleteTopicsRequest request;
  request.timeout_ms = 5'000;
  request.topics.push_back({.name = "short"});
  world_.client(0).send(request, 6);
  ASSERT_TRUE(world_.run_until(
      [&] { return world_.client(0).take<wire::DeleteTopicsResponse>(6).has_value(); }));
  world_.join_store(2);
  world_.run_for(Duration::seconds(30));
  create(0, "later");
  world_.run_for(Duration::seconds(5));
  EXPECT_EQ(files_at(2, "topics/short-0/"), 0u);
  EXPECT_GT(files_at(2, "topics/later-0/"), 0u);
}

// The disk refuses to keep the tail, and then the topic is deleted.
TEST_F(RegionsTest, ATailOfADeletedTopicIsNotKeptForEver) {
  start();
  create(0);
  ask(0, "POST", "/v1/failover-groups", R"({"name":"bulk","preset":"bulk"})");
  ASSERT_TRUE(world_.run_until([&] { return is_open("bulk"); }));
  ask(0, "POST", "/v1/failover-groups/bulk/partitions", R"({"topic":"t"})");
  world_.run_for(Duration::seconds(2));
  world_.cut(0, 1);
  world_.cut(0, 2);
  ASSERT_EQ(produce_at(0, "only there"), ErrorCode::kNone);
  world_.crash(0);
  const json moved =
      operate(1, {{"kind", "failover"}, {"from", "a"}, {"groups", {"bulk"}}, {"allow_loss", true}});
  ASSERT_EQ(moved["step"], "done") << moved.dump(1);
  world_.boot(0);
  world_.run_for(Duration::seconds(5));
  world_.node(0).disk.set_write_error(Error{ErrorKind::kNoSpace, "full"});
  world_.join(0, 1);
  world_.join(0, 2);
  world_.run_for(Duration::seconds(5));
  ASSERT_TRUE(world_.node(0).has_logged("tail_not_kept"));
  wire::DeleteTopicsRequest request;
  request.timeout_ms = 5'000;
  request.topics.push_back({.name = "t"});
  world_.client(1).send(request, 6);
  ASSERT_TRUE(world_.run_until(
      [&] { return world_.client(1).take<wire::DeleteTopicsResponse>(6).has_value(); }));
  world_.node(0).disk.set_write_error(std::nullopt);
  world_.run_for(Duration::seconds(5));
  const auto said = [&] {
    const auto& lines = world_.node(0).lines;
    return std::count_if(lines.begin(), lines.end(),
                         [](const port::LogLine& line) { return line.code == "tail_not_kept"; });
  };
  const auto before = said();
  world_.run_for(Duration::seconds(20));
  EXPECT_EQ(said(), before);
}

}  // namespace
}  // namespace magpie::node::testing
