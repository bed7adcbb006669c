// Three regions of one node each, and what tests of them ask and say all the time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {

class RegionsTest : public ::testing::Test {
 protected:
  // Who leads the group and in which epoch, as the control store says.
  nlohmann::json leadership(const std::string& group = "default") {
    const std::string value = world_.stored("leadership/" + group);
    return value.empty() ? nlohmann::json::object() : nlohmann::json::parse(value);
  }
  int leader(const std::string& group = "default") {
    const nlohmann::json term = leadership(group);
    return term.empty() ? 0 : term["leader"]["node"].get<int>();
  }
  bool is_open(const std::string& group = "default") {
    const nlohmann::json term = leadership(group);
    return !term.empty() && term["open"].get<bool>();
  }
  std::vector<int> sync_set(const std::string& group = "default") {
    std::vector<int> nodes;
    const nlohmann::json term = leadership(group);
    for (const nlohmann::json& member : term.at("sync")) nodes.push_back(member["node"].get<int>());
    return nodes;
  }
  void start() {
    world_.boot_all();
    ASSERT_TRUE(world_.run_until([&] { return is_open() && sync_set().size() == 1; }))
        << leadership().dump();
  }
  // Sends to the leader and waits for the answer.
  wire::ErrorCode produce_at(size_t index, const std::string& value,
                             Duration limit = Duration::seconds(5)) {
    TestClient& client = world_.client(index);
    client.send(produce_request("t", 0, batch_of({value})), 11);
    std::optional<wire::ProduceResponse> answer;
    world_.run_until([&] { return (answer = client.take<wire::ProduceResponse>(11)).has_value(); },
                     limit);
    if (!answer) return wire::ErrorCode::kRequestTimedOut;
    return answer->responses.at(0).partition_responses.at(0).error_code;
  }
  void create(size_t index, const std::string& name = "t", const std::string& group = "default") {
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = -1});
    if (group != "default") {
      request.topics.back().configs.push_back({"magpie.failover.group", group});
    }
    TestClient& client = world_.client(index);
    client.send(request, 5);
    std::optional<wire::CreateTopicsResponse> answer;
    ASSERT_TRUE(world_.run_until(
        [&] { return (answer = client.take<wire::CreateTopicsResponse>(5)).has_value(); }));
    ASSERT_EQ(answer->topics.at(0).error_code, wire::ErrorCode::kNone);
  }

  // Node 1 leads topic `t` in a group `bulk` without copies, with what else the policy says, and
  // has written "one", which all hold.
  void start_bulk(nlohmann::json policy = nlohmann::json::object()) {
    start();
    policy["name"] = policy["preset"] = "bulk";
    ask(0, "POST", "/v1/failover-groups", policy.dump());
    ASSERT_TRUE(world_.run_until([&] { return is_open("bulk"); }));
    create(0, "t", "bulk");
    world_.run_for(Duration::seconds(3));
    ASSERT_EQ(leader("bulk"), 1);
    ASSERT_EQ(produce_at(0, "one"), wire::ErrorCode::kNone);
    world_.run_for(Duration::seconds(1));
  }

  // Begins an operation at a node, and waits until it is over. Returns its record.
  nlohmann::json operate(size_t index, const nlohmann::json& request,
                         Duration limit = Duration::seconds(60)) {
    nlohmann::json answer = ask(index, "POST", "/v1/operations", request.dump());
    if (!answer.contains("id")) return answer;
    const std::string path = "/v1/operations/" + answer["id"].dump();
    world_.run_until(
        [&] {
          answer = nlohmann::json::parse(world_.node(index).http("GET", path).body);
          return answer.value("over", false);
        },
        limit);
    return answer;
  }
  nlohmann::json ask(size_t index, const std::string& method, const std::string& path,
                     const std::string& body) {
    const auto exchange = world_.node(index).begin_http(method, path, body);
    std::optional<port::HttpRespond> answer;
    world_.run_until([&] { return (answer = world_.node(index).take_http(exchange)).has_value(); });
    return answer ? nlohmann::json::parse(answer->body) : nlohmann::json::object();
  }
  std::vector<std::string> values_at(size_t index) {
    std::vector<std::string> values;
    for (const auto& [offset, value] : records_in(fetch(world_.client(index), "t", 0, 0))) {
      values.push_back(value);
    }
    return values;
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
        nlohmann::json{{"name", name}, {"preset", "standard"}, {"regions", regions}}.dump());
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

}  // namespace magpie::node::testing
