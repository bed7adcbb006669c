// ApiVersions, and requests that are not served: the first thing every client says.
#include <gtest/gtest.h>

#include <map>

#include "base/byte_writer.h"
#include "node/testing/topics.h"
#include "wire/api_versions.h"
#include "wire/heartbeat.h"
#include "wire/hex.h"
#include "wire/metadata.h"

namespace magpie::node::testing {
namespace {

using wire::ApiKey;
using wire::ErrorCode;

class ApiVersionsTest : public ::testing::Test {
 protected:
  ApiVersionsTest() { harness_.boot(); }

  // Lowest and highest version of every API the node offers.
  std::map<int16_t, std::pair<int, int>> offered(int version) {
    wire::ApiVersionsRequest request;
    request.client_software_name = "magpie-test";
    request.client_software_version = "1.0";
    const auto response = client_.call<wire::ApiVersionsResponse>(request, version);
    EXPECT_EQ(response.error_code, ErrorCode::kNone);
    std::map<int16_t, std::pair<int, int>> apis;
    for (const auto& api : response.api_keys) {
      apis[api.api_key] = {api.min_version, api.max_version};
    }
    return apis;
  }
  // An ApiVersions frame of a version that does not exist yet, with bytes nobody can know.
  Buffer future_frame(int16_t version) {
    ByteWriter out;
    out.write_int16(18);
    out.write_int16(version);
    out.write_int32(1);
    out.write_text("whatever a later version may put here");
    return flatten(out.finish());
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(ApiVersionsTest, AVersionFromTheFutureIsAnsweredInVersionZeroWithTheRangeToUse) {
  client_.send_bytes(future_frame(5));
  const auto response = client_.take<wire::ApiVersionsResponse>(0);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->error_code, ErrorCode::kUnsupportedVersion);
  ASSERT_EQ(response->api_keys.size(), 1u);
  EXPECT_EQ(response->api_keys[0].api_key, 18);
  EXPECT_EQ(response->api_keys[0].min_version, 0);
  EXPECT_EQ(response->api_keys[0].max_version, 4);
  EXPECT_TRUE(client_.is_open()) << "the client asks again on the same connection";
  EXPECT_FALSE(offered(4).empty());
}

TEST_F(ApiVersionsTest, EveryVersionListsTheSame) {
  const auto newest = offered(4);
  EXPECT_TRUE(newest.contains(0));
  for (int version = 0; version < 4; ++version) EXPECT_EQ(offered(version), newest) << version;
}

TEST_F(ApiVersionsTest, NoFeaturesAreListedThatOlderJavaCannotRead) {
  wire::ApiVersionsRequest request;
  request.client_software_name = "apache-kafka-java";
  request.client_software_version = "3.3.1";
  const auto response = client_.call<wire::ApiVersionsResponse>(request, 3);
  EXPECT_TRUE(response.supported_features.empty());
  EXPECT_TRUE(response.finalized_features.empty());
}

TEST_F(ApiVersionsTest, AClientMustNameItselfProperlyFromVersion3On) {
  struct Case {
    const char* name;
    const char* version;
    ErrorCode error;
  };
  const Case cases[] = {
      {"librdkafka", "2.0.2", ErrorCode::kNone},    {"a", "1", ErrorCode::kNone},
      {"", "1.0", ErrorCode::kInvalidRequest},      {"name", "", ErrorCode::kInvalidRequest},
      {"-name", "1.0", ErrorCode::kInvalidRequest}, {"name.", "1.0", ErrorCode::kInvalidRequest},
      {"a name", "1", ErrorCode::kInvalidRequest},  {"name", "1_0", ErrorCode::kInvalidRequest},
  };
  for (const Case& c : cases) {
    wire::ApiVersionsRequest request;
    request.client_software_name = c.name;
    request.client_software_version = c.version;
    EXPECT_EQ(client_.call<wire::ApiVersionsResponse>(request, 3).error_code, c.error)
        << "'" << c.name << "' '" << c.version << "'";
    EXPECT_TRUE(client_.is_open());
  }
}

TEST_F(ApiVersionsTest, OldClientsNeedNoName) {
  EXPECT_EQ(client_.call<wire::ApiVersionsResponse>(wire::ApiVersionsRequest(), 2).error_code,
            ErrorCode::kNone);
}

TEST_F(ApiVersionsTest, EverythingOfferedIsServedAndNothingElseIs) {
  const auto apis = offered(4);
  for (const wire::ApiInfo& api : wire::api_table()) {
    const auto key = static_cast<int16_t>(api.key);
    EXPECT_EQ(apis.contains(key), !api.advertised.empty()) << api.name;
    if (!apis.contains(key)) continue;
    EXPECT_EQ(apis.at(key).first, api.advertised.low) << api.name;
    EXPECT_EQ(apis.at(key).second, api.advertised.high) << api.name;
  }
}

// --- what is not served --------------------------------------------------------------------------

TEST_F(ApiVersionsTest, AVersionThatIsNotServedClosesTheConnectionInsteadOfBeingMisread) {
  for (const int16_t version : {int16_t{-1}, int16_t{5}, int16_t{99}}) {
    TestClient client(harness_);
    ByteWriter out;
    out.write_int16(static_cast<int16_t>(ApiKey::kHeartbeat));
    out.write_int16(version);
    out.write_int32(1);
    client.send_bytes(flatten(out.finish()));
    EXPECT_FALSE(client.take_frame()) << version;
    EXPECT_FALSE(client.is_open()) << version;
  }
  EXPECT_TRUE(harness_.has_logged("unsupported_version"));
}

TEST_F(ApiVersionsTest, VersionsThatWereDroppedAreRefusedNotMisread) {
  // OffsetCommit and OffsetFetch 0 kept positions in ZooKeeper; ListOffsets 0 answered in arrays.
  for (const ApiKey api : {ApiKey::kOffsetCommit, ApiKey::kOffsetFetch, ApiKey::kListOffsets}) {
    TestClient client(harness_);
    ByteWriter out;
    out.write_int16(static_cast<int16_t>(api));
    out.write_int16(0);
    out.write_int32(1);
    out.write_int16(-1);
    out.write_int32(0);
    client.send_bytes(flatten(out.finish()));
    EXPECT_FALSE(client.take_frame()) << wire::to_string(api);
    EXPECT_FALSE(client.is_open()) << wire::to_string(api);
  }
}

TEST_F(ApiVersionsTest, AnUnknownApiClosesTheConnection) {
  for (const int16_t key : {int16_t{-1}, int16_t{17}, int16_t{24}, int16_t{68}, int16_t{9999}}) {
    TestClient client(harness_);
    ByteWriter out;
    out.write_int16(key);
    out.write_int16(0);
    out.write_int32(1);
    client.send_bytes(flatten(out.finish()));
    EXPECT_FALSE(client.take_frame()) << key;
    EXPECT_FALSE(client.is_open()) << key;
  }
  EXPECT_TRUE(harness_.has_logged("unknown_api"));
}

TEST_F(ApiVersionsTest, AMalformedRequestClosesOnlyItsOwnConnection) {
  TestClient other(harness_);
  const Buffer whole = flatten(wire::frame_request(wire::HeartbeatRequest(), 4, 1, "test"));
  for (size_t size = 0; size + 5 < whole.size(); ++size) {
    TestClient client(harness_);
    client.send_bytes(whole.slice(4, size));
    EXPECT_FALSE(client.take_frame()) << size;
    EXPECT_FALSE(client.is_open()) << size;
  }
  EXPECT_TRUE(harness_.has_logged("malformed_request"));
  EXPECT_TRUE(other.is_open());
  EXPECT_FALSE(other.call<wire::MetadataResponse>(wire::MetadataRequest()).brokers.empty());
}

TEST_F(ApiVersionsTest, WhatWasAnsweredBeforeAMalformedRequestStillArrives) {
  client_.send(wire::MetadataRequest(), 12);
  client_.send_bytes(Buffer::copy_of("garbage"));
  EXPECT_FALSE(client_.is_open());
  EXPECT_TRUE(client_.take<wire::MetadataResponse>(12));
}

TEST_F(ApiVersionsTest, BytesAfterARequestAreIgnored) {
  std::string frame(flatten(wire::frame_request(wire::MetadataRequest(), 12, 1, "test")).text());
  client_.send_bytes(Buffer::copy_of(frame.substr(4) + "more"));
  EXPECT_TRUE(client_.take<wire::MetadataResponse>(12));
}

}  // namespace
}  // namespace magpie::node::testing
