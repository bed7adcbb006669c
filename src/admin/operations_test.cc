#include "admin/operations.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "admin/test_bench.h"
#include "control/decide_groups.h"
#include "control/decide_operations.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/replication.h"
#include "failover/operations.h"
#include "source_tree/source_dir.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

// The bench's node is 1; `pay` is led by it, with a copy in node 2.
class OperationRoutes : public ::testing::Test {
 protected:
  static control::Node node(int32_t id) {
    control::Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 9}, {}, "0.1"};
    node.incarnation.bytes.fill(1);
    return node;
  }
  static control::Member member(int32_t id) { return {NodeId{id}, node(id).incarnation}; }
  template <typename Answer>
  void commit(const control::Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    kafka::Broker broker = bench.broker();
    bench.control.propose(
        broker, [&](const control::State&) { return decided->transaction; },
        [](kafka::Broker&, const auto& refusal) { ASSERT_FALSE(refusal) << refusal->message; });
  }
  const control::State& state() { return bench.control.state(); }
  void cluster() {
    for (int32_t id = 1; id <= 3; ++id) {
      commit(control::decide_register_node(state(), node(id)));
      control::Decision<int> alive;
      alive.transaction.changes = {
          {control::alive_key(NodeId{id}), control::encode_alive(node(id).incarnation)}};
      commit(control::Decided<int>(alive));
    }
    control::FailoverGroup group = *control::preset("critical");
    group.name = "pay";
    group.regions = {"r1", "r2", "r3"};
    commit(control::decide_create_group(state(), group));
    commit(control::decide_take_leadership(state(), "pay", member(1), {}, false));
    commit(control::decide_open_epoch(state(), {"pay", state().leadership("pay").epoch, member(1)},
                                      {member(2)}, {}));
  }
  HttpAnswer begin(const json& body) { return bench.ask("POST", "/v1/operations", body.dump()); }
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

TEST_F(OperationRoutes, ANodeWithoutAClusterHasNone) {
  EXPECT_EQ(code(begin({{"kind", "switchover"}, {"groups", {"pay"}}, {"to", "r2"}})),
            "single_node");
  EXPECT_EQ(bench.get("/v1/operations").body["operations"], json::array());
}

TEST_F(OperationRoutes, BegunShownAbandoned) {
  cluster();
  const HttpAnswer begun =
      begin({{"kind", "switchover"}, {"groups", {"pay"}}, {"to", "r2"}, {"requested_by", "anna"}});
  EXPECT_EQ(begun.status, 201) << begun.text;
  EXPECT_EQ(begun.body["id"], 1);
  const json shown = bench.get("/v1/operations/1").body;
  EXPECT_EQ(shown["kind"], "switchover");
  EXPECT_EQ(shown["step"], "planned");
  EXPECT_EQ(shown["over"], false);
  EXPECT_EQ(shown["requested_by"], "anna");
  EXPECT_EQ(shown["executor"], (json{{"node", 1}, {"region", "r1"}, {"alive", true}}));
  EXPECT_EQ(shown["groups"][0]["target"], 2);
  EXPECT_EQ(shown["groups"][0]["loss"], nullptr);
  EXPECT_EQ(shown["timeline"].size(), 1u);
  EXPECT_EQ(bench.get("/v1/operations").body["operations"][0], shown);

  const HttpAnswer again = begin({{"kind", "switchover"}, {"groups", {"pay"}}, {"to", "r2"}});
  EXPECT_EQ(code(again), "safety_rule");
  EXPECT_NE(again.text.find("--override operation-running"), std::string::npos);
  EXPECT_EQ(code(bench.ask("POST", "/v1/operations/1/approve")), "policy_violation");
  const HttpAnswer abandoned = bench.ask("POST", "/v1/operations/1/abandon", R"({"by":"anna"})");
  EXPECT_EQ(abandoned.status, 200) << abandoned.text;
  EXPECT_EQ(abandoned.body["step"], "abandoned");
  EXPECT_EQ(abandoned.body["groups"][0]["error"], "abandoned by anna");
  for (const char* number : {"9", "x", "1x", "-1", ""}) {
    const std::string target = std::string("/v1/operations/0") + number;
    EXPECT_EQ(code(bench.get(target)), "operation_not_found") << number;
  }
}

TEST_F(OperationRoutes, AFailoverShowsItsLossStatement) {
  cluster();
  const HttpAnswer begun = begin({{"kind", "failover"}, {"groups", {"pay"}}, {"from", "r1"}});
  EXPECT_EQ(begun.status, 201) << begun.text;
  const json& group = begun.body["groups"][0];
  EXPECT_EQ(group["step"], "verifying");
  EXPECT_EQ(group["loss"]["statement"], "zero-proven");
  EXPECT_EQ(group["new_leader"]["node"], 2);
  EXPECT_EQ(group["fenced"].size(), 2u);
}

TEST_F(OperationRoutes, CertificatesAreSignedAsTheyAreRead) {
  cluster();
  begin({{"kind", "failover"}, {"groups", {"pay"}}, {"from", "r1"}});
  EXPECT_EQ(bench.get("/v1/operations/1/certificates").body["certificates"], json::array());
  EXPECT_EQ(code(bench.get("/v1/operations/2/certificates")), "operation_not_found");
  const control::StepClaim claim{1, 1, member(1), "pay", control::OperationStep::kVerifying};
  const std::vector<control::HeldPartition> held = {
      {"orders", {}, PartitionIndex{0}, Offset{5}, Offset{20}, Offset{19}}};
  commit(control::decide_finish_step(state(), claim, {held, "", ""}, {}));
  const json unsigned_one = bench.get("/v1/operations/1/certificates").body["certificates"][0];
  EXPECT_EQ(unsigned_one["signature"], nullptr);
  EXPECT_EQ(unsigned_one["certificate"]["cluster"], "bench");
  EXPECT_EQ(unsigned_one["certificate"]["partitions"][0]["log_end"], 20);
  NodeView view = bench.view();
  std::string signed_text;
  view.sign = [&](std::string_view text) {
    signed_text = text;
    return "signature";
  };
  const json listed = list_certificates(bench.broker(), view, "1");
  EXPECT_EQ(listed["certificates"][0]["signature"], "signature");
  EXPECT_EQ(listed["certificates"][0]["certificate"].dump(), signed_text);
}

TEST_F(OperationRoutes, WhatCannotBeIsRefusedWithTheReason) {
  cluster();
  EXPECT_EQ(code(begin({{"kind", "switchover"}, {"groups", {"mars"}}, {"to", "r2"}})),
            "not_possible");
  for (const json& bad : std::vector<json>{{{"groups", {"pay"}}},
                                           {{"kind", "drill"}},
                                           {{"kind", "failover"}, {"group", "pay"}},
                                           {{"kind", "failover"}, {"groups", "pay"}},
                                           {{"kind", "failover"}, {"groups", {1}}},
                                           {{"kind", "failover"}, {"allow_loss", "yes"}},
                                           json::array()}) {
    EXPECT_EQ(code(begin(bad)), "malformed_body") << bad;
  }
  begin({{"kind", "failover"}, {"groups", {"pay"}}, {"await_approval", true}});
  EXPECT_EQ(bench.get("/v1/operations/1").body["step"], "awaiting-approval");
  EXPECT_EQ(code(bench.ask("POST", "/v1/operations/1/approve", "[]")), "malformed_body");
  EXPECT_EQ(bench.ask("POST", "/v1/operations/1/approve").body["step"], "planned");
}

TEST_F(OperationRoutes, ADryRunIsAnsweredWhenTheNodesHaveAnswered) {
  cluster();
  kafka::Broker broker = bench.broker();
  failover::Operations machine(member(1));
  NodeView view = bench.view();
  const json body = {{"kind", "switchover"},
                     {"groups", {"pay"}},
                     {"to", "r3"},
                     {"dry_run", true},
                     {"overrides", {"lag"}}};
  begin_operation(broker, view, port::HttpExchangeId{7}, body.dump());
  const auto refused = std::get<port::HttpRespond>(broker.effects.list().back());
  EXPECT_EQ(refused.status, 503) << "the machine is not there yet";

  view.operations = &machine;
  begin_operation(broker, view, port::HttpExchangeId{8}, body.dump());
  failover::Output out;
  machine.step(broker.now, state(), failover::Look{}, out);
  ASSERT_EQ(out.questions.size(), 3u);
  for (const failover::Question& question : out.questions) {
    failover::Answer answer = failover::Unreachable{};
    wire::LinkInspectAnswer held;
    held.partitions.emplace_back().durable_end = question.node == NodeId{1} ? 20'000 : 5;
    if (question.node != NodeId{2}) answer = held;
    machine.step(broker.now, state(), failover::Answered{question.ticket, answer}, out);
  }
  const Now later{broker.now.instant + Duration::seconds(3), broker.now.wall};
  machine.step(later, state(), failover::Look{}, out);
  ASSERT_EQ(out.previews.size(), 1u);
  answer_preview(broker, out.previews.front());
  const auto answered = std::get<port::HttpRespond>(broker.effects.list().back());
  EXPECT_EQ(answered.exchange, port::HttpExchangeId{8});
  const json preview = json::parse(answered.body);
  EXPECT_EQ(preview["objections"][0]["rule"], "lag");
  EXPECT_EQ(preview["objections"][0]["overridden"], true);
  EXPECT_EQ(preview["groups"][0]["estimate"], "zero-proven");
  EXPECT_EQ(preview["groups"][0]["target_lag"], 19'995);
  EXPECT_EQ(preview["groups"][0]["silent"], json::array({2}));
  EXPECT_TRUE(state().operations().empty());
}

TEST_F(OperationRoutes, ADryRunSaysWhichConsumersWouldBeSetBackAndWhatIsMeasured) {
  cluster();
  kafka::Broker broker = bench.broker();
  bench.create_topic("orders", 2);
  const Uuid orders = state().find_topic("orders")->id;
  bench.commit("readers", "orders", 0, 40);
  bench.commit("readers", "orders", 1, 5);
  bench.commit("billing", "orders", 0, 12);
  bench.commit("others", "elsewhere", 0, 99);
  failover::Preview preview;
  preview.token = 9;
  failover::GroupPreview& group = preview.groups.emplace_back();
  group.planned.group = "pay";
  group.planned.target = NodeId{2};
  group.ends = {{{orders, 0}, Offset{10}}, {{orders, 1}, Offset{5}}};
  group.range.estimate = 30;
  group.capacity.disk_free_bytes = 7;
  group.capacity.warnings = {"too small"};
  const auto answered = [&] {
    answer_preview(broker, preview);
    return json::parse(std::get<port::HttpRespond>(broker.effects.list().back()).body)["groups"][0];
  };
  const json lossy = answered();
  EXPECT_EQ(lossy["consumer_groups"]["set_back"],
            (json{{{"group", "readers"}, {"positions", 1}, {"records", 30}},
                  {{"group", "billing"}, {"positions", 1}, {"records", 2}}}));
  EXPECT_EQ(lossy["consumer_groups"]["omitted"], 0);
  EXPECT_EQ(lossy["records_estimate"], 30);
  EXPECT_EQ(lossy["capacity"]["disk_free_bytes"], 7);
  EXPECT_EQ(lossy["capacity"]["connections_max"], nullptr);
  EXPECT_EQ(lossy["capacity"]["warnings"], json::array({"too small"}));
  group.loss = control::LossKind::kZero;
  EXPECT_EQ(answered()["consumer_groups"]["set_back"], json::array()) << "nothing is lost";
}

}  // namespace
}  // namespace magpie::admin
