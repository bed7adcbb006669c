// Consumer groups follow the partition that holds them from node to node.
#include "node/group_loader.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "control/topic_name.h"
#include "kafka/testing/regions_bench.h"
#include "wire/error_code.h"
#include "wire/offset_commit.h"
#include "wire/offset_fetch.h"

namespace magpie::wire {

void PrintTo(ErrorCode code, std::ostream* out) {
  *out << to_string(code);
}

}  // namespace magpie::wire

namespace magpie::node {
namespace {

using wire::ErrorCode;

const std::string kGroups(control::kConsumerOffsetsTopic);

class GroupLoaderTest : public ::testing::Test {
 protected:
  GroupLoaderTest() {
    bench_.create_topic("t", 1);
    bench_.create_topic(kGroups, 1);
    bench_.lead_in_state("system", 2, 5, {1});
    bench_.when_moved = [this](kafka::HostedPartition&) { look(); };
    bench_.host(kGroups);
    kafka::Broker broker = bench_.broker();
    loader_.start(broker);
  }

  void look() {
    kafka::Broker broker = bench_.broker();
    loader_.look(broker);
  }
  // Everything that is due, without time passing.
  void settle() {
    for (int i = 0; i < 100 && loader_.next_deadline() <= bench_.now.instant; ++i) {
      kafka::Broker broker = bench_.broker();
      loader_.tick(broker);
      bench_.run();
    }
  }
  void lead(int32_t epoch, const std::vector<int32_t>& required = {}, bool open = true) {
    bench_.lead_in_state("system", 1, epoch, {});
    bench_.lead(kGroups, epoch, required, open);
    look();
    settle();
  }
  void follow(int32_t leader, int32_t epoch) {
    bench_.lead_in_state("system", leader, epoch, {1});
    bench_.follow(kGroups, epoch);
    look();
    settle();
  }
  std::optional<ErrorCode> commit(int64_t offset) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({.partition_index = 0, .committed_offset = offset});
    bench_.send(request, 8);
    const auto response = bench_.take<wire::OffsetCommitResponse>(8);
    if (!response) return std::nullopt;
    return response->topics[0].partitions[0].error_code;
  }
  wire::OffsetFetchResponse fetch() {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace().push_back({"t", {0}});
    return bench_.call_api<wire::OffsetFetchResponse>(request, 7, 2);
  }
  int64_t position() {
    const auto response = fetch();
    EXPECT_EQ(response.error_code, ErrorCode::kNone);
    return response.topics.empty() ? -2 : response.topics[0].partitions[0].committed_offset;
  }

  kafka::testing::RegionsBench bench_;
  GroupLoader loader_{bench_.coordinator};
};

TEST_F(GroupLoaderTest, NothingIsServedWhereTheSystemGroupIsNotLed) {
  EXPECT_EQ(fetch().error_code, ErrorCode::kNotCoordinator);
  EXPECT_TRUE(loader_.failure().empty());
  EXPECT_EQ(loader_.next_deadline(), Instant::never());
}

TEST_F(GroupLoaderTest, ATermBeginsAndEnds) {
  lead(6);
  EXPECT_EQ(commit(7), ErrorCode::kNone);
  EXPECT_EQ(position(), 7);
  follow(2, 7);
  EXPECT_EQ(fetch().error_code, ErrorCode::kNotCoordinator);
  EXPECT_EQ(commit(8), ErrorCode::kNotCoordinator);
  lead(8);
  EXPECT_EQ(position(), 7) << "read from the log again";
}

// What was under way at the end of a term may be in the log or not; memory cannot tell.
TEST_F(GroupLoaderTest, ANewTermOfTheSameNodeLoadsAnew) {
  lead(6, {2});
  bench_.call(kGroups, [](auto& partition, auto& out) {
    partition.member_reconciled(NodeId{2}, Offset{0}, out);
  });
  settle();
  EXPECT_EQ(commit(7), std::nullopt) << "the other region does not hold it yet";
  lead(7);
  const auto late = bench_.take<wire::OffsetCommitResponse>(8);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->topics[0].partitions[0].error_code, ErrorCode::kNotCoordinator);
  EXPECT_EQ(position(), 7) << "it survived in the log";
}

TEST_F(GroupLoaderTest, LoadingWaitsForTheEndOfTheTermsBefore) {
  lead(6, {2});
  bench_.call(kGroups, [](auto& partition, auto& out) {
    partition.member_reconciled(NodeId{2}, Offset{0}, out);
  });
  EXPECT_EQ(commit(7), std::nullopt);
  lead(8, {2}, false);
  EXPECT_EQ(fetch().error_code, ErrorCode::kNotCoordinator)
      << "it may have been acknowledged by somebody else meanwhile";
  bench_.call(kGroups, [&](auto& partition, auto& out) {
    partition.require(bench_.now, {NodeId{2}}, out);
    partition.member_reconciled(NodeId{2}, partition.log_end(), out);
  });
  settle();
  EXPECT_EQ(position(), 7);
}

TEST_F(GroupLoaderTest, WithoutALeaseNothingIsServed) {
  lead(6);
  ASSERT_EQ(commit(7), ErrorCode::kNone);
  for (const bool held : {true, false}) {
    bench_.call(kGroups, [&](auto& partition, auto& out) { partition.hold_commits(held, out); });
    look();
    settle();
    EXPECT_EQ(fetch().error_code, held ? ErrorCode::kNotCoordinator : ErrorCode::kNone);
  }
}

TEST_F(GroupLoaderTest, APartitionThatIsNotThereYetIsWaitedFor) {
  bench_.partitions.remove_topic(kGroups, bench_.effects);
  bench_.lead_in_state("system", 1, 6, {});
  look();
  bench_.host(kGroups);
  bench_.lead(kGroups, 6);
  bench_.advance(Duration::seconds(2));
  settle();
  EXPECT_EQ(position(), -1);
  EXPECT_TRUE(loader_.failure().empty());
}

// Its deletion while another node coordinated must not touch the topic that has its name now.
TEST_F(GroupLoaderTest, TopicsDeletedElsewhereInTimeAreNotForgottenLate) {
  lead(6);
  ASSERT_EQ(commit(7), ErrorCode::kNone);
  follow(2, 7);
  kafka::Broker broker = bench_.broker();
  bench_.groups.topic_deleted(broker, "t");
  lead(8);
  EXPECT_EQ(position(), 7);
}

}  // namespace
}  // namespace magpie::node
