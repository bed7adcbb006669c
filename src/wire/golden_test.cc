// Bytes worked out by hand from Kafka's protocol guide and KIP-482.
#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "wire/api_versions.h"
#include "wire/consumer_protocol_subscription.h"
#include "wire/create_topics.h"
#include "wire/describe_topic_partitions.h"
#include "wire/fetch.h"
#include "wire/find_coordinator.h"
#include "wire/heartbeat.h"
#include "wire/hex.h"
#include "wire/metadata.h"
#include "wire/offset_commit_key.h"
#include "wire/offset_commit_value.h"
#include "wire/produce.h"

namespace magpie::wire {
namespace {

// Encodes and compares, then decodes and compares.
template <typename Message>
void expect_bytes(const Message& value, int version, std::string_view hex) {
  ByteWriter out;
  encode(out, value, version);
  const Buffer bytes = flatten(out.finish());
  EXPECT_EQ(to_hex(bytes), to_hex(from_hex(hex)));
  ByteReader in(from_hex(hex));
  Message decoded;
  ASSERT_TRUE(decode(in, decoded, version));
  EXPECT_EQ(in.remaining(), 0u);
  EXPECT_TRUE(decoded == value);
}

TEST(Golden, ApiVersionsRequest) {
  ApiVersionsRequest request;
  expect_bytes(request, 0, "");
  request.client_software_name = "kcat";
  request.client_software_version = "1.7";
  expect_bytes(request, 3, "05 'kcat' | 04 '1.7' | 00");
}

TEST(Golden, ApiVersionsResponse) {
  ApiVersionsResponse response;
  response.api_keys = {{0, 0, 11}, {18, 0, 4}};
  expect_bytes(response, 0, "0000 | 00000002 | 0000 0000 000b | 0012 0000 0004");
  response.throttle_time_ms = 7;
  expect_bytes(response, 1, "0000 | 00000002 | 0000 0000 000b | 0012 0000 0004 | 00000007");
  expect_bytes(response, 3, "0000 | 03 | 0000 0000 000b 00 | 0012 0000 0004 00 | 00000007 | 00");
  response.finalized_features_epoch = 1;
  response.zk_migration_ready = true;
  expect_bytes(response, 4,
               "0000 | 03 | 0000 0000 000b 00 | 0012 0000 0004 00 | 00000007"
               "| 02 | 01 08 0000000000000001 | 03 01 01");
}

TEST(Golden, MetadataRequest) {
  MetadataRequest request;
  request.topics.emplace();
  expect_bytes(request, 0, "00000000");
  request.topics->push_back({{}, "foo"});
  expect_bytes(request, 1, "00000001 0003 'foo'");
  request.topics.reset();
  expect_bytes(request, 1, "ffffffff");
  request.allow_auto_topic_creation = false;
  expect_bytes(request, 4, "ffffffff 00");
  request.topics.emplace().push_back({{}, "foo"});
  request.allow_auto_topic_creation = true;
  expect_bytes(request, 12, "02 | 00000000000000000000000000000000 04 'foo' 00 | 01 | 00 | 00");
}

TEST(Golden, MetadataResponse) {
  MetadataResponse response;
  response.brokers = {{1, "host", 9092, "east"}};
  response.controller_id = 1;
  MetadataResponse::Partition partition;
  partition.leader_id = 1;
  partition.replica_nodes = {1};
  partition.isr_nodes = {1};
  MetadataResponse::Topic topic;
  topic.name = "foo";
  topic.partitions = {partition};
  response.topics = {topic};
  expect_bytes(response, 1,
               "00000001 | 00000001 0004 'host' 00002384 0004 'east'"
               "| 00000001"
               "| 00000001 | 0000 0003 'foo' 00"
               "| 00000001 | 0000 00000000 00000001 | 00000001 00000001 | 00000001 00000001");
}

TEST(Golden, ProduceRequest) {
  ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 30'000;
  request.topic_data = {{"foo", {}, {{2, Buffer::copy_of("batch")}}}};
  expect_bytes(request, 7,
               "ffff | ffff | 00007530 | 00000001 0003 'foo'"
               "| 00000001 | 00000002 | 00000005 'batch'");
  expect_bytes(request, 9,
               "00 | ffff | 00007530 | 02 04 'foo' | 02 | 00000002 | 06 'batch' 00 | 00 | 00");
  expect_bytes(request, 0,
               "ffff | 00007530 | 00000001 0003 'foo' | 00000001 | 00000002 | 00000005 'batch'");
}

TEST(Golden, ProduceResponseNamesTheNewLeaderInTags) {
  ProduceResponse response;
  ProduceResponse::Partition partition;
  partition.error_code = ErrorCode::kNotLeaderOrFollower;
  partition.base_offset = -1;
  partition.current_leader = {2, 5};
  response.responses = {{"t", {}, {partition}}};
  expect_bytes(response, 10,
               "02 | 02 't' | 02 | 00000000 0006 ffffffffffffffff ffffffffffffffff"
               "ffffffffffffffff | 01 | 00 | 01 00 09 00000002 00000005 00 | 00 | 00000000 | 00");
}

TEST(Golden, FetchResponse) {
  FetchResponse response;
  FetchResponse::Partition partition;
  partition.high_watermark = 3;
  partition.last_stable_offset = 3;
  partition.records = BufferChain{Buffer::copy_of("rec")};
  response.responses = {{"t", {}, {partition}}};
  expect_bytes(response, 4,
               "00000000 | 00000001 | 0001 't' | 00000001 | 00000000 0000 0000000000000003"
               "0000000000000003 | ffffffff | 00000003 'rec'");
  response.responses[0].partitions[0].log_start_offset = 0;
  expect_bytes(response, 12,
               "00000000 0000 00000000 | 02 | 02 't' | 02 | 00000000 0000 0000000000000003"
               "0000000000000003 0000000000000000 | 00 | ffffffff | 04 'rec' | 00 | 00 | 00");
}

TEST(Golden, FetchResponseWithoutRecordsIsEmptyNotNull) {
  FetchResponse response;
  response.responses = {{"t", {}, {FetchResponse::Partition()}}};
  expect_bytes(response, 4,
               "00000000 | 00000001 | 0001 't' | 00000001 | 00000000 0000 0000000000000000"
               "ffffffffffffffff | ffffffff | 00000000");
}

TEST(Golden, FindCoordinatorRequest) {
  FindCoordinatorRequest request;
  request.key = "group";
  expect_bytes(request, 0, "0005 'group'");
  expect_bytes(request, 1, "0005 'group' 00");
  request.key.clear();
  request.coordinator_keys = {"a", "bc"};
  expect_bytes(request, 4, "00 | 03 02 'a' 03 'bc' | 00");
}

TEST(Golden, CreateTopicsRequest) {
  CreateTopicsRequest request;
  request.topics = {{"t", -1, -1, {{0, {1, 2}}}, {{"cleanup.policy", "compact"}, {"x", {}}}}};
  request.validate_only = true;
  expect_bytes(request, 2,
               "00000001 | 0001 't' ffffffff ffff | 00000001 00000000 00000002 00000001 00000002"
               "| 00000002 000e 'cleanup.policy' 0007 'compact' 0001 'x' ffff | 0000ea60 | 01");
}

// The examples of docs/formats/schema.md.
TEST(Golden, HeartbeatRequest) {
  HeartbeatRequest request;
  request.group_id = "g";
  request.generation_id = 7;
  request.member_id = "m";
  expect_bytes(request, 3, "00 01 67 | 00 00 00 07 | 00 01 6d | ff ff");
  expect_bytes(request, 4, "02 67 | 00 00 00 07 | 02 6d | 00 | 00");
}

TEST(Golden, AStructureThatMayBeNullIsPrecededByOneByte) {
  DescribeTopicPartitionsRequest request;
  expect_bytes(request, 0, "01 | 000007d0 | ff | 00");
  request.cursor = DescribeTopicPartitionsRequest::Cursor{"t", 3};
  expect_bytes(request, 0, "01 | 000007d0 | 01 02 't' 00000003 00 | 00");
}

TEST(Golden, RecordsOfConsumerOffsets) {
  const OffsetCommitKey key{"g", "t", 4};
  expect_bytes(key, 1, "0001 'g' 0001 't' 00000004");
  OffsetCommitValue value;
  value.offset = 10;
  value.commit_timestamp = 1;
  value.leader_epoch = 2;
  expect_bytes(value, 3, "000000000000000a 00000002 0000 0000000000000001");
}

TEST(Golden, ConsumerSubscription) {
  ConsumerProtocolSubscription subscription;
  subscription.topics = {"a", "b"};
  expect_bytes(subscription, 0, "00000002 0001 'a' 0001 'b' | ffffffff");
}

}  // namespace
}  // namespace magpie::wire
