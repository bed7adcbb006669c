// The client's own counting, against librdkafka's mock broker on loopback.
#include <gtest/gtest.h>

#include "driver/measure.h"
#include "driver/mock_cluster.h"

namespace magpie::bench {
namespace {

Settings small_run() {
  Settings settings;
  settings.mock_brokers = 1;
  settings.partitions = 3;
  settings.message_bytes = 100;
  settings.byte_budget = 200'000;
  settings.seconds = 30;
  settings.linger_milliseconds = 1;
  return settings;
}

TEST(MockRun, EveryMessageOfTheBudgetIsAcknowledgedOnce) {
  const auto report = measure_produce(small_run());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->messages, 2'000u);
  EXPECT_EQ(report->failed, 0u);
  EXPECT_GT(report->acknowledgement_latency.count(), 0u);
}

TEST(MockRun, TheBudgetIsSharedByProducers) {
  Settings settings = small_run();
  settings.producers = 4;
  const auto report = measure_produce(settings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->messages, 2'000u);
}

TEST(MockRun, WhatWasFollowedIsThereToBeConsumed) {
  Settings settings = small_run();
  auto mock = MockCluster::start(settings);
  ASSERT_TRUE(mock) << mock.error().message;
  settings.brokers = mock->addresses();
  settings.mock_brokers = 0;

  const auto followed = measure_follow(settings);
  ASSERT_TRUE(followed) << followed.error().message;
  EXPECT_EQ(followed->messages, 2'000u);
  EXPECT_EQ(followed->end_to_end_latency.count(), 2'000u);

  const auto consumed = measure_consume(settings);
  ASSERT_TRUE(consumed) << consumed.error().message;
  EXPECT_EQ(consumed->messages, 2'000u);
}

TEST(MockRun, AtALowRateEveryAcknowledgementIsTimed) {
  Settings settings = small_run();
  settings.byte_budget = 100 * settings.message_bytes;
  settings.rate = 1'000;
  const auto report = measure_produce(settings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->messages, 100u);
  EXPECT_EQ(report->acknowledgement_latency.count(), 100u);
}

TEST(MockRun, AtARateNothingThatWasFollowedIsMissed) {
  Settings settings = small_run();
  settings.byte_budget = 200 * settings.message_bytes;
  settings.rate = 2'000;
  auto mock = MockCluster::start(settings);
  ASSERT_TRUE(mock) << mock.error().message;
  settings.brokers = mock->addresses();
  settings.mock_brokers = 0;
  const auto report = measure_follow(settings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->end_to_end_latency.count(), 200u);
  EXPECT_EQ(report->append_to_consumer_latency.count(), 0u) << "the mock keeps no such time";
}

TEST(MockRun, TheConsumerReadsWhereItIsToldTo) {
  Settings there = small_run();
  auto elsewhere = MockCluster::start(there);
  ASSERT_TRUE(elsewhere) << elsewhere.error().message;
  there.brokers = elsewhere->addresses();
  there.mock_brokers = 0;
  ASSERT_TRUE(measure_follow(there));

  Settings settings = small_run();
  settings.byte_budget = 200 * settings.message_bytes;
  auto mock = MockCluster::start(settings);
  ASSERT_TRUE(mock) << mock.error().message;
  settings.brokers = mock->addresses();
  settings.consumer_brokers = elsewhere->addresses();
  settings.mock_brokers = 0;
  const auto report = measure_follow(settings);
  // It finds more than this run produces, all of it sent before: nothing that could be timed. All
  // of it may even have come before the measuring began, and then there is no report.
  if (report) {
    EXPECT_EQ(report->end_to_end_latency.count(), 0u);
  }
}

TEST(MockRun, ABudgetThatEndsInTheWarmupIsRefused) {
  Settings settings = small_run();
  settings.byte_budget = 1'000;
  settings.warmup_seconds = 1;
  EXPECT_FALSE(measure_produce(settings));
}

}  // namespace
}  // namespace magpie::bench
