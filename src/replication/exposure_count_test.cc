#include "replication/exposure_count.h"

#include <gtest/gtest.h>

namespace magpie::replication {
namespace {

LedLog log_at(int64_t end, int64_t high_watermark, uint64_t bytes) {
  LedLog log;
  log.end = Offset{end};
  log.high_watermark = Offset{high_watermark};
  log.size_bytes = bytes;
  return log;
}

TEST(ExposureCount, CountsWhatIsAcknowledgedFromTheMarkOn) {
  ExposureCount count;
  count.look(1, log_at(100, 100, 10'000));
  EXPECT_EQ(count.records(), 0) << "never marked";
  count.mark(1, log_at(100, 90, 10'000));
  count.look(1, log_at(100, 100, 10'000));
  EXPECT_EQ(count.records(), 10);
  EXPECT_EQ(count.bytes(), 1'000) << "by the mean record of the log";
  count.look(1, log_at(150, 140, 20'000));
  EXPECT_EQ(count.records(), 50);
  EXPECT_EQ(count.bytes(), 10'000) << "by the growth: 200 bytes a record";
  count.mark(1, log_at(150, 140, 20'000));
  count.look(1, log_at(150, 150, 20'000));
  EXPECT_EQ(count.records(), 60) << "a second mark begins nothing anew";
}

TEST(ExposureCount, LogsAreAddedAndOneThatIsGoneKeepsItsCount) {
  ExposureCount count;
  count.mark(1, log_at(0, 0, 0));
  count.look(1, log_at(3, 3, 300));
  count.mark(2, log_at(10, 10, 1'000));
  count.look(2, log_at(12, 11, 1'200));
  EXPECT_EQ(count.records(), 4);
  EXPECT_EQ(count.bytes(), 400);
  count.clear();
  EXPECT_EQ(count.records(), 0);
}

TEST(ExposureCount, WhatEarlierTermsStoredDoesNotCount) {
  ExposureCount count;
  LedLog log = log_at(100, 90, 10'000);
  log.term_first = Offset{100};
  count.mark(1, log);
  count.look(1, log_at(100, 100, 10'000));
  EXPECT_EQ(count.records(), 0);
  count.look(1, log_at(105, 103, 10'500));
  EXPECT_EQ(count.records(), 3);
}

TEST(ExposureCount, OffsetsLeftOutAfterALossAreNoRecords) {
  ExposureCount count;
  LedLog log = log_at(100, 100, 10'000);
  log.term_first = Offset{10'000'000};
  count.mark(1, log);
  count.look(1, log);
  EXPECT_EQ(count.records(), 0);
  count.look(1, log_at(10'000'004, 10'000'003, 10'400));
  EXPECT_EQ(count.records(), 3);
  EXPECT_EQ(count.bytes(), 300);

  // Something is stored behind them, but nothing is acknowledged yet.
  ExposureCount late;
  log = log_at(10'000'004, 100, 10'400);
  log.term_first = Offset{10'000'000};
  late.mark(1, log);
  late.look(1, log_at(10'000'006, 10'000'003, 10'600));
  EXPECT_EQ(late.records(), 3);
}

TEST(ExposureCount, RetentionDoesNotMakeBytesNegative) {
  ExposureCount count;
  count.mark(1, log_at(100, 100, 10'000));
  LedLog log = log_at(200, 200, 5'000);
  log.start = Offset{150};
  count.look(1, log);
  EXPECT_EQ(count.records(), 100);
  EXPECT_EQ(count.bytes(), 10'000);
}

}  // namespace
}  // namespace magpie::replication
