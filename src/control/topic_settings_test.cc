#include "control/topic_settings.h"

#include <gtest/gtest.h>

#include "control/topic_configs.h"

namespace magpie::control {
namespace {

TEST(TopicSettings, DefaultsAreThoseOfTheTable) {
  EXPECT_EQ(effective_settings({}, {}), TopicSettings{});
}

TEST(TopicSettings, PrefersTheTopicThenTheNodeThenKafka) {
  const ConfigValues defaults = {{"retention.ms", "2000"}, {"segment.ms", "3000"}};
  const TopicSettings settings = effective_settings({{"retention.ms", "1000"}}, defaults);
  EXPECT_EQ(settings.retention_age, Duration::seconds(1));
  EXPECT_EQ(settings.segment_age, Duration::seconds(3));
  EXPECT_EQ(settings.max_message_bytes, 1'048'588);
}

TEST(TopicSettings, ReadsCleanupPolicies) {
  const auto policy = [](const char* value) {
    return effective_settings({{"cleanup.policy", value}}, {});
  };
  EXPECT_TRUE(policy("delete").deletes && !policy("delete").compacts);
  EXPECT_TRUE(!policy("compact").deletes && policy("compact").compacts);
  EXPECT_TRUE(policy("compact, delete").deletes && policy("compact, delete").compacts);
  EXPECT_FALSE(policy("").deletes || policy("").compacts);
}

// Clients say "never" with the largest long, in milliseconds; it must not overflow nanoseconds.
TEST(TopicSettings, ClampsDurations) {
  const std::string never = "9223372036854775807";
  const TopicSettings settings = effective_settings({{"retention.ms", never},
                                                     {"segment.ms", never},
                                                     {"delete.retention.ms", never},
                                                     {"message.timestamp.after.max.ms", never},
                                                     {"max.compaction.lag.ms", never}},
                                                    {});
  EXPECT_EQ(settings.retention_age, Duration::max());
  EXPECT_EQ(settings.segment_age, Duration::max());
  EXPECT_EQ(settings.tombstone_age, Duration::max());
  EXPECT_EQ(settings.timestamp_future_max, Duration::max());
  EXPECT_EQ(settings.timestamp_past_max, std::nullopt);
}

TEST(TopicSettings, KnowsWhatHasNoLimit) {
  const TopicSettings none =
      effective_settings({{"retention.ms", "-1"}, {"retention.bytes", "-1"}}, {});
  EXPECT_EQ(none.retention_age, std::nullopt);
  EXPECT_EQ(none.retention_bytes, std::nullopt);
  const TopicSettings zero =
      effective_settings({{"retention.ms", "0"}, {"retention.bytes", "0"}}, {});
  EXPECT_EQ(zero.retention_age, Duration{});
  EXPECT_EQ(zero.retention_bytes, 0);
  const TopicSettings past = effective_settings({{"message.timestamp.before.max.ms", "5"}}, {});
  EXPECT_EQ(past.timestamp_past_max, Duration::milliseconds(5));
}

TEST(TopicSettings, LetsTestsUseSmallSegments) {
  EXPECT_EQ(effective_settings({{"internal.segment.bytes", "100"}}, {}).segment_bytes, 100);
  EXPECT_EQ(effective_settings({{"segment.bytes", "2000000"}}, {}).segment_bytes, 2'000'000);
}

TEST(TopicSettings, FallsBackWhereAHeldValueCannotBeRead) {
  EXPECT_EQ(effective_settings({{"retention.ms", "7 d"}, {"new.key", "x"}}, {}), TopicSettings{});
}

TEST(TopicSettings, ReadsTimestampType) {
  EXPECT_TRUE(
      effective_settings({{"message.timestamp.type", "LogAppendTime"}}, {}).log_append_time);
  EXPECT_FALSE(effective_settings({{"message.timestamp.type", "CreateTime"}}, {}).log_append_time);
}

}  // namespace
}  // namespace magpie::control
