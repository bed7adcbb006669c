#include "failover/holdings.h"

#include <gtest/gtest.h>

#include "control/group_values.h"
#include "control/keys.h"
#include "failover/preview.h"

namespace magpie::failover {
namespace {

Uuid topic_id() {
  Uuid id;
  id.bytes.fill(7);
  return id;
}

struct Copy {
  int64_t end = 0;
  int32_t epoch = 1;
  int64_t high_watermark = 0;
  bool damaged = false;
  bool caught_up = true;
};

wire::LinkInspectAnswer answer(const std::vector<Copy>& copies) {
  wire::LinkInspectAnswer answer;
  answer.epoch = 1;
  for (size_t i = 0; i < copies.size(); ++i) {
    wire::LinkInspectAnswerPartition partition;
    partition.topic_id = topic_id();
    partition.index = static_cast<int32_t>(i);
    partition.durable_end = copies[i].end;
    partition.last_epoch = copies[i].epoch;
    partition.high_watermark = copies[i].high_watermark;
    partition.caught_up = copies[i].caught_up;
    if (copies[i].damaged) partition.error_code = wire::ErrorCode::kKafkaStorageError;
    answer.partitions.push_back(partition);
  }
  return answer;
}

control::State two_partitions(const std::string& ceilings) {
  control::State state;
  const std::string topic = R"({"v":1,"id":")" + to_string(topic_id()) + R"(","placement":[1,1]})";
  std::vector<control::Change> changes = {{control::topic_key("orders"), topic}};
  if (!ceilings.empty()) {
    changes.push_back(
        {control::ceilings_key("default", topic_id()), R"({"v":1,"offsets":)" + ceilings + "}"});
  }
  EXPECT_TRUE(state.apply(1, changes));
  return state;
}

const std::vector<NodeId> kBoth = {NodeId{2}, NodeId{3}};

TEST(Holdings, TheMostAdvancedHasTheLatestRecordsInMostPartitions) {
  EXPECT_FALSE(most_advanced({}, kBoth));
  const auto chosen = [](const wire::LinkInspectAnswer& second,
                         const wire::LinkInspectAnswer& third) {
    return most_advanced({{NodeId{2}, second}, {NodeId{3}, third}}, kBoth)->value;
  };
  EXPECT_EQ(chosen(answer({{10}, {10}}), answer({{10}, {10}})), 2) << "the first of equals";
  EXPECT_EQ(chosen(answer({{10}, {10}}), answer({{10}, {11}})), 3);
  EXPECT_EQ(chosen(answer({{99, 1}, {10, 2}}), answer({{5, 2}, {10, 2}})), 3)
      << "a later epoch is ahead of more records of an earlier one";
  EXPECT_EQ(chosen(answer({{10}, {50, 1, 0, true}}), answer({{9}, {9}})), 3) << "damaged";
  EXPECT_EQ(most_advanced({{NodeId{3}, answer({{1}})}, {NodeId{9}, answer({{5}})}}, kBoth)->value,
            3)
      << "only candidates are chosen";
}

TEST(Holdings, TheLossLiesBetweenWhatIsKnownAndWhatWasReserved) {
  const Holdings holdings = {{NodeId{2}, answer({{10, 1, 8}, {20, 1, 20}})},
                             {NodeId{3}, answer({{12, 1, 11}, {15, 1, 15}})}};
  const auto state = two_partitions("[100,200]");
  const LossRange second = loss_of(state, "default", holdings, NodeId{2});
  EXPECT_EQ(second.at_least, 1);
  EXPECT_EQ(second.at_most, 90 + 180);
  EXPECT_FALSE(second.target_is_ahead);
  const LossRange third = loss_of(state, "default", holdings, NodeId{3});
  EXPECT_EQ(third.at_least, 5);
  EXPECT_TRUE(
      loss_of(state, "default", {{NodeId{3}, answer({{1}, {1}})}}, NodeId{3}).target_is_ahead);
  EXPECT_FALSE(loss_of(two_partitions("[100]"), "default", holdings, NodeId{2}).at_most)
      << "a partition without a reservation";
  EXPECT_EQ(loss_of(state, "other", holdings, NodeId{2}).at_most, 0) << "no partitions";
}

TEST(Holdings, AMaxLagBoundsALossIfThoseWhoCountHaveLostNothing) {
  auto state = two_partitions("[100,200]");
  const control::Member first{NodeId{1}, topic_id()};
  const control::Member second{NodeId{2}, topic_id()};
  const control::Member third{NodeId{3}, topic_id()};
  const auto promise = [&](std::optional<control::LagLimit> limit) {
    control::Leadership led;
    led.epoch = LeaderEpoch{1};
    led.leader = first;
    led.promotable = {first};
    led.open = true;
    led.lag_limit = std::move(limit);
    ASSERT_TRUE(state.apply(state.revision() + 1, {{control::leadership_key("default"),
                                                    control::encode_leadership(led)}}));
  };
  const Copy held{10, 1, 8};
  const Copy behind{5, 1, 5};
  const Copy emptied{5, 1, 5, false, false};
  const Copy damaged{5, 1, 5, true};
  const auto bounds = [&](const Holdings& holdings) {
    return loss_of(state, "default", holdings, NodeId{2}).lag_limit.has_value();
  };
  const auto all = answer({held, held});
  const Holdings both = {{NodeId{2}, all}, {NodeId{3}, answer({behind, held})}};
  promise(std::nullopt);
  EXPECT_FALSE(bounds(both));
  promise(control::LagLimit{Duration::seconds(2), {second, third}});
  EXPECT_TRUE(bounds(both));
  EXPECT_FALSE(bounds({{NodeId{2}, all}})) << "the leader counted on the other, too";
  EXPECT_FALSE(bounds({{NodeId{2}, all}, {NodeId{3}, answer({emptied, held})}}))
      << "it may have been ahead";
  EXPECT_FALSE(bounds({{NodeId{2}, all}, {NodeId{3}, answer({damaged, held})}}));
  EXPECT_FALSE(bounds({{NodeId{2}, all}, {NodeId{3}, answer({held})}})) << "lacks a partition";
  EXPECT_FALSE(bounds({{NodeId{2}, all}, {NodeId{3}, answer({{11}, held})}})) << "is not ahead";
  auto earlier = all;
  earlier.epoch = 0;
  EXPECT_FALSE(bounds({{NodeId{2}, all}, {NodeId{3}, earlier}})) << "another leader's term";
  promise(control::LagLimit{Duration::seconds(2), {third}});
  EXPECT_TRUE(bounds({{NodeId{2}, answer({{10, 1, 8, false, false}, held})}, {NodeId{3}, all}}))
      << "nobody counted on what the target held";
}

TEST(Holdings, WhatContradictsALossOfZero) {
  const auto state = two_partitions("");
  const auto said = [&](const wire::LinkInspectAnswer& second,
                        const wire::LinkInspectAnswer& third) {
    return contradiction(state, "default", {{NodeId{2}, second}, {NodeId{3}, third}}, NodeId{2});
  };
  EXPECT_EQ(said(answer({{10, 1, 10}, {5}}), answer({{10, 1, 10}, {5}})), "");
  EXPECT_EQ(said(answer({{10}, {5}}), answer({{12, 1, 10}, {9}})), "") << "not acknowledged";
  EXPECT_NE(said(answer({{10}, {5}}), answer({{12, 1, 11}, {5}})).find("up to offset 11"),
            std::string::npos);
  EXPECT_NE(said(answer({{10}, {5, 1, 0, true}}), answer({{10}, {5}})).find("cannot open"),
            std::string::npos);
  EXPECT_NE(said(answer({{10}}), answer({{10}, {5}})).find("partition 1"), std::string::npos);
  EXPECT_NE(contradiction(state, "default", {}, NodeId{2}), "");
}

TEST(Holdings, AreListedByTopicAndPartition) {
  wire::LinkInspectAnswer said = answer({{10, 1, 8}, {20, 1, 20, true}, {7}});
  const auto held_before = held_by(two_partitions(""), said);
  said.partitions[0].may_have_gaps = 0;
  said.partitions[2].may_have_gaps = 1;
  const auto held = held_by(two_partitions(""), said);
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0].topic, "orders");
  EXPECT_EQ(held[0].log_end, Offset{10});
  EXPECT_EQ(held[0].high_watermark, Offset{8});
  EXPECT_EQ(held[1].partition, PartitionIndex{2});
  EXPECT_EQ(held_before[0].compacted, std::nullopt) << "an older node does not say";
  EXPECT_EQ(held[0].compacted, false);
  EXPECT_EQ(held[1].compacted, true);
}

TEST(Holdings, AnEstimateRestsOnWhatFollowersSawOfTheLeader) {
  const control::State state = two_partitions("[1000,1000]");
  Holdings holdings = {{NodeId{2}, answer({{10, 1, 8}, {20, 1, 20}})},
                       {NodeId{3}, answer({{12, 1, 11}, {15, 1, 15}})}};
  EXPECT_FALSE(loss_of(state, "default", holdings, NodeId{2}).estimate) << "nobody heard of it";
  // 60 records in 30 seconds, and node 2 heard it last, 4 seconds before its time was over.
  holdings[NodeId{2}].unheard_ms = 4'000;
  holdings[NodeId{3}].unheard_ms = 9'000;
  holdings[NodeId{3}].seen_records = 60;
  holdings[NodeId{3}].seen_ms = 30'000;
  EXPECT_EQ(loss_of(state, "default", holdings, NodeId{2}).estimate, 8 + 2) << "node 3 has 2 more";
  EXPECT_EQ(loss_of(state, "default", holdings, NodeId{3}).estimate, 8 + 5);
  holdings[NodeId{3}].seen_records = 0;
  EXPECT_EQ(loss_of(state, "default", holdings, NodeId{2}).estimate, 2);
  // It stays between what is known and what was reserved.
  holdings[NodeId{3}].seen_records = 1'000'000'000;
  EXPECT_EQ(loss_of(state, "default", holdings, NodeId{2}).estimate, 990 + 980);
}

TEST(Holdings, WhatMayNotFitIsWarnedOf) {
  wire::LinkInspectAnswer leader = answer({{1'000}});
  leader.group_bytes = 5'000'000;
  leader.connections = 90;
  wire::LinkInspectAnswer target = answer({{900}});
  const auto warnings = [&] {
    return capacity_of({{NodeId{1}, leader}, {NodeId{2}, target}}, NodeId{1}, NodeId{2}).warnings;
  };
  EXPECT_TRUE(warnings().empty()) << "nothing is known of it";
  target.group_bytes = 4'000'000;
  target.disk_free_bytes = 999'999;
  target.connections = 10;
  target.connections_max = 99;
  ASSERT_EQ(warnings().size(), 2u);
  EXPECT_NE(warnings()[0].find("lacks 1000000 bytes"), std::string::npos);
  EXPECT_NE(warnings()[1].find("100 connections"), std::string::npos);
  target.connections_max = 100;
  target.disk_free_bytes = 10'000'000'000;
  EXPECT_TRUE(warnings().empty());
  // A thousand records of 4444 bytes in a second.
  target.seen_records = 1'000;
  target.seen_ms = 1'000;
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("full in 37 minutes"), std::string::npos) << warnings()[0];
  EXPECT_FALSE(capacity_of({}, NodeId{1}, NodeId{2}).disk_free_bytes);
}

}  // namespace
}  // namespace magpie::failover
