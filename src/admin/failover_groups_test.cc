#include "admin/failover_groups.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "admin/test_bench.h"
#include "control/decide_groups.h"
#include "control/exposure.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/replication.h"
#include "source_tree/source_dir.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

class FailoverGroups : public ::testing::Test {
 protected:
  static control::Node node(int32_t id, const std::string& region) {
    control::Node node{NodeId{id}, region, {}, {"host", 9}, {{"outside", {"a", 9092}}}, "0.1"};
    node.incarnation.bytes.fill(1);
    return node;
  }
  static control::Member member(int32_t id) { return {NodeId{id}, node(id, "").incarnation}; }

  template <typename Answer>
  void commit(const control::Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    kafka::Broker broker = bench.broker();
    bench.control.propose(
        broker, [&](const control::State&) { return decided->transaction; },
        [](kafka::Broker&, const auto& refusal) { ASSERT_FALSE(refusal) << refusal->message; });
  }
  void set_alive(int32_t id) {
    control::Decision<int> decision;
    decision.transaction.changes = {
        {control::alive_key(NodeId{id}), control::encode_alive(node(id, "").incarnation)}};
    commit(control::Decided<int>(decision));
  }
  const control::State& state() { return bench.control.state(); }

  void three_regions() {
    const char* regions[] = {"bj", "sh", "gz"};
    for (int32_t id = 1; id <= 3; ++id) {
      commit(control::decide_register_node(state(), node(id, regions[id - 1])));
      set_alive(id);
    }
    commit(control::decide_register_region(state(), {"w", control::RegionRole::kWitness}));
  }
  HttpAnswer create(const json& body) {
    return bench.ask("POST", "/v1/failover-groups", body.dump());
  }
  // The code of an error that is whole and that the page knows.
  static std::string code(const HttpAnswer& answer) {
    if (!answer.body.is_object() || !answer.body.contains("error")) return answer.text;
    const json& error = answer.body["error"];
    EXPECT_FALSE(error.at("message").get<std::string>().empty());
    EXPECT_FALSE(error.at("next_step").get<std::string>().empty());
    std::ostringstream page;
    page << std::ifstream(MAGPIE_SOURCE_DIR "/docs/operations/admin-api.md").rdbuf();
    EXPECT_NE(page.str().find("`" + error.at("code").get<std::string>() + "`"), std::string::npos);
    return error.at("code");
  }

  TestBench bench;
};

TEST_F(FailoverGroups, ANodeWithoutAClusterSaysSo) {
  const json listed = bench.get("/v1/failover-groups").body;
  EXPECT_EQ(listed["single_node"], true);
  ASSERT_EQ(listed["failover_groups"].size(), 2u);
  EXPECT_EQ(listed["failover_groups"][0]["name"], "default");
  EXPECT_EQ(listed["failover_groups"][0]["leadership"], nullptr);
  EXPECT_EQ(bench.get("/v1/regions").body,
            (json{{"single_node", true},
                  {"regions", json::array({{{"name", "here"},
                                            {"role", "data"},
                                            {"state", "member"},
                                            {"nodes", json::array({1})},
                                            {"alive", json::array({1})},
                                            {"leads", {"default", "system"}}}})}}));
  EXPECT_EQ(bench.get("/v1/nodes").body["nodes"][0]["region"], "here");
  const HttpAnswer refused = create({{"name", "pay"}, {"preset", "critical"}});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(code(refused), "single_node");
  EXPECT_EQ(code(bench.ask("PATCH", "/v1/failover-groups/default", "{}")), "single_node");
  EXPECT_EQ(code(bench.ask("DELETE", "/v1/failover-groups/default")), "single_node");
}

TEST_F(FailoverGroups, APresetWithChangesIsCreatedAlteredAndDeleted) {
  three_regions();
  const HttpAnswer created =
      create({{"name", "pay"}, {"preset", "critical"}, {"regions", {"bj", "sh", "gz"}}});
  EXPECT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(created.body["policy"], (json{{"mode", "standby"},
                                          {"regions", {"bj", "sh", "gz"}},
                                          {"copies", 1},
                                          {"min", 1},
                                          {"timeout_ms", 10'000},
                                          {"below_min", "block"},
                                          {"after_failover", nullptr},
                                          {"max_lag_ms", nullptr},
                                          {"max_lag_records", nullptr},
                                          {"failover", "manual"},
                                          {"view", "leader"},
                                          {"consistency", "strong"},
                                          {"priority", 10},
                                          {"topics", json::array()}}));
  EXPECT_EQ(code(create({{"name", "pay"}})), "failover_group_exists");

  const HttpAnswer altered = bench.ask("PATCH", "/v1/failover-groups/pay",
                                       R"({"copies":"all","after_failover":"degrade"})");
  EXPECT_EQ(altered.status, 200) << altered.text;
  EXPECT_EQ(altered.body["policy"]["copies"], "all");
  EXPECT_EQ(altered.body["policy"]["after_failover"], "degrade");
  const HttpAnswer back =
      bench.ask("PATCH", "/v1/failover-groups/pay", R"({"copies":2,"after_failover":null})");
  EXPECT_EQ(back.body["policy"]["copies"], 2);
  EXPECT_EQ(back.body["policy"]["after_failover"], nullptr);

  EXPECT_EQ(bench.ask("DELETE", "/v1/failover-groups/pay").body["deleted"], true);
  EXPECT_EQ(code(bench.get("/v1/failover-groups/pay")), "failover_group_not_found");
  EXPECT_EQ(code(bench.ask("DELETE", "/v1/failover-groups/pay")), "failover_group_not_found");
  EXPECT_EQ(code(bench.ask("PATCH", "/v1/failover-groups/pay", "{}")), "failover_group_not_found");
}

TEST_F(FailoverGroups, WhatCannotHoldIsRefusedWithTheReason) {
  three_regions();
  const HttpAnswer refused = create({{"name", "pay"}, {"regions", {"bj", "sh"}}, {"copies", 2}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(code(refused), "policy_violation");
  EXPECT_NE(refused.text.find("3 regions"), std::string::npos) << refused.text;
  for (const json& bad : std::vector<json>{{{"name", "pay"}, {"presett", "critical"}},
                                           {{"name", "pay"}, {"preset", "best"}},
                                           {{"name", "pay"}, {"copies", -1}},
                                           {{"name", "pay"}, {"copies", 1e30}},
                                           {{"name", "pay"}, {"below_min", "panic"}},
                                           {{"name", "pay"}, {"regions", {1}}},
                                           {{"name", 5}},
                                           json::array()}) {
    EXPECT_EQ(code(create(bad)), "malformed_body") << bad;
  }
}

// A limit of nothing would block or degrade at once; null is how a limit is taken away.
TEST_F(FailoverGroups, LimitsBelowOneAreRefusedAndSayWhatTheyTake) {
  three_regions();
  for (const auto& [field, takes] :
       std::map<std::string, std::string>{{"timeout_ms", "at least 1 (milliseconds)"},
                                          {"max_lag_ms", "at least 1 (milliseconds), or null"},
                                          {"max_lag_records", "at least 1, or null"}}) {
    for (const int value : {0, -5}) {
      const HttpAnswer refused = create({{"name", "pay"}, {field, value}});
      EXPECT_EQ(code(refused), "malformed_body") << field;
      EXPECT_NE(refused.text.find(field), std::string::npos) << refused.text;
      EXPECT_NE(refused.text.find(takes), std::string::npos) << refused.text;
    }
  }
}

TEST_F(FailoverGroups, DescribedAreLeaderEpochSyncSetAndWhoCanTakeOver) {
  three_regions();
  create({{"name", "pay"}, {"preset", "critical"}, {"regions", {"bj", "sh", "gz"}}});
  commit(control::decide_take_leadership(state(), "pay", member(1), WallTime{5}, false));
  const LeaderEpoch epoch = state().leadership("pay").epoch;
  commit(control::decide_open_epoch(state(), {"pay", epoch, member(1)}, {member(2)}, WallTime{7}));
  const json led = bench.get("/v1/failover-groups/pay").body["leadership"];
  const json first = {{"node", 1}, {"region", "bj"}, {"alive", true}};
  const json second = {{"node", 2}, {"region", "sh"}, {"alive", true}};
  EXPECT_EQ(led, (json{{"epoch", epoch.value},
                       {"leader", first},
                       {"open", true},
                       {"sync", json::array({second})},
                       {"joining", nullptr},
                       {"promotable", json::array({first, second})},
                       {"state", "sync"},
                       {"state_since_ms", 7},
                       {"exposed_since_ms", nullptr},
                       {"opened_with", "lossless"},
                       {"failed_over", false},
                       {"draining", nullptr},
                       {"blocked", nullptr}}));

  commit(control::decide_begin_draining(state(), "pay", "4", NodeId{2}));
  const json drained = bench.get("/v1/failover-groups/pay").body["leadership"];
  EXPECT_EQ(drained["draining"], (json{{"operation", "4"}, {"target", 2}, {"drained", false}}));
  EXPECT_EQ(drained["blocked"], "a switchover is under way");
  const json regions = bench.get("/v1/regions").body["regions"];
  ASSERT_EQ(regions.size(), 4u);
  EXPECT_EQ(regions[0], (json{{"name", "bj"},
                              {"role", "data"},
                              {"state", "member"},
                              {"nodes", json::array({1})},
                              {"alive", json::array({1})},
                              {"leads", json::array({"pay"})}}));
  EXPECT_EQ(regions[3]["role"], "witness");
  const json nodes = bench.get("/v1/nodes").body["nodes"];
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[2]["region"], "gz");
  EXPECT_EQ(nodes[2]["alive"], true);
}

TEST_F(FailoverGroups, ADeletedGroupCanBeRestored) {
  three_regions();
  const HttpAnswer made = create(
      {{"name", "pay"}, {"preset", "critical"}, {"regions", {"bj", "sh", "gz"}}, {"priority", 7}});
  ASSERT_EQ(made.status, 201) << made.text;
  const HttpAnswer gone = bench.ask("DELETE", "/v1/failover-groups/pay");
  ASSERT_EQ(gone.status, 200) << gone.text;
  const json listed = bench.get("/v1/deleted-failover-groups").body["deleted_failover_groups"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["name"], "pay");
  EXPECT_EQ(listed[0]["policy"]["priority"], 7);
  const HttpAnswer back = bench.ask("POST", "/v1/deleted-failover-groups/pay/restore");
  EXPECT_EQ(back.status, 200) << back.text;
  EXPECT_EQ(back.body["policy"]["priority"], 7);
  EXPECT_EQ(code(bench.ask("POST", "/v1/deleted-failover-groups/pay/restore")), "invalid_request");
}

TEST_F(FailoverGroups, ExposureIsShownNewestFirst) {
  three_regions();
  create({{"name", "logs"}, {"preset", "standard"}, {"regions", {"bj", "sh", "gz"}}});
  commit(control::decide_take_leadership(state(), "logs", member(1), WallTime{5}, false));
  const control::Term term{"logs", state().leadership("logs").epoch, member(1)};
  commit(control::decide_open_epoch(state(), term, {member(2)}, WallTime{7}));
  json history = bench.get("/v1/failover-groups/logs/exposure").body;
  EXPECT_EQ(history, (json{{"name", "logs"},
                           {"single_node", false},
                           {"wanted_copies", 1},
                           {"copies", 1},
                           {"state", "sync"},
                           {"episodes_kept", 100},
                           {"episodes", json::array()}}));
  commit(control::decide_shrink_sync(state(), term, member(2), WallTime{100}));
  commit(control::decide_count_exposure(
      state(), "logs", {1, term.epoch, member(1), 12, 1'200, false}, WallTime{150}));
  commit(control::decide_begin_joining(state(), term, member(2), WallTime{200}));
  commit(control::decide_finish_joining(state(), term, WallTime{300}));
  commit(control::decide_shrink_sync(state(), term, member(2), WallTime{400}));
  history = bench.get("/v1/failover-groups/logs/exposure").body;
  ASSERT_EQ(history["episodes"].size(), 2u);
  EXPECT_EQ(history["state"], "degraded");
  EXPECT_EQ(history["episodes"][0]["began_ms"], 400);
  EXPECT_EQ(history["episodes"][0]["ended_ms"], nullptr);
  EXPECT_EQ(history["episodes"][0]["end"], nullptr);
  EXPECT_EQ(
      history["episodes"][1],
      (json{{"number", 1},
            {"epoch", term.epoch.value},
            {"leader", {{"node", 1}, {"region", "bj"}, {"alive", true}}},
            {"began_ms", 100},
            {"ended_ms", 300},
            {"end", "enough-copies"},
            {"duration_ms", 200},
            {"wanted_copies", 1},
            {"fewest_copies", 0},
            {"records", 12},
            {"bytes_estimate", 1'200},
            {"complete", false},
            {"counted_at_ms", 150},
            {"changes", json::array({{{"at_ms", 100}, {"state", "degraded"}, {"copies", 0}},
                                     {{"at_ms", 200}, {"state", "catching-up"}, {"copies", 0}}})},
            {"changes_dropped", 0}}));
  EXPECT_EQ(code(bench.get("/v1/failover-groups/mars/exposure")), "failover_group_not_found");
}

TEST_F(FailoverGroups, PartitionsArePlaced) {
  three_regions();
  create({{"name", "pay"}, {"regions", {"bj", "sh", "gz"}}});
  bench.create_topic("orders", 3);
  const auto place = [&](const char* group, const json& body) {
    return bench.ask("POST", std::string("/v1/failover-groups/") + group + "/partitions",
                     body.dump());
  };
  const HttpAnswer placed = place("pay", {{"topic", "orders"}, {"partitions", {1}}});
  EXPECT_EQ(placed.status, 200) << placed.text;
  EXPECT_EQ(placed.body["topics"][0]["config"], "default,pay,default");
  EXPECT_EQ(bench.get("/v1/failover-groups/pay").body["partitions"], 1);
  EXPECT_EQ(place("pay", {{"topic", "orders"}}).body["topics"][0]["config"], "pay");
  EXPECT_EQ(bench.get("/v1/failover-groups/pay").body["partitions"], 3);
  EXPECT_EQ(code(place("mars", {{"topic", "orders"}})), "failover_group_not_found");
  EXPECT_EQ(code(place("pay", {{"topic", "nothing"}})), "topic_not_found");
  EXPECT_EQ(code(place("pay", {{"topic", "orders"}, {"partitions", {9}}})), "topic_not_found");
  EXPECT_EQ(code(place("pay", {{"partitions", {1}}})), "malformed_body");
  EXPECT_EQ(code(bench.ask("DELETE", "/v1/failover-groups/pay")), "policy_violation");
}

TEST_F(FailoverGroups, TheLeadersNodeSaysThatWritesWaitForCopies) {
  three_regions();
  create({{"name", "pay"}, {"regions", {"bj", "sh", "gz"}}});
  commit(control::decide_take_leadership(state(), "pay", member(1), WallTime{5}, false));
  const LeaderEpoch epoch = state().leadership("pay").epoch;
  commit(control::decide_open_epoch(state(), {"pay", epoch, member(1)}, {member(2)}, WallTime{7}));
  const auto blocked = [&] {
    return bench.get("/v1/failover-groups/pay").body["leadership"]["blocked"];
  };
  EXPECT_EQ(blocked(), nullptr);
  bench.regions = [] {
    RegionsStatus status;
    status.led.push_back({.group = "bulk", .epoch = LeaderEpoch{4}, .blocked = true});
    return status;
  };
  EXPECT_EQ(blocked(), nullptr) << "another group is";
  bench.regions = [] {
    RegionsStatus status;
    status.led.push_back({.group = "pay", .epoch = LeaderEpoch{4}, .blocked = true});
    return status;
  };
  EXPECT_NE(blocked().dump().find("fewer than 1 copies"), std::string::npos) << blocked();
}

TEST_F(FailoverGroups, TopicsArePlacedByPattern) {
  three_regions();
  create({{"name", "pay"}, {"regions", {"bj", "sh", "gz"}}, {"topics", {"pay.*"}}});
  EXPECT_EQ(bench.get("/v1/failover-groups/pay").body["policy"]["topics"], json::array({"pay.*"}));
  bench.create_topic("pay.in", 1);
  bench.create_topic("ord-a", 1);
  bench.create_topic("ord-b", 2);
  EXPECT_EQ(bench.get("/v1/failover-groups/pay").body["partitions"], 1);
  const HttpAnswer placed =
      bench.ask("POST", "/v1/failover-groups/pay/partitions", json{{"topic", "ord*"}}.dump());
  EXPECT_EQ(
      placed.body,
      (json{{"failover_group", "pay"},
            {"left", 0},
            {"topics",
             {{{"topic", "ord-a"}, {"config", "pay"}}, {{"topic", "ord-b"}, {"config", "pay"}}}}}));
  EXPECT_EQ(bench.get("/v1/failover-groups/pay").body["partitions"], 4);
  EXPECT_EQ(code(bench.ask("POST", "/v1/failover-groups/pay/partitions",
                           json{{"topic", "nothing*"}}.dump())),
            "topic_not_found");
}

}  // namespace
}  // namespace magpie::admin
