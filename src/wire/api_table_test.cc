#include "wire/api_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "wire/error_code.h"

namespace magpie::wire {
namespace {

// What clients are told, key by key. A change here is a change of what Magpie promises.
TEST(ApiTable, AdvertisesExactlyThis) {
  const std::map<int, std::pair<int, int>> expected = {
      {0, {0, 11}}, {1, {4, 12}}, {2, {1, 7}},  {3, {0, 12}}, {8, {2, 8}},  {9, {1, 8}},
      {10, {0, 4}}, {11, {0, 9}}, {12, {0, 4}}, {13, {0, 5}}, {14, {0, 5}}, {15, {0, 6}},
      {16, {0, 5}}, {18, {0, 4}}, {19, {2, 7}}, {20, {1, 6}}, {21, {0, 2}}, {22, {0, 4}},
      {23, {2, 4}}, {32, {1, 4}}, {33, {0, 2}}, {35, {1, 4}}, {37, {0, 3}}, {42, {0, 2}},
      {44, {0, 1}}, {46, {0, 0}}, {47, {0, 0}}, {60, {0, 1}}, {75, {0, 0}},
  };
  std::map<int, std::pair<int, int>> advertised;
  for (const ApiInfo& api : api_table()) {
    if (api.advertised.empty()) continue;
    advertised[static_cast<int>(api.key)] = {api.advertised.low, api.advertised.high};
  }
  EXPECT_EQ(advertised, expected);
}

TEST(ApiTable, IsSortedAndFindsEveryRow) {
  int16_t previous = -1;
  for (const ApiInfo& api : api_table()) {
    const auto key = static_cast<int16_t>(api.key);
    EXPECT_LT(previous, key);
    previous = key;
    EXPECT_EQ(find_api(key), &api);
    EXPECT_EQ(&api_info(api.key), &api);
  }
  EXPECT_EQ(find_api(-1), nullptr);
  EXPECT_EQ(find_api(4), nullptr);
  EXPECT_EQ(find_api(1'000), nullptr);
}

TEST(ApiTable, ServesWhatItAdvertisesButOldProduce) {
  for (const ApiInfo& api : api_table()) {
    for (int version = 0; version <= 20; ++version) {
      const bool old_produce = api.key == ApiKey::kProduce && version < 3;
      EXPECT_EQ(api.served.contains(version), api.advertised.contains(version) && !old_produce)
          << api.name << " " << version;
      if (api.advertised.contains(version)) {
        EXPECT_TRUE(api.described.contains(version)) << api.name;
      }
    }
  }
}

TEST(ApiTable, SaslHasItsPlaceButIsNotOffered) {
  EXPECT_TRUE(api_info(ApiKey::kSaslHandshake).advertised.empty());
  EXPECT_TRUE(api_info(ApiKey::kSaslAuthenticate).advertised.empty());
  EXPECT_STREQ(to_string(ApiKey::kSaslHandshake), "SaslHandshake");
}

// librdkafka up to 2.11 switches features on only if these versions are advertised
// (rd_kafka_feature_map), and drops compression unless Produce starts at 0.
TEST(Pitfall5And6OldVersions, WhatLibrdkafkaLooksForIsAdvertised) {
  const std::map<ApiKey, std::pair<int, int>> needed = {
      {ApiKey::kProduce, {0, 7}},         {ApiKey::kFetch, {4, 10}},
      {ApiKey::kFindCoordinator, {0, 0}}, {ApiKey::kOffsetCommit, {2, 2}},
      {ApiKey::kOffsetFetch, {1, 1}},     {ApiKey::kJoinGroup, {0, 0}},
      {ApiKey::kSyncGroup, {0, 0}},       {ApiKey::kHeartbeat, {0, 0}},
      {ApiKey::kLeaveGroup, {0, 0}},      {ApiKey::kInitProducerId, {0, 0}},
      {ApiKey::kListOffsets, {1, 1}},
  };
  for (const auto& [key, range] : needed) {
    EXPECT_TRUE(api_info(key).advertised.contains(range.first)) << to_string(key);
    EXPECT_TRUE(api_info(key).advertised.contains(range.second)) << to_string(key);
  }
}

// Versions that replace names by topic ids are all or nothing: none is offered.
TEST(Pitfall8TopicIds, NoVersionWithTopicIdsOnlyIsAdvertised) {
  EXPECT_EQ(api_info(ApiKey::kFetch).advertised.high, 12);
  EXPECT_LT(api_info(ApiKey::kProduce).advertised.high, 13);
  EXPECT_LT(api_info(ApiKey::kOffsetCommit).advertised.high, 10);
  EXPECT_LT(api_info(ApiKey::kOffsetFetch).advertised.high, 10);
}

TEST(ErrorCode, HasKafkasNumbersAndNames) {
  EXPECT_EQ(static_cast<int>(ErrorCode::kUnknownServerError), -1);
  EXPECT_EQ(static_cast<int>(ErrorCode::kNone), 0);
  EXPECT_EQ(static_cast<int>(ErrorCode::kUnsupportedVersion), 35);
  EXPECT_EQ(static_cast<int>(ErrorCode::kKafkaStorageError), 56);
  EXPECT_EQ(static_cast<int>(ErrorCode::kMemberIdRequired), 79);
  EXPECT_STREQ(to_string(ErrorCode::kNotLeaderOrFollower), "NOT_LEADER_OR_FOLLOWER");
  EXPECT_STREQ(to_string(static_cast<ErrorCode>(9'999)), "UNKNOWN_ERROR_CODE");
}

TEST(ErrorCode, KnowsWhatClientsTryAgain) {
  EXPECT_TRUE(is_retriable(ErrorCode::kNotLeaderOrFollower));
  EXPECT_TRUE(is_retriable(ErrorCode::kKafkaStorageError));
  EXPECT_FALSE(is_retriable(ErrorCode::kMessageTooLarge));
  EXPECT_FALSE(is_retriable(ErrorCode::kNone));
}

}  // namespace
}  // namespace magpie::wire
