// What `magpie switchover`, `failover` and `operation` print and send. The node is a fake that
// answers what each test says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "server/fake_node.h"
#include "server/operation_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

json member(int node, const char* region) {
  return {{"node", node}, {"region", region}, {"alive", true}};
}

json operation(const char* step) {
  const json loss = {{"statement", "unknown"},
                     {"records_min", 3},
                     {"records_max", 120},
                     {"time_max_ms", nullptr},
                     {"basis", "all were asked"}};
  const bool done = std::string(step) == "done";
  const json group = {{"group", "logs"},
                      {"step", step},
                      {"since_ms", 2'000},
                      {"target", 2},
                      {"old_epoch", 7},
                      {"old_leader", member(1, "bj")},
                      {"fenced", json::array()},
                      {"new_epoch", done ? json(8) : json(nullptr)},
                      {"new_leader", done ? member(2, "sh") : json(nullptr)},
                      {"loss", done ? loss : json(nullptr)},
                      {"held", nullptr},
                      {"waiting_for", nullptr},
                      {"error", done ? json(nullptr) : json("nobody is there")}};
  const json event = {{"at_ms", 1'000}, {"what", "planned"}, {"group", "logs"}};
  return {{"id", 4},
          {"kind", "failover"},
          {"step", step},
          {"over", true},
          {"from", "bj"},
          {"to", nullptr},
          {"allow_loss", true},
          {"overrides", json::array({"cooldown"})},
          {"requested_by", "anna"},
          {"executor", member(3, "gz")},
          {"attempt", 2},
          {"groups", json::array({group})},
          {"timeline", json::array({event})}};
}

// The body of what was asked, after checking its first line.
json asked_body(const FakeNode& node, const std::string& start) {
  EXPECT_EQ(node.asked.substr(0, start.size()), start);
  return json::parse(node.asked.substr(start.size()), nullptr, false);
}

TEST(FailoverCommand, FollowsTheOperationToItsEnd) {
  FakeNode node(200, operation("done"));
  const CommandResult result = node.run({"failover", "logs", "--from", "bj", "--allow-loss"});
  EXPECT_EQ(result.output,
            "operation 4\n"
            "1970-01-01 00:00:01.000 UTC  logs: planned\n"
            "logs: loss unknown: at least 3, at most 120 records\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(node.asked, "GET /v1/operations/4 ");
  const CommandResult as_json = node.run({"failover", "logs", "-o", "json"});
  EXPECT_EQ(json::parse(as_json.output), operation("done"));
}

TEST(FailoverCommand, SendsWhatWasAsked) {
  FakeNode node(201, operation("done"));
  node.run({"failover", "--from", "bj", "--to", "sh", "--allow-loss", "--override", "not-in-sync",
            "--override", "cooldown", "--by", "anna", "--await-approval", "--no-wait", "a", "b"});
  EXPECT_EQ(asked_body(node, "POST /v1/operations "),
            (json{{"kind", "failover"},
                  {"groups", {"a", "b"}},
                  {"from", "bj"},
                  {"to", "sh"},
                  {"allow_loss", true},
                  {"overrides", {"not-in-sync", "cooldown"}},
                  {"requested_by", "anna"},
                  {"await_approval", true}}));
  node.run({"switchover", "--all-from", "bj", "--to", "sh", "--by", "anna", "--no-wait"});
  EXPECT_EQ(asked_body(node, "POST /v1/operations "),
            (json{{"kind", "switchover"}, {"from", "bj"}, {"to", "sh"}, {"requested_by", "anna"}}));
  EXPECT_EQ(node.run({"switchover", "a"}).exit_code, 1) << "without a region to go to";
  EXPECT_EQ(node.run({"switchover", "a", "--all-from", "bj", "--to", "sh"}).exit_code, 1);
}

TEST(FailoverCommand, OnlyADoneOperationEndsWell) {
  for (const char* step : {"failed", "abandoned"}) {
    FakeNode node(200, operation(step));
    const CommandResult result = node.run({"failover", "logs"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_NE(result.output.find(std::string("error operation_") + step), std::string::npos)
        << result.output;
    EXPECT_NE(result.output.find("logs: nobody is there"), std::string::npos) << result.output;
  }
  json going_on = operation("planned");
  going_on["over"] = false;
  FakeNode node(200, going_on);
  const CommandResult late = node.run({"failover", "logs", "--limit", "1ms"});
  EXPECT_EQ(late.exit_code, 3);
  EXPECT_NE(late.output.find("error not_over"), std::string::npos) << late.output;
}

TEST(FailoverCommand, ADryRunShowsLossAndObjections) {
  const json group = {{"group", "logs"},
                      {"leader", member(1, "bj")},
                      {"epoch", 7},
                      {"target", 2},
                      {"estimate", "unknown"},
                      {"records_min", 0},
                      {"records_max", nullptr},
                      {"time_max_ms", nullptr},
                      {"target_lag", 12},
                      {"silent", json::array({3})}};
  const json rule = {{"rule", "lag"}, {"group", "logs"}, {"message", "it is behind"}};
  json aside = rule;
  aside["rule"] = "cooldown";
  aside["overridden"] = true;
  const json problem = {{"rule", nullptr}, {"group", nullptr}, {"message", "no region"}};
  FakeNode node(200, json{{"dry_run", true},
                          {"groups", json::array({group})},
                          {"objections", json::array({rule, aside, problem})}});
  EXPECT_EQ(node.run({"failover", "logs", "--dry-run", "--by", "a"}).output,
            "nothing was changed; the loss is an estimate until the group moves\n"
            "GROUP  LEADER  TARGET  LAG  NO ANSWER  LOSS\n"
            "logs   1 (bj)  2       12   3          unknown: at least 0 records\n"
            "refused by lag: it is behind\n"
            "set aside is cooldown: it is behind\n"
            "impossible: no region\n");
  EXPECT_EQ(asked_body(node, "POST /v1/operations ")["dry_run"], true);
}

// Of a dry run. The node answers both questions at once.
TEST(FailoverCommand, TheOnlyRegionThatCanBeMeantNeedNotBeNamed) {
  const auto region = [](const char* name, const char* role, json leads) {
    return json{{"name", name},
                {"role", role},
                {"state", "member"},
                {"alive", json::array({1})},
                {"leads", std::move(leads)}};
  };
  json answer = {
      {"dry_run", true}, {"groups", json::array()}, {"objections", json::array()}, {"regions", {}}};
  answer["regions"] = {region("bj", "data", {"default"}), region("sh", "data", json::array()),
                       region("w", "witness", json::array())};
  {
    FakeNode node(200, answer);
    EXPECT_EQ(node.run({"switchover", "--dry-run"}).exit_code, 0);
    json asked = asked_body(node, "POST /v1/operations ");
    EXPECT_EQ(asked["from"], "bj");
    EXPECT_EQ(asked["to"], "sh");
    EXPECT_EQ(node.run({"switchover", "default", "--dry-run"}).exit_code, 0);
    asked = asked_body(node, "POST /v1/operations ");
    EXPECT_FALSE(asked.contains("from"));
    EXPECT_EQ(asked["to"], "sh");
    EXPECT_EQ(node.run({"failover", "--dry-run"}).exit_code, 0);
    asked = asked_body(node, "POST /v1/operations ");
    EXPECT_EQ(asked["from"], "bj");
    EXPECT_FALSE(asked.contains("to")) << "asking the nodes shows it";
    EXPECT_EQ(node.run({"switchover"}).exit_code, 1) << "what changes something names its target";
  }
  answer["regions"].push_back(region("gz", "data", json::array()));
  {
    FakeNode node(200, answer);
    const CommandResult two = node.run({"switchover", "--dry-run"});
    EXPECT_EQ(two.exit_code, 1);
    EXPECT_NE(two.output.find("which region is to lead; there are: sh, gz"), std::string::npos)
        << two.output;
  }
  answer["regions"][3]["leads"] = {"pay"};
  FakeNode node(200, answer);
  EXPECT_NE(node.run({"failover", "--dry-run"}).output.find("to be left; there are: bj, gz"),
            std::string::npos);
}

TEST(FailoverCommand, ADryRunShowsConsumersAndCapacity) {
  json group = {
      {"group", "logs"},
      {"leader", member(1, "bj")},
      {"epoch", 7},
      {"target", 2},
      {"estimate", "unknown"},
      {"records_min", 3},
      {"records_max", 9'000'000},
      {"records_estimate", 40},
      {"time_max_ms", nullptr},
      {"target_lag", 12},
      {"silent", json::array()},
      {"consumer_groups",
       {{"set_back", {{{"group", "readers"}, {"positions", 2}, {"records", 30}}}}, {"omitted", 4}}},
      {"capacity",
       {{"disk_free_bytes", 3'221'225'472},
        {"disk_lasts_ms", nullptr},
        {"group_bytes", 2'048},
        {"leader_group_bytes", nullptr},
        {"connections", 3},
        {"leader_connections", 4},
        {"connections_max", 10'000},
        {"warnings", {"it may not fit"}}}}};
  const auto shown = [&] {
    FakeNode node(200, json{{"dry_run", true},
                            {"consumer_groups_at", 3},
                            {"groups", json::array({group})},
                            {"objections", json::array()}});
    return node.run({"failover", "logs", "--dry-run"}).output;
  };
  EXPECT_NE(shown().find("unknown: at least 3, at most 9000000 records, about 40 by estimate\n"
                         "logs: consumer group readers would be set back in 2 partitions, 30 "
                         "records\n"
                         "logs: and 4 consumer groups more\n"
                         "logs: node 2 holds 2 KiB of it (its leader ?) and has 3 GiB free; "
                         "connections of clients: 3 there, 4 at the leader, 10000 may be\n"
                         "logs: warning: it may not fit\n"),
            std::string::npos)
      << shown();
  group["consumer_groups"] = nullptr;
  EXPECT_NE(shown().find("not known here; ask node 3"), std::string::npos) << shown();
}

TEST(OperationCommand, ListAndShow) {
  FakeNode list(200, json{{"operations", json::array({operation("done")})}});
  EXPECT_EQ(list.run({"operation", "list"}).output,
            "OPERATION  KIND      STEP  GROUPS  LOSS     BY\n"
            "4          failover  done  logs    unknown  anna\n");
  FakeNode node(200, operation("done"));
  EXPECT_EQ(node.run({"operation", "show", "4"}).output,
            "operation 4: failover, done\n"
            "asked for by anna, carried out by node 3 (gz) (attempt 2)\n"
            "overridden: cooldown\n"
            "logs: done, node 2 (sh) leads in epoch 8 after node 1 (bj) in epoch 7\n"
            "  loss unknown: at least 3, at most 120 records\n"
            "  because all were asked\n"
            "\n"
            "1970-01-01 00:00:01.000 UTC  logs: planned\n");
  node.run({"operation", "abandon", "4", "--by", "anna"});
  EXPECT_EQ(node.asked, R"(POST /v1/operations/4/abandon {"by":"anna"})");
  node.run({"operation", "approve", "4", "--by", "anna"});
  EXPECT_EQ(node.asked, R"(POST /v1/operations/4/approve {"by":"anna"})");
  node.run({"approve", "5", "--by", "ben"});
  EXPECT_EQ(node.asked, R"(POST /v1/operations/5/approve {"by":"ben"})");
  EXPECT_EQ(node.run({"operation", "wait", "4"}).exit_code, 0);
}

TEST(OperationText, OnlyWhatIsNewIsShown) {
  json before = operation("planned");
  json now = before;
  now["timeline"].push_back({{"at_ms", 3'000}, {"what", "fencing"}, {"group", nullptr}});
  now["groups"][0]["waiting_for"] = "a lease";
  EXPECT_EQ(show_progress(before, now),
            "1970-01-01 00:00:03.000 UTC  fencing\nlogs: waits for a lease\n");
  EXPECT_EQ(show_progress(now, now), "");
  EXPECT_EQ(loss_text("zero-proven", json()), "0 (proven)");
  EXPECT_EQ(loss_text("bounded",
                      {{"records_min", nullptr}, {"records_max", nullptr}, {"time_max_ms", 500}}),
            "bounded: what was acknowledged in the last 500 ms");
}

}  // namespace
}  // namespace magpie::server
