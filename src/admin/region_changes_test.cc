#include "admin/region_changes.h"

#include <gtest/gtest.h>

#include <string>

#include "admin/test_bench.h"
#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/region_values.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

class RegionChanges : public ::testing::Test {
 protected:
  void cluster() {
    for (int32_t id = 1; id <= 3; ++id) {
      control::Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 9}, {}, "0.1"};
      node.incarnation.bytes.fill(1);
      kafka::Broker broker = bench.broker();
      bench.control.propose(
          broker,
          [&](const control::State& state) -> tl::expected<control::Transaction, control::Refusal> {
            return control::decide_register_node(state, node)->transaction;
          },
          [](kafka::Broker&, const auto& refusal) { ASSERT_FALSE(refusal) << refusal->message; });
    }
  }
  static std::string code(const HttpAnswer& answer) { return answer.body["error"]["code"]; }
  HttpAnswer remove(const std::string& region, const std::string& body = "") {
    return bench.ask("POST", "/v1/regions/" + region + "/remove", body);
  }
  json listed(const std::string& region) {
    const json regions = bench.get("/v1/regions").body["regions"];
    for (const json& each : regions) {
      if (each["name"] == region) return each;
    }
    return nullptr;
  }

  TestBench bench;
};

TEST_F(RegionChanges, ALoneNodeHasNone) {
  EXPECT_EQ(code(remove("r2")), "single_node");
}

TEST_F(RegionChanges, AskedTwiceARegionIsOut) {
  cluster();
  const HttpAnswer plan = remove("r3", R"({"dry_run":true})");
  EXPECT_EQ(plan.status, 200) << plan.text;
  EXPECT_EQ(plan.body["state"], "member");
  EXPECT_FALSE(plan.body["consequences"].empty());
  EXPECT_EQ(listed("r3")["state"], "member");
  EXPECT_EQ(remove("r3").body["state"], "leaving");
  EXPECT_EQ(listed("r3")["state"], "leaving");
  EXPECT_EQ(remove("r3").body["state"], "removed");
  EXPECT_EQ(listed("r3")["state"], "removed");
  EXPECT_EQ(listed("r3")["role"], "data");
  EXPECT_EQ(code(remove("r2")), "not_possible") << "another one has just left";
  const HttpAnswer back = bench.ask("POST", "/v1/regions/r3/readmit");
  EXPECT_EQ(back.body["state"], "member") << back.text;
  EXPECT_EQ(listed("r3")["state"], "member");
}

TEST_F(RegionChanges, WrongRequestsSaySo) {
  cluster();
  EXPECT_EQ(code(remove("r9")), "region_not_found");
  EXPECT_EQ(code(bench.ask("POST", "/v1/regions/r9/readmit")), "region_not_found");
  EXPECT_EQ(code(bench.ask("POST", "/v1/regions/r2/readmit")), "invalid_request");
  for (const char* body : {"[]", "{\"dry_run\":1}", "{\"by\":\"anna\"}", "x"}) {
    EXPECT_EQ(code(remove("r2", body)), "malformed_body") << body;
  }
  EXPECT_EQ(listed("r2")["state"], "member");
}

}  // namespace
}  // namespace magpie::admin
