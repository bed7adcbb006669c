// Metadata, DescribeCluster and DescribeTopicPartitions: who is there and who leads what.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "node/testing/topics.h"
#include "wire/describe_cluster.h"
#include "wire/describe_topic_partitions.h"
#include "wire/find_coordinator.h"
#include "wire/metadata.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;
using wire::MetadataRequest;
using wire::MetadataResponse;

class MetadataTest : public ::testing::Test {
 protected:
  void boot() { harness_.boot(); }

  // The request for some topics; none: an empty list.
  static MetadataRequest naming(const std::vector<std::string>& names) {
    MetadataRequest request;
    request.topics.emplace();
    for (const std::string& name : names) request.topics->push_back({{}, name});
    return request;
  }
  static std::set<std::string> names_in(const MetadataResponse& response) {
    std::set<std::string> names;
    for (const auto& topic : response.topics) names.insert(topic.name.value_or("(null)"));
    return names;
  }
  MetadataResponse::Topic ask(const std::string& name, int version = 12) {
    const auto response = client_.call<MetadataResponse>(naming({name}), version);
    EXPECT_EQ(response.topics.size(), 1u);
    return response.topics.empty() ? MetadataResponse::Topic() : response.topics[0];
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(MetadataTest, EveryVersionNamesTheBrokerAndTheLeaders) {
  boot();
  create_topic(client_, "t", 3);
  for (int version = 0; version <= 12; ++version) {
    const auto response = client_.call<MetadataResponse>(naming({"t"}), version);
    ASSERT_EQ(response.brokers.size(), 1u) << version;
    EXPECT_EQ(response.brokers[0].host, "magpie.example");
    EXPECT_EQ(response.brokers[0].port, 9092);
    ASSERT_EQ(response.topics.size(), 1u) << version;
    ASSERT_EQ(response.topics[0].partitions.size(), 3u) << version;
    for (const auto& partition : response.topics[0].partitions) {
      EXPECT_EQ(partition.leader_id, response.brokers[0].node_id);
      EXPECT_EQ(partition.replica_nodes, std::vector<int32_t>{1});
      EXPECT_EQ(partition.isr_nodes, std::vector<int32_t>{1});
    }
  }
}

TEST_F(MetadataTest, AllTopicsIsNullAndNoTopicsIsEmptyFromVersion1On) {
  boot();
  create_topic(client_, "a");
  create_topic(client_, "b");
  const std::set<std::string> all = {"__consumer_offsets", "a", "b"};
  MetadataRequest null_list;
  EXPECT_EQ(names_in(client_.call<MetadataResponse>(naming({}), 0)), all);
  for (int version = 1; version <= 12; ++version) {
    EXPECT_EQ(names_in(client_.call<MetadataResponse>(null_list, version)), all) << version;
    EXPECT_TRUE(client_.call<MetadataResponse>(naming({}), version).topics.empty()) << version;
  }
}

TEST_F(MetadataTest, InternalTopicsAreMarked) {
  boot();
  EXPECT_TRUE(ask("__consumer_offsets").is_internal);
  create_topic(client_, "t");
  EXPECT_FALSE(ask("t").is_internal);
}

TEST_F(MetadataTest, EveryListenerIsToldItsOwnAddress) {
  harness_.config.listeners = {{"inside", "10.0.0.1", 9092}, {"outside", "magpie.example", 19092}};
  boot();
  TestClient outside(harness_, "outside", port::ListenerIndex{1});
  const auto check = [](TestClient& client, const std::string& host, int32_t port) {
    const auto metadata = client.call<MetadataResponse>(MetadataRequest());
    EXPECT_EQ(metadata.brokers[0].host, host);
    EXPECT_EQ(metadata.brokers[0].port, port);
    const auto cluster = client.call<wire::DescribeClusterResponse>(wire::DescribeClusterRequest());
    EXPECT_EQ(cluster.brokers[0].host, host);
    EXPECT_EQ(cluster.brokers[0].port, port);
    wire::FindCoordinatorRequest find;
    find.coordinator_keys = {"group"};
    const auto found = client.call<wire::FindCoordinatorResponse>(find);
    EXPECT_EQ(found.coordinators[0].host, host);
    EXPECT_EQ(found.coordinators[0].port, port);
  };
  check(client_, "10.0.0.1", 9092);
  check(outside, "magpie.example", 19092);
}

// --- creating topics on first use ----------------------------------------------------------------

TEST_F(MetadataTest, ATopicIsCreatedOnFirstUseWithTheDefaultNumberOfPartitions) {
  harness_.config.default_partitions = 4;
  boot();
  const auto topic = ask("new");
  EXPECT_EQ(topic.error_code, ErrorCode::kNone) << "its leaders are there at once";
  EXPECT_EQ(topic.partitions.size(), 4u);
  EXPECT_EQ(produce(client_, "new", 3, batch_of({"a"})).error_code, ErrorCode::kNone);
}

TEST_F(MetadataTest, AClientCanForbidTheCreationFromVersion4On) {
  boot();
  MetadataRequest request = naming({"new"});
  request.allow_auto_topic_creation = false;
  for (int version = 4; version <= 12; ++version) {
    EXPECT_EQ(client_.call<MetadataResponse>(request, version).topics[0].error_code,
              ErrorCode::kUnknownTopicOrPartition)
        << version;
  }
  EXPECT_EQ(client_.call<MetadataResponse>(request, 3).topics[0].error_code, ErrorCode::kNone)
      << "older versions cannot say so";
}

TEST_F(MetadataTest, TheOperatorCanForbidTheCreation) {
  harness_.config.auto_create_topics = false;
  boot();
  EXPECT_EQ(ask("new").error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(ask("new", 1).error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(MetadataTest, AskingForAllTopicsCreatesNone) {
  boot();
  client_.call<MetadataResponse>(MetadataRequest());
  EXPECT_EQ(names_in(client_.call<MetadataResponse>(MetadataRequest())),
            std::set<std::string>{"__consumer_offsets"});
}

TEST_F(MetadataTest, InvalidNamesAreNamedAndNotCreated) {
  boot();
  for (const std::string& name : {std::string("a b"), std::string("."), std::string(".."),
                                  std::string(""), std::string(250, 'x'), std::string("ünicode")}) {
    const auto topic = ask(name);
    EXPECT_EQ(topic.error_code, ErrorCode::kInvalidTopicException) << name;
    EXPECT_EQ(topic.name, name);
  }
}

TEST_F(MetadataTest, ANameAskedForTwiceIsCreatedOnceAndAnsweredTwice) {
  boot();
  const auto response = client_.call<MetadataResponse>(naming({"new", "other", "new"}));
  ASSERT_EQ(response.topics.size(), 3u);
  for (const auto& topic : response.topics) EXPECT_EQ(topic.error_code, ErrorCode::kNone);
  EXPECT_EQ(response.topics[0].topic_id, response.topics[2].topic_id);
}

TEST_F(MetadataTest, TooManyPartitionsRefuseTheCreationWithItsReason) {
  harness_.config.limits.partitions = 3;
  harness_.config.default_partitions = 5;
  boot();
  EXPECT_EQ(ask("new").error_code, ErrorCode::kInvalidPartitions);
}

// --- topic ids -----------------------------------------------------------------------------------

TEST_F(MetadataTest, ATopicCanBeAskedForByItsId) {
  boot();
  create_topic(client_, "t");
  const Uuid id = ask("t").topic_id;
  EXPECT_FALSE(id.is_zero());
  MetadataRequest request;
  request.topics.emplace().push_back({id, std::nullopt});
  const auto found = client_.call<MetadataResponse>(request).topics[0];
  EXPECT_EQ(found.error_code, ErrorCode::kNone);
  EXPECT_EQ(found.name, "t");
}

TEST_F(MetadataTest, AnUnknownIdIsNamedAndCreatesNothing) {
  boot();
  Uuid id;
  id.bytes[3] = 7;
  MetadataRequest request;
  request.topics.emplace().push_back({id, std::nullopt});
  const auto missing = client_.call<MetadataResponse>(request).topics[0];
  EXPECT_EQ(missing.error_code, ErrorCode::kUnknownTopicId);
  EXPECT_EQ(missing.topic_id, id);
  EXPECT_FALSE(missing.name);
}

// --- trouble -------------------------------------------------------------------------------------

TEST_F(MetadataTest, APartitionThatCannotServeHasNoLeaderInsteadOfNamingItself) {
  boot();
  create_topic(client_, "t", 2);
  produce(client_, "t", 0, batch_of({"a", "b"}));
  produce(client_, "t", 0, batch_of({"c"}));
  harness_.crash();
  harness_.disk.files().at("topics/t-0/00000000000000000000.log")[20] ^= 1;
  boot();
  client_.forget_connection();
  const auto topic = ask("t");
  EXPECT_EQ(topic.error_code, ErrorCode::kNone);
  EXPECT_EQ(topic.partitions[0].error_code, ErrorCode::kLeaderNotAvailable);
  EXPECT_EQ(topic.partitions[0].leader_id, -1);
  EXPECT_EQ(topic.partitions[0].offline_replicas, std::vector<int32_t>{1});
  EXPECT_EQ(topic.partitions[1].error_code, ErrorCode::kNone);
  EXPECT_EQ(topic.partitions[1].leader_id, 1);
}

TEST_F(MetadataTest, TheLeaderEpochRisesWithEveryStartAndIsTheSameEverywhere) {
  boot();
  create_topic(client_, "t");
  int32_t last = -1;
  for (int start = 0; start < 4; ++start) {
    const auto partition = ask("t").partitions[0];
    EXPECT_GT(partition.leader_epoch, last);
    last = partition.leader_epoch;
    produce(client_, "t", 0, batch_of({"a"}));
    const auto fetched = fetch(client_, "t", 0, start);
    EXPECT_EQ(record::parse_header(flatten(*fetched.records).bytes()).leader_epoch.value, last);
    if (start % 2 == 0) {
      harness_.crash();
    } else {
      harness_.stop();
    }
    boot();
    client_.forget_connection();
  }
}

// --- DescribeCluster and DescribeTopicPartitions -------------------------------------------------

TEST_F(MetadataTest, TheClusterIsDescribed) {
  harness_.config.cluster_id = "birds";
  harness_.config.region = "east";
  boot();
  for (int version = 0; version <= 1; ++version) {
    const auto response =
        client_.call<wire::DescribeClusterResponse>(wire::DescribeClusterRequest(), version);
    EXPECT_EQ(response.cluster_id, "birds");
    EXPECT_EQ(response.controller_id, 1);
    ASSERT_EQ(response.brokers.size(), 1u);
    EXPECT_EQ(response.brokers[0].rack, "east");
  }
}

TEST_F(MetadataTest, ThereAreNoControllersToConnectTo) {
  boot();
  wire::DescribeClusterRequest request;
  request.endpoint_type = 2;
  EXPECT_EQ(client_.call<wire::DescribeClusterResponse>(request, 1).error_code,
            ErrorCode::kMismatchedEndpointType);
}

TEST_F(MetadataTest, TopicsCanBeReadInPagesOfAnySize) {
  boot();
  create_topic(client_, "a", 3);
  create_topic(client_, "b", 2);
  const std::vector<std::pair<std::string, int32_t>> expected = {
      {"a", 0}, {"a", 1}, {"a", 2}, {"b", 0}, {"b", 1}};
  for (const int32_t limit : {1, 2, 3, 4, 5, 2'000, 0, -1}) {
    wire::DescribeTopicPartitionsRequest request;
    request.topics = {{"b"}, {"a"}, {"missing"}};
    request.response_partition_limit = limit;
    std::vector<std::pair<std::string, int32_t>> seen;
    std::set<std::string> missing;
    for (int page = 0; page < 10; ++page) {
      const auto response = client_.call<wire::DescribeTopicPartitionsResponse>(request);
      size_t in_page = 0;
      for (const auto& topic : response.topics) {
        if (topic.error_code == ErrorCode::kUnknownTopicOrPartition) missing.insert(*topic.name);
        in_page += topic.partitions.size();
        for (const auto& partition : topic.partitions) {
          seen.emplace_back(*topic.name, partition.partition_index);
          EXPECT_TRUE(partition.eligible_leader_replicas) << "Java takes no null here";
        }
      }
      EXPECT_LE(in_page, static_cast<size_t>(std::max(limit, 1))) << limit;
      if (!response.next_cursor) break;
      request.cursor.emplace();
      request.cursor->topic_name = response.next_cursor->topic_name;
      request.cursor->partition_index = response.next_cursor->partition_index;
    }
    EXPECT_EQ(seen, expected) << limit;
    EXPECT_EQ(missing, std::set<std::string>{"missing"}) << limit;
  }
}

}  // namespace
}  // namespace magpie::node::testing
