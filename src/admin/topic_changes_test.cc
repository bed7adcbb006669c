#include "admin/topic_changes.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "admin/test_bench.h"
#include "source_tree/source_dir.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

class TopicChanges : public testing::Test {
 protected:
  HttpAnswer create(const json& body) { return bench.ask("POST", "/v1/topics", body.dump()); }
  HttpAnswer alter(const std::string& name, const json& body) {
    return bench.ask("PATCH", "/v1/topics/" + name, body.dump());
  }
  json configs(const std::string& name) { return bench.get("/v1/topics/" + name).body["configs"]; }
  static std::string code(const HttpAnswer& answer) { return answer.body["error"]["code"]; }

  TestBench bench;
};

TEST_F(TopicChanges, ATopicIsCreatedWithWhatWasAsked) {
  const HttpAnswer created =
      create({{"name", "orders"},
              {"partitions", 3},
              {"configs", {{"retention.ms", 60000}, {"preallocate", true}}}});
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.body["name"], "orders");
  EXPECT_EQ(created.body["partitions"], 3);
  EXPECT_EQ(created.body["id"], bench.get("/v1/topics/orders").body["id"]);
  EXPECT_EQ(configs("orders"), (json{{"retention.ms", "60000"}, {"preallocate", "true"}}));
  EXPECT_EQ(bench.get("/v1/topics/orders").body["partitions"].size(), 3u);
}

TEST_F(TopicChanges, TheNumberOfPartitionsHasADefault) {
  EXPECT_EQ(create({{"name", "orders"}}).body["partitions"], 1);
}

TEST_F(TopicChanges, WhatCannotBeCreatedIsRefusedWithACode) {
  ASSERT_EQ(create({{"name", "orders"}}).status, 201);
  const std::vector<std::pair<json, std::pair<int, std::string>>> cases = {
      {{{"name", "orders"}}, {409, "topic_already_exists"}},
      {{{"name", ""}}, {400, "invalid_topic"}},
      {{{"name", "a b"}}, {400, "invalid_topic"}},
      {{{"name", "other"}, {"partitions", 0}}, {400, "invalid_partitions"}},
      {{{"name", "other"}, {"partitions", 20001}}, {400, "invalid_partitions"}},
      {{{"name", "other"}, {"configs", {{"retenton.ms", "1"}}}}, {400, "invalid_config"}},
      {{{"name", "other"}, {"configs", {{"retention.ms", "soon"}}}}, {400, "invalid_config"}},
  };
  for (const auto& [body, expected] : cases) {
    const HttpAnswer answer = create(body);
    EXPECT_EQ(answer.status, expected.first) << body;
    EXPECT_EQ(code(answer), expected.second) << body;
  }
  EXPECT_EQ(bench.get("/v1/topics").body["topics"].size(), 1u);
}

TEST_F(TopicChanges, AMalformedBodyIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "the body is not a JSON object"},
      {"{", "the body is not a JSON object"},
      {"[1]", "the body is not a JSON object"},
      {"{}", "field 'name' is missing"},
      {R"({"name": 7})", "field 'name' is unknown or of the wrong type"},
      {R"({"name": "a", "partition": 3})", "field 'partition' is unknown"},
      {R"({"name": "a", "partitions": 1.5})", "field 'partitions' is unknown or of the wrong type"},
      {R"({"name": "a", "partitions": 4294967297})", "field 'partitions'"},
      {R"({"name": "a", "configs": {"x": []}})", "config 'x' must be a string"},
  };
  for (const auto& [body, message] : cases) {
    const HttpAnswer answer = bench.ask("POST", "/v1/topics", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(code(answer), "malformed_body") << body;
    EXPECT_NE(answer.text.find(message), std::string::npos) << answer.text;
  }
}

TEST_F(TopicChanges, ConfigsAreSetAndPutBack) {
  create({{"name", "orders"}, {"configs", {{"retention.ms", "1"}, {"segment.ms", "5"}}}});
  const HttpAnswer altered =
      alter("orders", {{"configs", {{"retention.ms", nullptr}, {"segment.ms", "7"}}}});
  EXPECT_EQ(altered.status, 200);
  EXPECT_EQ(altered.body, (json{{"name", "orders"}}));
  EXPECT_EQ(configs("orders"), (json{{"segment.ms", "7"}}));
}

TEST_F(TopicChanges, PartitionsAreAdded) {
  create({{"name", "orders"}});
  const HttpAnswer grown = alter("orders", {{"partitions", 4}});
  EXPECT_EQ(grown.status, 200);
  EXPECT_EQ(grown.body["partitions"], 4);
  EXPECT_EQ(bench.get("/v1/topics/orders").body["partitions"].size(), 4u);
  EXPECT_EQ(code(alter("orders", {{"partitions", 2}})), "invalid_partitions");
}

TEST_F(TopicChanges, ARefusedConfigKeepsThePartitionsAsTheyAre) {
  create({{"name", "orders"}});
  const HttpAnswer answer =
      alter("orders", {{"partitions", 4}, {"configs", {{"segment.ms", "never"}}}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(code(answer), "invalid_config");
  EXPECT_EQ(bench.get("/v1/topics/orders").body["partitions"].size(), 1u);
}

TEST_F(TopicChanges, ADeletedTopicIsGone) {
  create({{"name", "orders"}, {"partitions", 2}});
  const HttpAnswer deleted = bench.ask("DELETE", "/v1/topics/orders");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.body["deleted"], true);
  EXPECT_EQ(bench.get("/v1/topics/orders").status, 404);
  EXPECT_EQ(bench.get("/v1/partitions").body["partitions"], json::array());
  EXPECT_EQ(code(bench.ask("DELETE", "/v1/topics/orders")), "topic_not_found");
  EXPECT_EQ(code(alter("orders", {{"partitions", 4}})), "topic_not_found");
}

TEST_F(TopicChanges, ADeletedTopicIsListedAndRestored) {
  const json id = create({{"name", "orders"}, {"partitions", 2}}).body["id"];
  const HttpAnswer gone = bench.ask("DELETE", "/v1/topics/orders");
  const json listed = bench.get("/v1/deleted-topics").body["deleted_topics"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["name"], "orders");
  EXPECT_EQ(listed[0]["id"], id);
  EXPECT_EQ(listed[0]["partitions"], 2);
  EXPECT_EQ(listed[0]["restoring"], false);
  EXPECT_EQ(listed[0]["problem"], nullptr);
  EXPECT_EQ(listed[0]["kept_until_ms"], gone.body["kept_until_ms"]);
  EXPECT_EQ(listed[0]["kept_until_ms"].get<int64_t>() - listed[0]["deleted_at_ms"].get<int64_t>(),
            60'000);
  const HttpAnswer back = bench.ask("POST", "/v1/deleted-topics/orders/restore");
  EXPECT_EQ(back.status, 200) << back.text;
  EXPECT_EQ(back.body["restored"], true);
  EXPECT_EQ(bench.get("/v1/topics/orders").body["id"], id);
  const HttpAnswer again = bench.ask("POST", "/v1/deleted-topics/orders/restore");
  EXPECT_EQ(again.status, 404);
  EXPECT_NE(again.text.find("one that is not deleted"), std::string::npos) << again.text;
  EXPECT_EQ(code(again), "topic_not_found");
}

TEST_F(TopicChanges, ADeletedTopicIsPurgedNowOrWithTheDeletion) {
  create({{"name", "orders"}});
  const json id = bench.ask("DELETE", "/v1/topics/orders").body["id"];
  create({{"name", "orders"}});
  const HttpAnswer refused = bench.ask("POST", "/v1/deleted-topics/orders/restore");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(code(refused), "topic_already_exists");
  EXPECT_EQ(bench.ask("DELETE", "/v1/deleted-topics/" + id.get<std::string>()).body["purged"],
            true);
  EXPECT_EQ(bench.get("/v1/deleted-topics").body["deleted_topics"], json::array());
  EXPECT_EQ(code(bench.ask("DELETE", "/v1/deleted-topics/orders")), "topic_not_found");
  EXPECT_EQ(code(bench.ask("DELETE", "/v1/topics/orders", R"({"purge":1})")), "malformed_body");
  const HttpAnswer gone = bench.ask("DELETE", "/v1/topics/orders", R"({"purge":true})");
  EXPECT_EQ(gone.body["kept_until_ms"], nullptr);
  EXPECT_EQ(bench.get("/v1/deleted-topics").body["deleted_topics"], json::array());
}

TEST_F(TopicChanges, AllDeletedTopicsArePurgedAtOnce) {
  for (const char* name : {"a", "b", "a"}) {
    create({{"name", name}});
    bench.ask("DELETE", std::string("/v1/topics/") + name);
  }
  EXPECT_EQ(bench.get("/v1/deleted-topics").body["deleted_topics"].size(), 3u);
  EXPECT_EQ(bench.ask("DELETE", "/v1/deleted-topics").body["purged"].size(), 3u);
  EXPECT_EQ(bench.get("/v1/deleted-topics").body["deleted_topics"], json::array());
  EXPECT_EQ(bench.ask("DELETE", "/v1/deleted-topics").body["purged"], json::array());
}

// Codes are stable and for programs; so the page names all of them.
TEST_F(TopicChanges, ThePageNamesEveryCode) {
  std::ostringstream page;
  page << std::ifstream(MAGPIE_SOURCE_DIR "/docs/operations/admin-api.md").rdbuf();
  for (int code = 0; code <= static_cast<int>(control::RefusalCode::kStorage); ++code) {
    bench.control.refuse_with =
        control::Refusal{static_cast<control::RefusalCode>(code), "because"};
    const HttpAnswer answer = create({{"name", "orders"}});
    EXPECT_NE(page.str().find("`" + this->code(answer) + "`"), std::string::npos)
        << this->code(answer);
  }
}

TEST_F(TopicChanges, EveryRefusalHasItsStatusAndNextStep) {
  using control::RefusalCode;
  const std::vector<std::pair<RefusalCode, std::pair<int, std::string>>> cases = {
      {RefusalCode::kThrottled, {429, "throttled"}},
      {RefusalCode::kUnavailable, {503, "unavailable"}},
      {RefusalCode::kStorage, {503, "storage"}},
      {RefusalCode::kPolicyViolation, {400, "policy_violation"}},
      {RefusalCode::kUnknownTopicOrPartition, {404, "topic_not_found"}},
  };
  for (const auto& [refusal, expected] : cases) {
    bench.control.refuse_with = control::Refusal{refusal, "because"};
    for (const HttpAnswer& answer : {create({{"name", "orders"}}), alter("orders", json::object()),
                                     bench.ask("DELETE", "/v1/topics/orders")}) {
      EXPECT_EQ(answer.status, expected.first);
      EXPECT_EQ(code(answer), expected.second);
      EXPECT_EQ(answer.body["error"]["message"], "because");
      EXPECT_FALSE(answer.body["error"]["next_step"].get<std::string>().empty());
    }
  }
}

}  // namespace
}  // namespace magpie::admin
