// What Kafka clients see of several whole nodes: one cluster, whichever of them they ask.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"
#include "wire/describe_cluster.h"
#include "wire/find_coordinator.h"
#include "wire/incremental_alter_configs.h"
#include "wire/list_groups.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"
#include "wire/offset_commit.h"
#include "wire/offset_fetch.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class RegionsClients : public ::testing::Test {
 protected:
  RegionsClients() {
    world_.boot_all();
    // The region that is home to all groups leads; then a topic, created at another one.
    EXPECT_TRUE(world_.run_until([&] { return leader_of("__consumer_offsets") == 1; }));
    wire::CreateTopicsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({.name = "t", .num_partitions = 2, .replication_factor = 3});
    const auto created = ask<wire::CreateTopicsResponse>(2, request, 5);
    EXPECT_EQ(created.topics.at(0).error_code, ErrorCode::kNone);
    EXPECT_EQ(created.topics.at(0).replication_factor, 3) << "what the group has";
    EXPECT_TRUE(world_.run_until([&] { return leader_of("t") == 1 && leader_of("t", 2) == 1; }));
    world_.run_for(Duration::seconds(2));
  }

  // Waits for the answer.
  template <typename Response, typename Body>
  Response ask(size_t index, const Body& body, int version,
               Duration limit = Duration::seconds(10)) {
    TestClient& client = world_.client(index);
    client.send(body, version);
    std::optional<Response> answer;
    EXPECT_TRUE(world_.run_until(
        [&] { return (answer = client.take<Response>(version)).has_value(); }, limit))
        << wire::to_string(Body::kApi);
    return answer ? std::move(*answer) : Response();
  }
  wire::MetadataResponse metadata(size_t index, const std::string& topic) {
    wire::MetadataRequest request;
    request.topics.emplace().push_back({.topic_id = {}, .name = topic});
    request.allow_auto_topic_creation = false;
    return ask<wire::MetadataResponse>(index, request, 12);
  }
  int leader_of(const std::string& topic, size_t asked = 0) {
    const auto response = metadata(asked, topic);
    if (response.topics.empty() || response.topics[0].partitions.empty()) return -1;
    return response.topics[0].partitions[0].leader_id;
  }
  wire::ProduceResponse produce_at(size_t index, const std::string& value) {
    return ask<wire::ProduceResponse>(index, produce_request("t", 0, batch_of({value})), 11);
  }
  wire::FetchResponse::Partition fetch_at(size_t index, int64_t offset) {
    return ask<wire::FetchResponse>(index, fetch_request("t", 0, offset), 12)
        .responses.at(0)
        .partitions.at(0);
  }
  ErrorCode commit_at(size_t index, int64_t offset) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({.partition_index = 0, .committed_offset = offset});
    return ask<wire::OffsetCommitResponse>(index, request, 8)
        .topics.at(0)
        .partitions.at(0)
        .error_code;
  }
  wire::OffsetFetchResponse position_at(size_t index) {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace().push_back({"t", {0}});
    return ask<wire::OffsetFetchResponse>(index, request, 7);
  }

  nlohmann::json administer(size_t index, const std::string& method, const std::string& path,
                            const std::string& body) {
    const auto exchange = world_.node(index).begin_http(method, path, body);
    std::optional<port::HttpRespond> answer;
    world_.run_until([&] { return (answer = world_.node(index).take_http(exchange)).has_value(); });
    return answer ? nlohmann::json::parse(answer->body) : nlohmann::json::object();
  }
  // Carried out by the node that is asked, until it is over.
  void operate(size_t index, const nlohmann::json& request) {
    nlohmann::json answer = administer(index, "POST", "/v1/operations", request.dump());
    ASSERT_TRUE(answer.contains("id")) << answer.dump(1);
    const std::string path = "/v1/operations/" + answer["id"].dump();
    world_.run_until([&] {
      answer = nlohmann::json::parse(world_.node(index).http("GET", path).body);
      return answer.value("over", false);
    });
    ASSERT_EQ(answer["step"], "done") << answer.dump(1);
  }
  // Asynchronous, and consumers may read from followers.
  void make_bulk() {
    administer(0, "POST", "/v1/failover-groups", R"({"name":"bulk","preset":"bulk"})");
    ASSERT_TRUE(world_.run_until([&] {
      const std::string led = world_.stored("leadership/bulk");
      return !led.empty() && nlohmann::json::parse(led)["open"].get<bool>();
    }));
    administer(0, "POST", "/v1/failover-groups/bulk/partitions", R"({"topic":"t"})");
    world_.run_for(Duration::seconds(2));
  }
  wire::FetchResponse::Partition fetch_from_rack(size_t index, int64_t offset,
                                                 const std::string& rack) {
    wire::FetchRequest request = fetch_request("t", 0, offset);
    request.rack_id = rack;
    return ask<wire::FetchResponse>(index, request, 12).responses.at(0).partitions.at(0);
  }

  RegionsWorld world_{{"a", "b", "c"}};
};

TEST_F(RegionsClients, EveryNodeShowsTheSameCluster) {
  const auto first = metadata(0, "t");
  ASSERT_EQ(first.brokers.size(), 3u);
  EXPECT_EQ(first.brokers[1].host, "node-2");
  EXPECT_EQ(first.brokers[2].rack, "c");
  const auto& partition = first.topics.at(0).partitions.at(0);
  EXPECT_EQ(partition.leader_id, 1);
  EXPECT_EQ(partition.replica_nodes, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(partition.isr_nodes.size(), 2u) << "the leader and one copy";
  EXPECT_TRUE(partition.offline_replicas.empty());
  for (const size_t other : {1u, 2u}) {
    const auto answer = metadata(other, "t");
    EXPECT_EQ(answer.brokers.size(), 3u);
    EXPECT_EQ(answer.controller_id, static_cast<int32_t>(other) + 1);
    EXPECT_EQ(answer.topics.at(0).partitions.at(0).leader_id, 1);
    EXPECT_EQ(answer.topics.at(0).partitions.at(0).leader_epoch, partition.leader_epoch);
    EXPECT_EQ(answer.topics.at(0).partitions.at(0).isr_nodes, partition.isr_nodes);
  }
  const auto cluster = ask<wire::DescribeClusterResponse>(1, wire::DescribeClusterRequest(), 1);
  EXPECT_EQ(cluster.brokers.size(), 3u);
}

TEST_F(RegionsClients, WhoeverDoesNotLeadNamesTheLeader) {
  EXPECT_EQ(produce_at(0, "one").responses.at(0).partition_responses.at(0).error_code,
            ErrorCode::kNone);
  const auto refused = produce_at(1, "two");
  const auto& answer = refused.responses.at(0).partition_responses.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(answer.current_leader.leader_id, 1);
  ASSERT_EQ(refused.node_endpoints.size(), 1u);
  EXPECT_EQ(refused.node_endpoints[0].host, "node-1");
  const auto fetched = fetch_at(2, 0);
  EXPECT_EQ(fetched.error_code, ErrorCode::kNotLeaderOrFollower) << "the group is strong";
  EXPECT_EQ(fetched.current_leader.leader_id, 1);
  EXPECT_EQ(records_in(fetch_at(0, 0)).size(), 1u);
}

// Records become readable a round trip after they were appended; nobody waits any longer.
TEST_F(RegionsClients, AConsumerHearsOfARecordWhenItsProducerDoes) {
  wire::FetchRequest request = fetch_request("t", 0, 0);
  request.max_wait_ms = 30'000;
  request.min_bytes = 1;
  TestClient consumer(world_.node(0), "consumer");
  TestClient& producer = world_.client(0);
  producer.send(produce_request("t", 0, batch_of({"one"})), 11);
  world_.run_for(Duration::milliseconds(10));
  consumer.send(request, 12);  // the record is in the log, and not committed
  std::optional<wire::FetchResponse> fetched;
  EXPECT_TRUE(world_.run_until(
      [&] { return (fetched = consumer.take<wire::FetchResponse>(12)).has_value(); },
      Duration::milliseconds(60)));
  ASSERT_TRUE(fetched);
  EXPECT_EQ(records_in(fetched->responses[0].partitions[0]).size(), 1u);
}

TEST_F(RegionsClients, GroupsLiveWhereTheirRecordsAreLed) {
  wire::FindCoordinatorRequest find;
  find.coordinator_keys = {"g"};
  for (const size_t asked : {0u, 1u, 2u}) {
    const auto found = ask<wire::FindCoordinatorResponse>(asked, find, 4).coordinators.at(0);
    EXPECT_EQ(found.node_id, 1);
    EXPECT_EQ(found.host, "node-1");
  }
  EXPECT_EQ(commit_at(1, 5), ErrorCode::kNotCoordinator);
  EXPECT_EQ(commit_at(0, 5), ErrorCode::kNone);
  EXPECT_EQ(position_at(2).error_code, ErrorCode::kNotCoordinator);
  EXPECT_EQ(position_at(0).topics.at(0).partitions.at(0).committed_offset, 5);
  const auto listed = ask<wire::ListGroupsResponse>(2, wire::ListGroupsRequest(), 4);
  EXPECT_EQ(listed.error_code, ErrorCode::kNone);
  EXPECT_TRUE(listed.groups.empty());
}

TEST_F(RegionsClients, PositionsSurviveARestartOfTheirCoordinator) {
  ASSERT_EQ(commit_at(0, 5), ErrorCode::kNone);
  const auto before = metadata(1, "t").topics.at(0).partitions.at(0);
  world_.crash(0);
  world_.run_for(Duration::seconds(1));
  world_.boot(0);
  ASSERT_TRUE(world_.run_until([&] {
    const auto position = position_at(0);
    return position.error_code == ErrorCode::kNone &&
           position.topics.at(0).partitions.at(0).committed_offset == 5;
  }));
  EXPECT_TRUE(world_.run_until([&] {
    return metadata(1, "t").topics.at(0).partitions.at(0).leader_epoch > before.leader_epoch;
  })) << "an epoch never comes back";
}

TEST_F(RegionsClients, ALeaderThatIsCutOffServesNothing) {
  ASSERT_EQ(commit_at(0, 5), ErrorCode::kNone);
  produce_at(0, "one");
  wire::FetchRequest request = fetch_request("t", 0, 1);
  request.max_wait_ms = 300'000;
  request.min_bytes = 1;
  TestClient consumer(world_.node(0), "consumer");
  consumer.send(request, 12);
  world_.cut_store(0);
  world_.cut(0, 1);
  world_.cut(0, 2);
  std::optional<wire::FetchResponse> fetched;
  ASSERT_TRUE(world_.run_until(
      [&] { return (fetched = consumer.take<wire::FetchResponse>(12)).has_value(); },
      Duration::seconds(30)))
      << "it is answered when the lease ends, not when its time is over";
  EXPECT_EQ(fetched->responses[0].partitions[0].error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(position_at(0).error_code, ErrorCode::kNotCoordinator);
  EXPECT_TRUE(world_.run_until([&] { return leader_of("t", 1) == -1; }))
      << "its lease is over, and nobody can be asked";
  world_.join_store(0);
  world_.join(0, 1);
  world_.join(0, 2);
  EXPECT_TRUE(world_.run_until([&] { return fetch_at(0, 0).error_code == ErrorCode::kNone; }));
  EXPECT_TRUE(world_.run_until([&] { return position_at(0).error_code == ErrorCode::kNone; }));
}

// --- administration ------------------------------------------------------------------------------

TEST_F(RegionsClients, AnyNodeCreatesTopicsAndSaysWhatIsWrong) {
  wire::CreateTopicsRequest request;
  request.timeout_ms = 5'000;
  request.topics.push_back({.name = "u", .num_partitions = 1, .replication_factor = -1});
  request.topics[0].configs.push_back({"magpie.failover.group", "nobody"});
  const auto refused = ask<wire::CreateTopicsResponse>(1, request, 5).topics.at(0);
  EXPECT_EQ(refused.error_code, ErrorCode::kInvalidConfig);
  EXPECT_NE(refused.error_message.value_or("").find("nobody"), std::string::npos);

  request.topics[0].configs.clear();
  request.topics[0].num_partitions = -1;
  request.topics[0].assignments.push_back({0, {3, 9}});
  EXPECT_EQ(ask<wire::CreateTopicsResponse>(1, request, 5).topics.at(0).error_code,
            ErrorCode::kInvalidReplicaAssignment);
  request.topics[0].assignments[0].broker_ids = {3, 1};
  EXPECT_EQ(ask<wire::CreateTopicsResponse>(1, request, 5).topics.at(0).error_code,
            ErrorCode::kNone);
}

TEST_F(RegionsClients, ATopicMovesToAnotherFailoverGroupByItsConfig) {
  make_bulk();
  wire::IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = 2;
  resource.resource_name = "t";
  resource.configs.push_back(
      {.name = "magpie.failover.group", .config_operation = 0, .value = "nobody"});
  const auto alter = [&] {
    return ask<wire::IncrementalAlterConfigsResponse>(2, request, 1).responses.at(0);
  };
  EXPECT_EQ(alter().error_code, ErrorCode::kInvalidConfig);
  EXPECT_NE(alter().error_message.value_or("").find("nobody"), std::string::npos);
  const int before = metadata(0, "t").topics.at(0).partitions.at(0).leader_epoch;
  resource.configs[0].value = "default";
  EXPECT_EQ(alter().error_code, ErrorCode::kNone);
  EXPECT_TRUE(world_.run_until([&] {
    const auto partition = metadata(1, "t").topics.at(0).partitions.at(0);
    return partition.leader_epoch > before && partition.leader_id == 1;
  })) << "in a new epoch, which never was another group's";
  EXPECT_TRUE(world_.run_until([&] {
    return produce_at(0, "x").responses.at(0).partition_responses.at(0).error_code ==
           ErrorCode::kNone;
  }));
}

// --- leadership moves ----------------------------------------------------------------------------

TEST_F(RegionsClients, PositionsMoveWithTheSystemGroup) {
  ASSERT_EQ(commit_at(0, 5), ErrorCode::kNone);
  operate(2, {{"kind", "switchover"}, {"from", "a"}, {"to", "b"}});
  ASSERT_TRUE(world_.run_until([&] { return position_at(1).error_code == ErrorCode::kNone; }));
  EXPECT_EQ(position_at(1).topics.at(0).partitions.at(0).committed_offset, 5) << "exactly";
  EXPECT_EQ(position_at(0).error_code, ErrorCode::kNotCoordinator);
  EXPECT_EQ(commit_at(0, 6), ErrorCode::kNotCoordinator);
  EXPECT_EQ(commit_at(1, 6), ErrorCode::kNone);
  wire::FindCoordinatorRequest find;
  find.coordinator_keys = {"g"};
  EXPECT_EQ(ask<wire::FindCoordinatorResponse>(0, find, 4).coordinators.at(0).node_id, 2);
}

TEST_F(RegionsClients, WhoWaitsForRecordsHearsOfASwitchoverAtOnce) {
  wire::FetchRequest request = fetch_request("t", 0, 0);
  request.max_wait_ms = 300'000;
  request.min_bytes = 1;
  TestClient consumer(world_.node(0), "consumer");
  consumer.send(request, 12);
  operate(2, {{"kind", "switchover"}, {"groups", {"default"}}, {"to", "b"}});
  const auto fetched = consumer.take<wire::FetchResponse>(12);
  ASSERT_TRUE(fetched);
  const auto& answer = fetched->responses[0].partitions[0];
  EXPECT_EQ(answer.error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(answer.current_leader.leader_id, 2);
}

TEST_F(RegionsClients, ConsumersReadTheCopyInTheirRegion) {
  make_bulk();
  ASSERT_EQ(produce_at(0, "one").responses.at(0).partition_responses.at(0).error_code,
            ErrorCode::kNone);
  world_.run_for(Duration::seconds(1));
  EXPECT_EQ(fetch_from_rack(0, 0, "c").preferred_read_replica, 3);
  EXPECT_EQ(fetch_from_rack(0, 0, "a").preferred_read_replica, -1);
  EXPECT_EQ(records_in(fetch_from_rack(2, 0, "c")).size(), 1u);
  EXPECT_EQ(fetch_from_rack(2, 9, "c").error_code, ErrorCode::kNone) << "it may only lag";
  // Its region loses the leader: what it has grows old, and consumers look for others.
  world_.cut(0, 2);
  world_.run_for(Duration::seconds(40));
  EXPECT_EQ(fetch_from_rack(2, 0, "c").error_code, ErrorCode::kNotLeaderOrFollower);
  EXPECT_EQ(fetch_from_rack(0, 0, "c").preferred_read_replica, -1);
  world_.join(0, 2);
  EXPECT_TRUE(
      world_.run_until([&] { return fetch_from_rack(2, 0, "c").error_code == ErrorCode::kNone; }));
}

// G9: nothing that can be read is skipped, and nobody is told to start over.
TEST_F(RegionsClients, AConsumerThatReadWhatWasLostGoesOn) {
  make_bulk();
  produce_at(0, "everywhere");
  world_.run_for(Duration::seconds(1));
  world_.cut(0, 1);
  world_.cut(0, 2);
  produce_at(0, "lost");
  EXPECT_EQ(records_in(fetch_at(0, 1)).size(), 1u) << "seen, and nowhere else";
  world_.crash(0);
  operate(1, {{"kind", "failover"}, {"from", "a"}, {"allow_loss", true}});
  const int leader = leader_of("t", 1);
  ASSERT_GT(leader, 1);
  const auto at = static_cast<size_t>(leader - 1);
  ASSERT_TRUE(world_.run_until([&] { return fetch_at(at, 2).error_code == ErrorCode::kNone; }));
  EXPECT_TRUE(records_in(fetch_at(at, 2)).empty());
  produce_at(at, "after");
  const auto records = records_in(fetch_at(at, 2));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].second, "after");
}

}  // namespace
}  // namespace magpie::node::testing
