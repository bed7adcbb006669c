// What `magpie failover-group` and `magpie region` print and send. The node is a fake that answers
// what each test says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "server/fake_node.h"
#include "server/group_options.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

json member(int node, const char* region, bool alive = true) {
  return {{"node", node}, {"region", region}, {"alive", alive}};
}

json group(const json& leadership) {
  return {{"name", "pay"},
          {"single_node", false},
          {"regions", {"bj", "sh"}},
          {"partitions", 3},
          {"policy", {{"regions", {"bj", "sh"}}, {"copies", 1}, {"max_lag_ms", nullptr}}},
          {"leadership", leadership}};
}

json leadership() {
  return {{"epoch", 7},
          {"leader", member(1, "bj")},
          {"open", true},
          {"sync", json::array({member(2, "sh", false)})},
          {"joining", nullptr},
          {"promotable", {member(1, "bj"), member(2, "sh", false)}},
          {"state", "sync"},
          {"state_since_ms", 1'000},
          {"exposed_since_ms", nullptr},
          {"opened_with", "lossless"},
          {"failed_over", false},
          {"draining", nullptr},
          {"blocked", nullptr}};
}

TEST(FailoverGroupCommand, List) {
  FakeNode node(200, json{{"single_node", false},
                          {"failover_groups", {group(leadership()), group(nullptr)}}});
  EXPECT_EQ(node.run({"fg", "list"}).output,
            "GROUP  COPIES  PARTITIONS  LEADER  EPOCH  STATE    SYNC\n"
            "pay    1       3           1 (bj)  7      sync     2 (sh, down)\n"
            "pay    1       3           -       -      not led  -\n");
  EXPECT_EQ(node.asked, "GET /v1/failover-groups ");
}

TEST(FailoverGroupCommand, Describe) {
  json led = leadership();
  led["draining"] = {{"operation", "4"}, {"target", 2}, {"drained", false}};
  led["blocked"] = "a switchover is under way";
  led["exposed_since_ms"] = 2'500;
  FakeNode node(200, group(led));
  EXPECT_EQ(node.run({"failover-group", "describe", "pay"}).output,
            "failover group pay with 3 partitions, regions: bj, sh\n"
            "  copies=1\n"
            "leader: 1 (bj), epoch 7, opened lossless\n"
            "in sync: 2 (sh, down)\n"
            "joining: -\n"
            "promotable without loss: 1 (bj), 2 (sh, down)\n"
            "state: sync since 1970-01-01 00:00:01.000 UTC\n"
            "fewer copies than wanted since 1970-01-01 00:00:02.500 UTC\n"
            "operation 4 moves it to node 2: waiting for the target\n"
            "no writes: a switchover is under way\n");
  EXPECT_EQ(node.asked, "GET /v1/failover-groups/pay ");
}

json episode(int64_t began, const json& ended, int64_t records, bool complete) {
  return {{"number", 1},
          {"epoch", 7},
          {"leader", member(1, "bj")},
          {"began_ms", began},
          {"ended_ms", ended},
          {"end", ended.is_null() ? json(nullptr) : json("enough-copies")},
          {"duration_ms", ended.is_null() ? 7'325'000 : ended.get<int64_t>() - began},
          {"wanted_copies", 1},
          {"fewest_copies", 0},
          {"records", records},
          {"bytes_estimate", records * 1'000},
          {"complete", complete}};
}

TEST(FailoverGroupCommand, Exposure) {
  json answer = {{"name", "pay"},       {"single_node", false}, {"wanted_copies", 1},
                 {"copies", 0},         {"state", "degraded"},  {"episodes", json::array()},
                 {"episodes_kept", 100}};
  FakeNode none(200, answer);
  EXPECT_EQ(none.run({"fg", "exposure", "pay"}).output,
            "failover group pay wants 1 copies besides the leader's and has 0: degraded\n"
            "no time is recorded in which it acknowledged with fewer copies than it wants\n");
  EXPECT_EQ(none.asked, "GET /v1/failover-groups/pay/exposure ");
  answer["episodes"] = {episode(5'000, nullptr, 30, false), episode(1'000, 3'500, 12, true)};
  FakeNode some(200, answer);
  EXPECT_EQ(
      some.run({"fg", "exposure", "pay"}).output,
      "failover group pay wants 1 copies besides the leader's and has 0: degraded\n"
      "acknowledged with fewer copies, newest first:\n"
      "FROM                         FOR        ENDED BY       COPIES  RECORDS  BYTES    EPOCH  "
      "LEADER\n"
      "1970-01-01 00:00:05.000 UTC  2 h 2 min  lasts          0 of 1  >= 30    ~29 KiB  7      1 "
      "(bj)\n"
      "1970-01-01 00:00:01.000 UTC  2.500 s    enough copies  0 of 1  12       ~11 KiB  7      1 "
      "(bj)\n"
      ">= at least: as last written down by a leader that goes on, or was lost before it could "
      "write down the rest, or noticed late that copies were too few\n");
  answer["episodes_kept"] = 2;
  EXPECT_NE(FakeNode(200, answer).run({"fg", "exposure", "pay"}).output.find("no more than 2 are"),
            std::string::npos);
  answer["single_node"] = true;
  FakeNode alone(200, answer);
  EXPECT_NE(alone.run({"fg", "exposure", "pay"}).output.find("is alone"), std::string::npos);
}

TEST(FailoverGroupCommand, CreateAndAlterSendWhatWasAsked) {
  FakeNode node(201, group(nullptr));
  const CommandResult result =
      node.run({"fg", "create", "pay", "--preset", "critical", "--regions", "bj,sh", "--copies",
                "all", "--ack-timeout", "5s", "--after-failover", "degrade", "--max-lag", "none"});
  EXPECT_EQ(result.output,
            "created failover group pay with 3 partitions, regions: bj, sh\n"
            "  copies=1\n"
            "leader: none; the group was never led\n");
  const std::string start = "POST /v1/failover-groups ";
  ASSERT_EQ(node.asked.substr(0, start.size()), start);
  EXPECT_EQ(json::parse(node.asked.substr(start.size())), (json{{"name", "pay"},
                                                                {"preset", "critical"},
                                                                {"regions", {"bj", "sh"}},
                                                                {"copies", "all"},
                                                                {"timeout_ms", 5'000},
                                                                {"after_failover", "degrade"},
                                                                {"max_lag_ms", nullptr}}));
  node.run({"fg", "alter", "pay", "--min", "2", "--max-lag-records", "10"});
  EXPECT_EQ(node.asked, R"(PATCH /v1/failover-groups/pay {"max_lag_records":10,"min":2})");
  node.run({"fg", "alter", "pay", "--topics", "ord*,pay.*"});
  EXPECT_EQ(node.asked, R"(PATCH /v1/failover-groups/pay {"topics":["ord*","pay.*"]})");
  node.run({"fg", "alter", "pay", "--topics", "none"});
  EXPECT_EQ(node.asked, R"(PATCH /v1/failover-groups/pay {"topics":[]})");
  const CommandResult wrong = node.run({"fg", "alter", "pay", "--copies", "some"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.output.find("--copies"), std::string::npos) << wrong.output;
  node.asked.clear();
  const CommandResult nothing = node.run({"fg", "alter", "pay", "--timeout", "5s"});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_NE(nothing.output.find("no setting is named"), std::string::npos) << nothing.output;
  EXPECT_EQ(node.asked, "");
}

TEST(FailoverGroupCommand, PlaceAndDelete) {
  const json placed = {{"topic", "orders"}, {"config", "pay"}};
  FakeNode node(200, json{{"failover_group", "pay"}, {"topics", {placed}}, {"left", 0}});
  EXPECT_EQ(node.run({"fg", "place", "orders:0,2-4", "--group", "pay"}).output,
            "topic orders: magpie.failover.group=pay\n");
  EXPECT_EQ(node.asked,
            "POST /v1/failover-groups/pay/partitions "
            R"({"partitions":[0,2,3,4],"topic":"orders"})");
  node.run({"fg", "place", "orders", "--group", "pay"});
  EXPECT_EQ(node.asked, R"(POST /v1/failover-groups/pay/partitions {"topic":"orders"})");
  for (const char* bad : {"orders:", "orders:x", "orders:3-1", "orders:1,,2", "orders:-1"}) {
    EXPECT_EQ(node.run({"fg", "place", bad, "--group", "pay"}).exit_code, 1) << bad;
  }
  FakeNode more(200, json{{"failover_group", "pay"}, {"topics", {placed, placed}}, {"left", 7}});
  EXPECT_EQ(more.run({"fg", "place", "ord*", "--group", "pay"}).output,
            "topic orders: magpie.failover.group=pay\ntopic orders: magpie.failover.group=pay\n"
            "7 more match; run the command again\n");
  EXPECT_EQ(more.asked, R"(POST /v1/failover-groups/pay/partitions {"topic":"ord*"})");
  FakeNode back(200, group(nullptr));
  EXPECT_EQ(back.run({"fg", "restore", "pay"}).output.substr(0, 27), "restored failover group pay");
  EXPECT_EQ(back.asked, "POST /v1/deleted-failover-groups/pay/restore ");
  FakeNode kept(200, json{{"deleted_failover_groups", json::array({{{"name", "pay"},
                                                                    {"policy", {{"copies", 1}}},
                                                                    {"deleted_at_ms", 1'000},
                                                                    {"kept_until_ms", 2'000}}})}});
  EXPECT_EQ(kept.run({"fg", "list", "--deleted"}).output,
            "GROUP  COPIES  DELETED                      KEPT UNTIL\n"
            "pay    1       1970-01-01 00:00:01.000 UTC  1970-01-01 00:00:02.000 UTC\n");
  FakeNode gone(200, json{{"name", "pay"}, {"deleted", true}});
  EXPECT_EQ(gone.run({"fg", "delete", "pay"}).output, "deleted failover group pay\n");
}

TEST(RegionCommand, List) {
  const json region = {{"name", "bj"},
                       {"role", "data"},
                       {"state", "member"},
                       {"nodes", {1, 4}},
                       {"alive", json::array({1})},
                       {"leads", json::array()}};
  FakeNode node(200, json{{"single_node", false}, {"regions", json::array({region})}});
  EXPECT_EQ(node.run({"region", "list"}).output,
            "REGION  ROLE  STATE   NODES  ALIVE  LEADS\n"
            "bj      data  member  1, 4   1      -\n");
  FakeNode alone(200, json{{"single_node", true}, {"regions", json::array({region})}});
  EXPECT_NE(alone.run({"region", "list"}).output.find("this node is alone"), std::string::npos);
}

TEST(RegionCommand, RemoveSaysWhatItMeansAndWhatItWaitsFor) {
  const json answer = {{"region", "bj"},
                       {"state", "member"},
                       {"dry_run", true},
                       {"waits_for", {"failover group 'pay' to be acknowledged without it"}},
                       {"consequences", {"2 sites are left"}}};
  FakeNode node(200, answer);
  EXPECT_EQ(node.run({"region", "remove", "bj", "--dry-run"}).output,
            "nothing was changed. Without region bj:\n"
            "  2 sites are left\n"
            "waits for failover group 'pay' to be acknowledged without it\n");
  EXPECT_EQ(node.asked, R"(POST /v1/regions/bj/remove {"dry_run":true})");
  json leaving = answer;
  leaving["state"] = "leaving";
  FakeNode slow(200, leaving);
  const CommandResult waited = slow.run({"region", "remove", "bj", "--limit", "1s"});
  EXPECT_EQ(waited.exit_code, 3);
  EXPECT_NE(waited.output.find("waits for failover group 'pay'"), std::string::npos);
  EXPECT_NE(waited.output.find("region readmit bj"), std::string::npos) << waited.output;
  json removed = answer;
  removed["state"] = "removed";
  FakeNode gone(200, removed);
  EXPECT_EQ(gone.run({"region", "remove", "bj"}).output,
            "region bj is removed; what its disks hold stays there\n");
  FakeNode back(200, json{{"region", "bj"}, {"state", "member"}});
  EXPECT_EQ(back.run({"region", "readmit", "bj"}).output,
            "region bj is one of the cluster again\n");
  EXPECT_EQ(back.asked, "POST /v1/regions/bj/readmit ");
  const CommandResult wrong = gone.run({"region", "remove", "bj", "--limit", "soon"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.output.find("--limit 'soon': expected a duration"), std::string::npos)
      << wrong.output;
}

TEST(TimeText, IsUtcWithMilliseconds) {
  EXPECT_EQ(time_text(0), "1970-01-01 00:00:00.000 UTC");
  EXPECT_EQ(time_text(1'000'000'000'007), "2001-09-09 01:46:40.007 UTC");
  EXPECT_EQ(time_text(-1), "1969-12-31 23:59:59.999 UTC");
}

}  // namespace
}  // namespace magpie::server
