#include "admin/routes.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "admin/test_bench.h"
#include "source_tree/source_dir.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

// The error of an answer, after checking that it is whole.
std::string code_of(const HttpAnswer& answer) {
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_GE(answer.status, 400);
  if (!answer.body.is_object() || !answer.body.contains("error")) return answer.text;
  const json& error = answer.body["error"];
  EXPECT_FALSE(error.at("message").get<std::string>().empty());
  EXPECT_FALSE(error.at("next_step").get<std::string>().empty());
  return error.at("code");
}

TEST(Routes, ThePageListsExactlyTheRoutes) {
  std::ifstream file(MAGPIE_SOURCE_DIR "/docs/operations/admin-api.md");
  std::ostringstream page;
  page << file.rdbuf();
  const std::string text = page.str();
  const std::regex row(R"(\| `((?:GET|POST|PATCH|DELETE) [^`]+)` \|)");
  std::set<std::string> listed;
  for (std::sregex_iterator at(text.begin(), text.end(), row), end; at != end; ++at) {
    listed.insert((*at)[1]);
  }
  const std::vector<std::string> routes = list_routes();
  EXPECT_EQ(listed, std::set<std::string>(routes.begin(), routes.end()));
}

TEST(Routes, HealthIsGoodWhateverElseIsWrong) {
  TestBench bench;
  bench.serving = false;
  bench.storage_error = "disk full";
  const HttpAnswer answer = bench.get("/healthz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, (json{{"status", "alive"}}));
}

TEST(Routes, ReadyMeansServingWithoutProblems) {
  TestBench bench;
  HttpAnswer answer = bench.get("/readyz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            (json{{"ready", true}, {"phase", "running"}, {"problems", json::array()}}));

  bench.serving = false;
  bench.phase = "starting";
  answer = bench.get("/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body["ready"], false);
  EXPECT_EQ(answer.body["phase"], "starting");
}

TEST(Routes, NotReadyNamesEveryProblem) {
  TestBench bench;
  bench.create_topic("orders", 2);
  bench.storage_is_damaged = true;
  bench.create_topic("lost", 1);
  bench.fail_disk("orders", 1, "disk full");
  bench.groups_failure = "cannot be read";
  bench.storage_error = "journal is full";
  const HttpAnswer answer = bench.get("/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body["problems"],
            (json{"consumer groups: cannot be read", "cluster state: journal is full",
                  "partition orders-1: disk full", "partition lost-0: the log does not exist"}));
}

TEST(Routes, StatusCounts) {
  TestBench bench;
  bench.create_topic("orders", 3);
  bench.storage_is_damaged = true;
  bench.create_topic("lost", 1);
  bench.fail_disk("orders", 1, "disk full");
  bench.commit("readers", "orders", 0, 0);
  bench.accept_connection(1);
  bench.accept_connection(2);
  const HttpAnswer answer = bench.get("/v1/status");
  EXPECT_EQ(answer.status, 200);
  json expected = {{"cluster_id", "bench"},
                   {"node_id", 1},
                   {"region", "here"},
                   {"phase", "running"},
                   {"leader_epoch", -1},
                   {"topics", 2},
                   {"partitions", {{"hosted", 4}, {"online", 2}, {"read_only", 1}, {"offline", 1}}},
                   {"groups", 1},
                   {"connections", 2}};
  expected["problems"] = answer.body["problems"];
  EXPECT_EQ(answer.body, expected);
  EXPECT_EQ(answer.body["problems"].size(), 2u);
}

TEST(Routes, TopicsAreListedAndDescribed) {
  TestBench bench;
  bench.create_topic("payments", 1);
  bench.create_topic("orders", 2);
  bench.produce("orders", 1, 3);
  const json listed = bench.get("/v1/topics").body;
  ASSERT_EQ(listed["topics"].size(), 2u);
  EXPECT_EQ(listed["topics"][0]["name"], "orders");
  EXPECT_EQ(listed["topics"][0]["partitions"], 2);
  EXPECT_EQ(listed["topics"][0]["internal"], false);
  EXPECT_EQ(listed["topics"][1]["name"], "payments");

  const HttpAnswer described = bench.get("/v1/topics/orders");
  EXPECT_EQ(described.status, 200);
  EXPECT_EQ(described.body["id"], listed["topics"][0]["id"]);
  EXPECT_EQ(described.body["configs"], json::object());
  const json& partition = described.body["partitions"][1];
  EXPECT_EQ(partition["partition"], 1);
  EXPECT_EQ(partition["state"], "online");
  EXPECT_EQ(partition["leader_epoch"], 4);
  EXPECT_EQ(partition["log_start"], 0);
  EXPECT_EQ(partition["high_watermark"], 3);
  EXPECT_EQ(partition["log_end"], 3);
  EXPECT_GT(partition["size_bytes"], 61);
}

TEST(Routes, ADamagedPartitionIsShownWithoutOffsets) {
  TestBench bench;
  bench.storage_is_damaged = true;
  bench.create_topic("lost", 1);
  const json partitions = bench.get("/v1/partitions").body["partitions"];
  ASSERT_EQ(partitions.size(), 1u);
  EXPECT_EQ(partitions[0], (json{{"topic", "lost"},
                                 {"partition", 0},
                                 {"state", "offline"},
                                 {"leader_epoch", 4},
                                 {"failure", "the log does not exist"}}));
}

TEST(Routes, GroupsWithMembersPositionsAndLag) {
  TestBench bench;
  bench.create_topic("orders", 2);
  bench.produce("orders", 0, 10);
  bench.commit("readers", "orders", 0, 4);
  bench.commit("readers", "gone", 0, 9);
  bench.join("writers", "app");
  const json listed = bench.get("/v1/groups").body["groups"];
  EXPECT_EQ(
      listed,
      (json{
          {{"group", "readers"}, {"state", "Empty"}, {"protocol_type", ""}},
          {{"group", "writers"}, {"state", "PreparingRebalance"}, {"protocol_type", "consumer"}}}));

  const HttpAnswer readers = bench.get("/v1/groups/readers");
  EXPECT_EQ(readers.status, 200);
  EXPECT_EQ(readers.body["members"], json::array());
  EXPECT_EQ(readers.body["positions"],
            (json{{{"topic", "gone"}, {"partition", 0}, {"committed", 9}, {"lag", nullptr}},
                  {{"topic", "orders"}, {"partition", 0}, {"committed", 4}, {"lag", 6}}}));

  const json writers = bench.get("/v1/groups/writers").body;
  ASSERT_EQ(writers["members"].size(), 1u);
  EXPECT_EQ(writers["members"][0]["client_id"], "app");
  EXPECT_EQ(writers["members"][0]["host"], "/127.0.0.1");
}

TEST(Routes, NamesMayBeEncodedAndHoldAnything) {
  TestBench bench;
  bench.create_topic("orders", 1);
  bench.commit("a b/c?d", "orders", 0, 0);
  bench.commit(std::string("\xff"), "orders", 0, 0);
  EXPECT_EQ(bench.get("/v1/groups/a%20b%2Fc%3Fd").body["group"], "a b/c?d");
  const HttpAnswer odd = bench.get("/v1/groups/%ff");
  EXPECT_EQ(odd.status, 200);
  EXPECT_EQ(odd.body["group"], "\xef\xbf\xbd");  // JSON is text: what is none is replaced
  EXPECT_EQ(bench.get("/v1/groups").body["groups"].size(), 2u);
}

TEST(Routes, WhatIsNotThereIsNamed) {
  TestBench bench;
  for (const char* name : {"orders", "", "%00", "..", "%2e%2e%2fetc", "a%zz"}) {
    const std::string target = std::string("/v1/topics/x") + name;
    const HttpAnswer topic = bench.get(target);
    EXPECT_EQ(topic.status, 404) << target;
    EXPECT_EQ(code_of(topic), "topic_not_found") << target;
    const HttpAnswer group = bench.get(std::string("/v1/groups/x") + name);
    EXPECT_EQ(group.status, 404);
    EXPECT_EQ(code_of(group), "group_not_found");
  }
}

TEST(Routes, UnknownPathsAndMethods) {
  TestBench bench;
  for (const char* target : {"/", "", "/v1", "/v2/topics", "/v1/topics/a/b", "/healthz/x", "*"}) {
    const HttpAnswer answer = bench.get(target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(code_of(answer), "no_such_route") << target;
  }
  const HttpAnswer wrong = bench.ask("PUT", "/v1/topics/orders");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(code_of(wrong), "method_not_allowed");
  EXPECT_EQ(wrong.body["error"]["next_step"], "this path takes GET, PATCH, DELETE");
  EXPECT_EQ(bench.ask("POST", "/healthz").status, 405);
  EXPECT_EQ(bench.ask("DELETE", "/v1/groups/readers").status, 405);
}

// Load balancers ask with HEAD; the driver leaves the body out.
TEST(Routes, HeadIsAnsweredLikeGet) {
  TestBench bench;
  EXPECT_EQ(bench.ask("HEAD", "/readyz").status, 200);
  bench.serving = false;
  EXPECT_EQ(bench.ask("HEAD", "/readyz").status, 503);
}

TEST(Routes, QueriesAndDoubledSlashesDoNotMatter) {
  TestBench bench;
  EXPECT_EQ(bench.get("/healthz?verbose=1").status, 200);
  EXPECT_EQ(bench.get("//v1//topics/").status, 200);
}

}  // namespace
}  // namespace magpie::admin
