// Several nodes together: who leads, what is copied, what survives which loss.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"

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
  void create(size_t index, const std::string& name = "t") {
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = -1});
    TestClient& client = world_.client(index);
    client.send(request, 5);
    std::optional<wire::CreateTopicsResponse> answer;
    ASSERT_TRUE(world_.run_until(
        [&] { return (answer = client.take<wire::CreateTopicsResponse>(5)).has_value(); }));
    ASSERT_EQ(answer->topics.at(0).error_code, ErrorCode::kNone);
  }

  // Begins an operation at a node, and waits until it is over. Returns its record.
  json operate(size_t index, const json& request, Duration limit = Duration::seconds(60)) {
    json answer = ask(index, "POST", "/v1/operations", request.dump());
    if (!answer.contains("id")) return answer;
    const std::string path = "/v1/operations/" + answer["id"].dump();
    world_.run_until(
        [&] {
          answer = json::parse(world_.node(index).http("GET", path).body);
          return answer.value("over", false);
        },
        limit);
    return answer;
  }
  json ask(size_t index, const std::string& method, const std::string& path,
           const std::string& body) {
    const auto exchange = world_.node(index).begin_http(method, path, body);
    std::optional<port::HttpRespond> answer;
    world_.run_until([&] { return (answer = world_.node(index).take_http(exchange)).has_value(); });
    return answer ? json::parse(answer->body) : json::object();
  }
  std::vector<std::string> values_at(size_t index) {
    std::vector<std::string> values;
    for (const auto& [offset, value] : records_in(fetch(world_.client(index), "t", 0, 0))) {
      values.push_back(value);
    }
    return values;
  }

  // Asks node 1 to drop what lies below `offset`, within five seconds.
  void delete_before(int64_t offset) {
    wire::DeleteRecordsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({"t", {{0, offset}}});
    world_.client(0).send(request, 2);
  }
  std::optional<ErrorCode> deletion(Duration limit) {
    std::optional<wire::DeleteRecordsResponse> answer;
    world_.run_until(
        [&] {
          return (answer = world_.client(0).take<wire::DeleteRecordsResponse>(2)).has_value();
        },
        limit);
    if (!answer) return std::nullopt;
    return answer->topics.at(0).partitions.at(0).error_code;
  }
  // Of partition t-0, as the node's page says it.
  int64_t log_start(size_t index) {
    const std::string page = world_.node(index).http("GET", "/metrics").body;
    const std::string name = R"(magpie_partition_log_start{topic="t",partition="0"} )";
    const size_t at = page.find(name);
    return at == std::string::npos ? -1 : std::stoll(page.substr(at + name.size()));
  }

  void create_group(const std::string& name, const std::vector<std::string>& regions) {
    ask(0, "POST", "/v1/failover-groups",
        json{{"name", name}, {"preset", "standard"}, {"regions", regions}}.dump());
    ASSERT_TRUE(world_.run_until([&] { return is_open(name); }));
  }
  // A topic `t` of two partitions, in these groups.
  void create_spread(const std::string& groups) {
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 2, .replication_factor = -1});
    request.topics.back().configs.push_back({"magpie.failover.group", groups});
    world_.client(0).send(request, 5);
    world_.run_for(Duration::seconds(5));
  }
  size_t files_at(size_t index, const std::string& prefix) {
    size_t count = 0;
    for (const auto& [path, content] : world_.node(index).disk.files()) {
      count += path.starts_with(prefix) ? 1 : 0;
    }
    return count;
  }

  RegionsWorld world_{{"a", "b", "c"}};
};

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

// Of a log to which nobody writes, too: a failover does not bring back what was dropped.
TEST_F(RegionsTest, DeletedRecordsAreGoneFromEveryMemberWhenThatIsAnswered) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "first"), ErrorCode::kNone);
  ASSERT_EQ(produce_at(0, "second"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(2));
  delete_before(1);
  EXPECT_EQ(deletion(Duration::seconds(1)), ErrorCode::kNone);
  EXPECT_EQ(log_start(0), 1);
  EXPECT_EQ(log_start(static_cast<size_t>(sync_set().at(0)) - 1), 1);
  world_.run_for(Duration::milliseconds(500));
  EXPECT_EQ(log_start(1), 1);
  EXPECT_EQ(log_start(2), 1);
}

TEST_F(RegionsTest, ADeletionWaitsForAMemberOnlyAsLongAsTheClient) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "first"), ErrorCode::kNone);
  world_.cut(0, 1);
  world_.cut(0, 2);
  world_.cut_store(0);
  delete_before(1);
  EXPECT_EQ(deletion(Duration::milliseconds(4'900)), std::nullopt);
  EXPECT_EQ(deletion(Duration::milliseconds(200)), ErrorCode::kRequestTimedOut);
  EXPECT_EQ(log_start(0), 1) << "it stays dropped here";
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

TEST_F(RegionsTest, ARegionIsTakenOutWhileItRunsAndInAgain) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), ErrorCode::kNone);
  ASSERT_TRUE(world_.run_until([&] { return is_open("system") && !sync_set("system").empty(); }));
  const int out = sync_set().at(0);
  const auto index = static_cast<size_t>(out - 1);
  const std::string path = std::string("/v1/regions/") + "abc"[index] + "/";
  EXPECT_EQ(ask(0, "POST", "/v1/regions/a/remove", "")["error"]["code"], "not_possible") << "leads";
  world_.run_for(Duration::seconds(60));
  json answer = json::object();
  int steps = 0;
  for (; steps < 50 && answer.value("state", "") != "removed"; ++steps) {
    answer = ask(0, "POST", path + "remove", "");
    // While it is let go, and after that, writes go on.
    ASSERT_EQ(produce_at(0, "more"), ErrorCode::kNone) << steps << answer.dump();
    world_.run_for(Duration::milliseconds(200));
  }
  EXPECT_EQ(answer["state"], "removed") << answer.dump();
  EXPECT_GT(steps, 1);
  for (const char* group : {"default", "system"}) {
    EXPECT_EQ(sync_set(group).size(), 1u) << group;
    EXPECT_NE(sync_set(group).at(0), out) << group;
  }
  EXPECT_EQ(world_.stored("nodes/" + std::to_string(out)), "");
  EXPECT_EQ(world_.stored("alive/" + std::to_string(out)), "") << "others go on with what it did";
  world_.run_for(Duration::seconds(1));
  NodeHarness& gone = world_.node(index);
  EXPECT_TRUE(gone.has_logged("region_removed"));
  EXPECT_EQ(gone.http("GET", "/readyz").status, 503);
  EXPECT_GT(files_at(index, "topics/t-0/"), 0u);
  const auto log_end = [&](size_t at) {
    const json topic = json::parse(world_.node(at).http("GET", "/v1/topics/t").body);
    return topic["partitions"][0]["log_end"].get<int64_t>();
  };
  const int64_t held = log_end(index);
  ASSERT_EQ(produce_at(0, "without it"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(2));
  EXPECT_EQ(log_end(index), held) << "it follows nobody";
  EXPECT_GT(log_end(0), held);
  // What is asked of it is refused at once: it is none of the cluster's nodes.
  const json refused = ask(index, "POST", path + "readmit", "");
  EXPECT_NE(refused.dump().find("at a node of another region"), std::string::npos)
      << refused.dump();

  EXPECT_EQ(world_.stored("alive/" + std::to_string(out)), "");
  EXPECT_EQ(ask(0, "POST", path + "readmit", "")["state"], "member");
  ASSERT_TRUE(world_.run_until([&] { return log_end(index) == log_end(0); }, Duration::seconds(20)))
      << "what it held is kept, and the rest comes";
  EXPECT_TRUE(gone.has_logged("region_readmitted"));
  EXPECT_FALSE(gone.has_logged("copy_begun_anew"));
  EXPECT_NE(world_.stored("alive/" + std::to_string(out)), "");
  EXPECT_EQ(gone.http("GET", "/readyz").status, 200);
}

TEST_F(RegionsTest, ANodeOfARemovedRegionDoesNotStart) {
  start();
  create(0);
  ASSERT_TRUE(world_.run_until([&] { return is_open("system") && !sync_set("system").empty(); }));
  const int out = sync_set().at(0);
  const auto index = static_cast<size_t>(out - 1);
  world_.crash(index);
  world_.run_for(Duration::seconds(60));
  const std::string path = std::string("/v1/regions/") + "abc"[index] + "/remove";
  json answer = json::object();
  for (int i = 0; i < 100 && answer.value("state", "") != "removed"; ++i) {
    answer = ask(0, "POST", path, "");
    world_.run_for(Duration::milliseconds(300));
  }
  ASSERT_EQ(answer["state"], "removed") << answer.dump();
  ASSERT_EQ(produce_at(0, "without it"), ErrorCode::kNone);
  world_.boot(index);
  NodeHarness& gone = world_.node(index);
  ASSERT_TRUE(world_.run_until([&] { return gone.phase() == Phase::kFailed; }));
  EXPECT_TRUE(gone.has_logged("control.not_registered"));
  EXPECT_EQ(leader(), 1);
}

}  // namespace
}  // namespace magpie::node::testing
